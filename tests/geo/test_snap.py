from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import QueryError
from urbancast.geo.metric import Plane
from urbancast.geo.snap import Snapper

SEEDS = st.integers(0, 10_000)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_nearest_link_is_the_one_that_a_look_at_all_of_them_finds(town, seed):
    network = town(seed, side=4)
    lon, lat = np.random.default_rng(seed).uniform([-73.981, 40.749], [-73.976, 40.754], (20, 2)).T
    plane = Plane.around(shapely.box(*shapely.total_bounds(network.lines)))
    lines, points = plane.flatten(network.lines), plane.flatten(shapely.points(lon, lat))
    every = shapely.distance(points[:, None], lines[None, :])
    link, share, away = Snapper(network).nearest(lon, lat)
    assert away == pytest.approx(every.min(axis=1), abs=1e-6)
    spots = shapely.line_interpolate_point(lines[link], share, normalized=True)
    assert shapely.distance(spots, points) == pytest.approx(away, abs=1e-6)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_snapped_spot_lies_on_each_link_it_names(town, seed):
    network = town(seed, side=4)
    point = np.random.default_rng(seed).uniform([-73.98, 40.75], [-73.977, 40.753])
    spot = Snapper(network).snap(*point)
    plane = Plane(spot.lon, spot.lat)
    at = shapely.line_interpolate_point(plane.flatten(network.lines[spot.links]), spot.shares, normalized=True)
    assert (shapely.distance(at, shapely.Point(0, 0)) < 2.01).all()
    assert shapely.distance(at[0], plane.flatten(shapely.Point(point))) == pytest.approx(spot.distance_m, rel=1e-4)
    assert len(set(spot.links.tolist())) == len(spot.links)


def test_a_corner_offers_every_street_that_meets_there(town):
    network = town(5)
    node = int(np.bincount(network.start).argmax())
    spot = Snapper(network).snap(network.lon[node], network.lat[node])
    meeting = np.flatnonzero((network.start == node) | (network.end == node))
    assert set(meeting.tolist()) <= set(spot.links.tolist())
    assert spot.distance_m < 0.01


@pytest.mark.parametrize("off", [(0.1, 0), (0, -0.02), (60, 20), (0, 60), (float("nan"), 0), (0, float("inf"))])
def test_a_point_far_from_every_road_is_told_so(town, off):
    snapper = Snapper(town(1))
    with pytest.raises(QueryError, match="within 500 m of a road") as refused:
        snapper.snap(-73.98 + off[0], 40.75 + off[1])
    assert refused.value.state == "no-road-data"


def test_many_points_at_once_leave_those_far_off_and_unknown_without_a_link(town):
    link, share, away = Snapper(town(1)).nearest([-73.978, -75.0, float("nan")], [40.752, 40.752, 40.752])
    assert link[0] >= 0
    assert link[1:].tolist() == [-1, -1]
    assert np.isnan(share[1:]).all()
    assert np.isnan(away[1:]).all()
