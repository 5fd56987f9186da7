from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import QueryError
from urbancast.geo import timing
from urbancast.geo.along import along, trace, visits
from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import Plane
from urbancast.geo.network import Network
from urbancast.geo.pieces import cut
from urbancast.geo.routing import BuiltIn

DEPART = datetime(2022, 11, 5, 22, 57, tzinfo=ZoneInfo("America/New_York"))
SEEDS = st.integers(0, 100_000)
EXACT_M = 0.02
PLANE = Plane(-73.977, 40.753)


def stripes(count=5):
    """Slanted zones across the town with gaps between them."""
    lon = np.linspace(-73.981, -73.973, count + 1)
    return [
        (f"s{k}", shapely.Polygon([(a, 40.74), (b - 2e-4, 40.74), (b + 6e-4, 40.76), (a + 8e-4, 40.76)]))
        for k, (a, b) in enumerate(pairwise(lon))
    ]


def a_route(network, seed):
    """Some path across the network; the first whose ends are a trip."""
    random = np.random.default_rng(seed)
    router = BuiltIn(network)
    while True:
        start, end = ((network.lon[k] + 1e-4, network.lat[k]) for k in random.integers(0, len(network.lon), 2))
        try:
            return router, router.route(start, end, depart_local=DEPART)
        except QueryError:
            continue


def exact_m(path, index):
    """Metres of the path's line in each zone, by the line as a whole."""
    xy = np.column_stack([path.lon, path.lat])
    steps = shapely.linestrings(np.stack([xy[:-1], xy[1:]], axis=1))
    return {
        place: metres
        for place, shape in zip(index.places, index.shapes, strict=True)
        if (metres := float(shapely.length(PLANE.flatten(shapely.intersection(steps, shape))).sum())) > EXACT_M
    }


def sums(path, pieces):
    found = along(path, pieces)
    metres = np.bincount(found.place, found.length_m, len(pieces.places))
    return {place: m for place, m in zip(pieces.places, metres.tolist(), strict=True) if m > EXACT_M}


@settings(max_examples=10)
@given(seed=SEEDS)
def test_sums_along_a_path_are_those_of_its_line_cut_by_every_zone(town, zones, seed):
    network = town(seed, side=5)
    places = zones(stripes())
    pieces, index = cut(network, places), ZoneIndex(places)
    for path in a_route(network, seed)[1]:
        assert sums(path, pieces) == pytest.approx(exact_m(path, index), rel=3e-3, abs=0.05)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_pieces_are_entered_in_order_and_their_seconds_add_up(town, zones, seed):
    network = town(seed, side=5)
    everywhere = [*stripes(), ("zz", shapely.box(-75, 40, -73, 41))]
    pieces = cut(network, zones(everywhere))
    router, paths = a_route(network, seed)
    for path in paths:
        found = along(path, pieces)
        assert found.seconds.sum() == pytest.approx(path.seconds, rel=1e-5)
        assert found.length_m.sum() == pytest.approx(path.length_m, rel=1e-5)
        assert found.enter_s[0] == pytest.approx(0, abs=1e-6)
        assert found.enter_s[1:] == pytest.approx((found.enter_s + found.seconds)[:-1], abs=1e-2)
        later = along(path, pieces, router.retime(path, timing.hours_after(DEPART)))
        assert later.enter_s.shape == later.seconds.shape == (24, len(found.place))
        assert later.enter_s[0] == pytest.approx(found.enter_s)
        assert later.seconds[0] == pytest.approx(found.seconds)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_traced_line_is_the_path_and_each_part_of_it_lies_in_its_zone(town, zones, seed):
    network = town(seed, side=5)
    pieces = cut(network, zones(stripes()))
    path = a_route(network, seed)[1][0]
    found = along(path, pieces)
    lon, lat, first, last = trace(path, found)
    assert Network.steps_m(lon, lat).sum() == pytest.approx(Network.steps_m(path.lon, path.lat).sum(), abs=0.01)
    shapes = dict(stripes())
    for row, place in enumerate(found.place):
        if found.length_m[row] < 0.1:
            continue
        stretch = np.column_stack([lon, lat])[first[row] : last[row] + 1]
        assert len(stretch) >= 2
        assert shapely.covers(shapes[pieces.places[place]].buffer(1e-7), shapely.linestrings(stretch))


def test_a_stay_in_a_zone_is_one_visit_however_many_links_it_takes(town, zones):
    network = town(7)
    pieces = cut(network, zones(stripes()))
    found = along(a_route(network, 7)[1][0], pieces)
    starts = visits(found)
    assert starts[0] == 0
    assert (found.place[starts][1:] != found.place[starts][:-1]).all()
    assert len(starts) == 1 + np.count_nonzero(np.diff(found.place))


def test_a_path_outside_every_zone_has_no_piece(town, zones):
    network = town(7)
    found = along(a_route(network, 7)[1][0], cut(network, zones([("far", shapely.box(0, 0, 1, 1))])))
    assert len(found.place) == len(visits(found)) == 0


def test_zones_along_200_routes_of_the_real_graph_are_those_of_the_line(manhattan, boundary_features):
    places = boundary_features("nyc/taxi_zones.geojson").select(place="location_id", geometry="geometry")
    index, pieces = ZoneIndex(places), cut(manhattan, places)
    router, random, compared = BuiltIn(manhattan), np.random.default_rng(11), 0
    while compared < 200:
        a, b = random.integers(0, len(manhattan.lon), 2)
        if a == b:
            continue
        start, end = ((manhattan.lon[node] + 3e-4, manhattan.lat[node] + 1e-4) for node in (a, b))
        for path in router.route(start, end, depart_local=DEPART):
            line = shapely.linestrings(np.column_stack([path.lon, path.lat]))
            near = np.flatnonzero(shapely.intersects(index.shapes, line))
            crossed = [k for k in near if shapely.intersection(line, index.shapes[k]).length > 2e-8]
            assert {pieces.places[k] for k in along(path, pieces).place} == {index.places[k] for k in crossed}
            compared += 1
