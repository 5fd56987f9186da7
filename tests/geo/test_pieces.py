from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import ContractError
from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import Plane
from urbancast.geo.network import Network
from urbancast.geo.pieces import Pieces, cut

SEEDS = st.integers(0, 100_000)
PLANE = Plane(-73.9775, 40.7525)
BOX = shapely.box(-73.9805, 40.7495, -73.9745, 40.7555)


def cells(seed, count=7):
    """Zones of wavy borders that fill the box, each under its number."""
    sites = shapely.multipoints(np.random.default_rng(seed).uniform((-73.981, 40.749), (-73.974, 40.756), (count, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(sites, extend_to=BOX))
    wavy = shapely.transform(shapely.segmentize(cells, 2e-4), lambda c: c + 5e-5 * np.sin(c[:, ::-1] * 3e4))
    return [(f"z{k}", shape) for k, shape in enumerate(shapely.make_valid(wavy)) if shape.geom_type == "Polygon"]


def shares(pieces):
    return np.bincount(pieces.link, pieces.to_share - pieces.from_share, pieces.links)


def part(network, link, low, high):
    """The stretch of a link between two shares, as a line."""
    a, b = network.vertex[link], network.vertex[link + 1]
    at = network.vertex_share[a:b]
    wanted = np.unique(np.concatenate([[low, high], at[(at > low) & (at < high)]]))
    lon, lat = (np.interp(wanted, at, values[a:b]) for values in (network.vertex_lon, network.vertex_lat))
    return shapely.linestrings(np.column_stack([lon, lat]))


@settings(max_examples=6)
@given(seed=SEEDS)
def test_zones_that_fill_the_town_share_out_every_link(town, zones, seed):
    network = town(seed, side=4)
    pieces = cut(network, zones([*cells(seed), ("rest", BOX.buffer(0.01))]))
    assert shares(pieces) == pytest.approx(np.ones(network.links), abs=1e-6)
    assert np.bincount(pieces.link, pieces.length_m) == pytest.approx(network.length_m, rel=1e-6)
    follows = np.diff(pieces.link) == 0
    assert (pieces.from_share[1:][follows] >= pieces.to_share[:-1][follows] - 1e-12).all()


@settings(max_examples=6)
@given(seed=SEEDS)
def test_a_piece_lies_in_its_zone_and_what_has_no_piece_in_none(town, zones, seed):
    network = town(seed, side=4)
    shapes = cells(seed)[:-2]
    pieces = cut(network, zones(shapes))
    middle = (pieces.from_share + pieces.to_share) / 2
    spots = [part(network, k, s, s + 1e-7).coords[0] for k, s in zip(pieces.link, middle, strict=True)]
    found = ZoneIndex(zones(shapes)).locate(*np.array(spots).T)
    assert found.to_list() == [pieces.places[zone] for zone in pieces.place]
    whole = shapely.union_all([shape for _, shape in shapes])
    inside = shapely.length(PLANE.flatten(shapely.intersection(network.lines, whole)))
    assert shares(pieces) == pytest.approx(inside / shapely.length(PLANE.flatten(network.lines)), abs=1e-3)


def test_what_two_zones_cover_belongs_to_the_first_and_nothing_counts_twice(town, zones):
    network = town(1, side=4)
    west, south, east, north = shapely.total_bounds(network.lines)
    width = east - west
    left = shapely.box(west, south, west + 0.7 * width, north)
    right = shapely.box(west + 0.3 * width, south, east, north)
    both = cut(network, zones([("b", left), ("a", right)]))
    alone = cut(network, zones([("a", right)]))
    assert both.places == ("a", "b")
    assert shares(both) == pytest.approx(np.ones(network.links), abs=1e-6)
    first = both.place == 0
    assert np.bincount(both.link[first], both.length_m[first], network.links) == pytest.approx(
        np.bincount(alone.link, alone.length_m, network.links)
    )


def test_a_link_along_a_shared_border_is_counted_once(zones):
    nodes = pl.DataFrame({"node": [1, 2, 3], "lon": [-73.98, -73.97, -73.96], "lat": [40.75] * 3})
    edges = pl.DataFrame({"link": range(4), "from_node": [1, 2, 3, 2], "to_node": [2, 3, 2, 1]})
    line = Network.of_tables(nodes, edges)
    north, south = shapely.box(-74, 40.75, -73.9, 40.8), shapely.box(-74, 40.7, -73.9, 40.75)
    pieces = cut(line, zones([("north", north), ("south", south)]))
    assert pieces.frame()["place"].to_list() == ["north"] * 4
    assert shares(pieces).tolist() == [1.0] * 4


def test_no_zone_near_makes_no_piece(town, zones):
    network = town(1, side=3)
    pieces = cut(network, zones([("far", shapely.box(0, 0, 1, 1))]))
    assert len(pieces) == 0
    assert pieces.first.tolist() == [0] * (network.links + 1)
    assert Pieces.load(pieces.dump()).places == ("far",)


def test_pieces_are_loaded_as_they_were_dumped(town, zones):
    pieces = cut(town(2, side=4), zones(cells(2)))
    again = Pieces.load(pieces.dump())
    assert again.dump() == pieces.dump()
    assert again.frame().equals(pieces.frame())
    assert again.links == pieces.links
    with pytest.raises(ContractError, match="pieces: expected what dump wrote"):
        Pieces.load(b"not pieces")


def test_the_real_graph_is_cut_whole_but_for_its_bridges(manhattan, boundary_features, zones):
    features = boundary_features("nyc/taxi_zones.geojson")
    places = features.select(place="location_id", geometry="geometry")
    found = shares(cut(manhattan, places))
    assert found.max() <= 1 + 1e-9
    assert (found > 1 - 1e-6).mean() > 0.97
