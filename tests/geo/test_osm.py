from __future__ import annotations

from pathlib import Path

import osmium
import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.geo import osm
from urbancast.geo.network import Network

VILLAGE = Path(__file__).parent / "recorded" / "village.osm"


@pytest.fixture(scope="module")
def links():
    """Every link of the village as (way, from, to): speed and name."""
    edges = osm.read(VILLAGE).edges.with_columns(way=pl.col("link").str.split(":").list.first())
    rows = edges.select("way", "from_node", "to_node", "speed_kmh", "name").iter_rows()
    return {(way, start, end): (speed, name) for way, start, end, speed, name in rows}


def test_ways_are_cut_where_they_meet_and_bends_are_no_junctions(links):
    ends = {(start, end) for way, start, end in links if way in {"100", "101"}}
    assert ends == {(1, 3), (3, 1), (3, 4), (4, 3), (4, 6), (6, 4)}


def test_a_one_way_street_is_one_link_and_one_drawn_backwards_too(links):
    assert {(start, end) for way, start, end in links if way in {"102", "103"}} == {(4, 5), (5, 1)}


def test_a_roundabout_is_driven_one_way_and_cut_so_that_no_link_is_a_loop(links):
    assert {(start, end) for way, start, end in links if way == "104"} == {(6, 8), (8, 6)}


def test_private_ways_footways_and_buildings_are_no_roads(links):
    assert not {"105", "106", "109"} & {way for way, _, _ in links}


def test_a_way_with_a_node_that_the_extract_lacks_is_kept_where_it_is_whole(links):
    assert {(start, end) for way, start, end in links if way == "107"} == {(4, 5), (5, 4)}


def test_limits_come_from_the_tag_or_from_the_class(links):
    driven = osm.DRIVEN_SHARE
    assert links["101", 3, 4] == (pytest.approx(25 * 1.609344 * driven), "B 7")
    assert links["102", 4, 5] == (pytest.approx(40 * driven), None)
    assert links["100", 1, 3] == (pytest.approx(30 * driven), "Bend Street")


def test_an_extract_becomes_a_network_of_its_largest_part_with_its_bends():
    network = Network.of_osm(VILLAGE)
    assert network.counts["ways_used"] == 7
    assert (network.counts["links_cut_off"], network.counts["nodes_cut_off"]) == (2, 2)
    assert set(network.names) >= {"", "Bend Street", "B 7"}
    bend = network.names.index("Bend Street")
    held = (network.vertex[1:] - network.vertex[:-1])[network.name == bend]
    assert held.tolist() == [3, 3]


def test_a_pbf_gives_the_same_network_as_xml_from_a_path_or_from_bytes(tmp_path):
    target = tmp_path / "village.osm.pbf"
    with osmium.SimpleWriter(str(target)) as writer:
        for thing in osmium.FileProcessor(str(VILLAGE)):
            writer.add(thing)
    wanted = Network.of_osm(VILLAGE).dump()
    assert Network.of_osm(target).dump() == wanted
    assert Network.of_osm(target.read_bytes()).dump() == wanted
    assert Network.of_osm(VILLAGE.read_bytes(), form="osm").dump() == wanted


@pytest.mark.parametrize("content", [b"", b"<html><body>404</body></html>", b"\x00\x00\x00\x0d garbage"])
@pytest.mark.parametrize("form", ["osm", "osm.pbf"])
def test_bytes_that_are_no_extract_are_refused(content, form):
    with pytest.raises(ContractError, match="extract: expected"):
        Network.of_osm(content, form=form)


def test_an_extract_without_roads_is_refused():
    with pytest.raises(ContractError, match="drivable `highway` tag, found none"):
        Network.of_osm(b'<osm version="0.6"><node id="1" lat="1" lon="1"/></osm>', form="osm")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ContractError, match=r"extract: expected OpenStreetMap data, found .*absent"):
        Network.of_osm(tmp_path / "absent.osm.pbf")
