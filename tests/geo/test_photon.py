from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import shapely

from urbancast.core.errors import PortalError
from urbancast.geo.engines import geocoding
from urbancast.geo.gazetteer import Gazetteer
from urbancast.geo.geocoder import DOWN
from urbancast.geo.index import ZoneIndex
from urbancast.geo.photon import Photon
from urbancast.geo.remote import Remote

REPLY = json.loads((Path(__file__).parent / "recorded" / "photon_search.json").read_text())
BOUNDS = (-74.3, 40.4, -73.6, 41.0)
CENTRES = [(-73.986, 40.748), (-74.073, 40.645), (-73.9, 40.9)]
PLACES = pl.DataFrame(
    {
        "place": ["164", "206", "44"],
        "name": ["Midtown South", "Saint George", "Fifth Avenue Park"],
        "kind": ["zone"] * 3,
        "part_of": ["Manhattan", "Staten Island", None],
        "lat": [40.748, 40.645, 40.9],
        "lon": [-73.986, -74.073, -73.9],
        "geometry": [shapely.to_wkb(shapely.Point(at).buffer(0.005)) for at in CENTRES],
    }
)


@pytest.fixture
def photon(httpserver):
    httpserver.expect_request("/api", method="GET").respond_with_json(REPLY)
    return httpserver


def test_features_become_hits_with_their_zone_and_those_without_a_point_or_out_of_bounds_do_not(photon):
    found = Photon(Remote("photon", photon.url_for("/")), bounds=BOUNDS, index=ZoneIndex(PLACES))
    hits = found.search("Empire State Building", near=(-73.98, 40.75))
    assert [(hit.name, hit.place) for hit in hits] == [
        ("Empire State Building, 350 5th Avenue", "164"),
        ("Empire State Building, West 34th Street", "164"),
        ("5th Avenue", "206"),
    ]
    assert [hit.tier for hit in hits] == [1, 1, 3]
    assert hits[0].part_of == "Manhattan, New York"
    assert {hit.kind for hit in hits} == {"address"}
    asked = photon.log[0][0].args
    assert (asked["q"], asked["limit"], asked["lon"], asked["lat"]) == (
        "Empire State Building",
        "8",
        "-73.98000",
        "40.75000",
    )
    assert asked["bbox"] == "-74.30000,40.40000,-73.60000,41.00000"


def test_a_limit_and_no_bounds_are_respected(photon):
    hits = Photon(Remote("photon", photon.url_for("/"))).search("5th Avenue", 4)
    assert [hit.name for hit in hits][-1] == "Tour Eiffel"
    assert Photon(Remote("photon", photon.url_for("/"))).search("5th Avenue", 1) == hits[:1]
    assert hits[2].tier == 0


@pytest.mark.parametrize(
    ("body", "status"), [({"message": "missing search term"}, 400), ([1], 200), ({"features": {}}, 200)]
)
def test_a_reply_of_another_shape_is_the_servers_fault(httpserver, body, status):
    httpserver.expect_request("/api").respond_with_json(body, status=status)
    with pytest.raises(PortalError, match=f"photon: expected features, found status {status} without"):
        Photon(Remote("photon", httpserver.url_for("/"))).search("x")


def test_without_a_url_nobody_is_asked():
    found = geocoding(Gazetteer(PLACES)).find("350 5th Avenue")
    assert (found.hits, found.source, found.note) == ((), "gazetteer", None)


def test_what_the_gazetteer_knows_by_its_whole_name_is_not_asked_elsewhere(photon):
    found = geocoding(Gazetteer(PLACES), url=photon.url_for("/")).find("midtown south")
    assert [hit.place for hit in found.hits] == ["164"]
    assert photon.log == []


def test_an_address_is_found_elsewhere_and_a_building_and_its_door_are_one_answer(photon):
    both = geocoding(Gazetteer(PLACES), url=photon.url_for("/"), bounds=BOUNDS, index=ZoneIndex(PLACES))
    found = both.best("Empire State Building")
    assert [hit.name for hit in found.hits] == ["Empire State Building, 350 5th Avenue"]
    assert (found.source, found.note) == ("outside", None)
    assert [hit.name for hit in both.search("Empire State Building", 2)] == [
        "Empire State Building, 350 5th Avenue",
        "Empire State Building, West 34th Street",
    ]


def test_two_streets_of_one_name_are_two_answers(httpserver):
    twice = [
        REPLY["features"][2],
        {**REPLY["features"][2], "geometry": {"type": "Point", "coordinates": [-73.95, 40.8]}},
    ]
    httpserver.expect_request("/api").respond_with_json({"features": twice})
    assert len(geocoding(Gazetteer(PLACES), url=httpserver.url_for("/")).best("5th Avenue").hits) == 2


def test_a_geocoder_that_is_down_leaves_the_gazetteer_and_a_note(httpserver):
    httpserver.expect_request("/api").respond_with_data("busy", status=503)
    both = geocoding(Gazetteer(PLACES), url=httpserver.url_for("/"))
    found = both.find("fifth")
    assert [hit.name for hit in found.hits] == ["Fifth Avenue Park"]
    assert (found.source, found.note) == ("gazetteer", DOWN)
    assert both.best("fifth").note == DOWN
    assert both.best("nowhere").hits == ()


def test_of_equal_names_the_nearer_comes_first():
    towns = pl.concat([PLACES[:1], PLACES[:1].with_columns(place=pl.lit("9"), lat=pl.lit(40.9))])
    hits = geocoding(Gazetteer(towns)).search("Midtown South", near=(-73.986, 40.91))
    assert [hit.place for hit in hits] == ["9", "164"]
