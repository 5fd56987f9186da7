import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from shapely.geometry import Point, box

from urbancast.core.errors import ContractError
from urbancast.geo import places
from urbancast.geo.index import ZoneIndex

WEST, EAST = box(0, 0, 1, 1), box(1, 0, 2, 1)


@st.composite
def maps(draw):
    """Zones that abut, overlap, have holes, thin arms and repeated ids, and points in, on and off them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sites = shapely.multipoints(rng.uniform(0, 1, (draw(st.integers(3, 12)), 2)))
    shapes = list(shapely.voronoi_polygons(sites, extend_to=box(0, 0, 1, 1)).geoms)
    centre = rng.uniform(0.2, 0.8, (2, 2))
    shapes.append(Point(centre[0]).buffer(0.2).difference(Point(centre[0]).buffer(0.1)))
    shapes.append(box(*centre[1], centre[1][0] + 0.7, centre[1][1] + 1e-4))
    shapes.append(box(*centre[1] - 1e-5, *centre[1] + 1e-5))
    names = [str(i) for i in rng.integers(0, len(shapes), len(shapes))]
    table = pl.DataFrame({"place": names, "geometry": shapely.to_wkb(shapes).tolist()})
    corners = shapely.get_coordinates(shapes)
    middles = (corners[:-1] + corners[1:]) / 2
    x, y = np.vstack([rng.uniform(-0.2, 1.4, (400, 2)), corners, middles, centre]).T
    return table, x, y


@settings(max_examples=60, deadline=None)
@given(maps(), st.sampled_from([1, 7, 64, 300]))
def test_the_raster_agrees_with_the_exact_answer_everywhere(truth, drawn, long_side):
    table, x, y = drawn
    assert ZoneIndex(table, long_side=long_side).locate(x, y).to_list() == truth(table, x, y)


def test_the_raster_agrees_with_the_exact_answer_on_real_zones(boundary_features, truth):
    real = places.from_features(boundary_features("nyc/taxi_zones.geojson"), {"place": "location_id"}).places
    rng = np.random.default_rng(2)
    corners = rng.permutation(shapely.get_coordinates(shapely.from_wkb(real["geometry"].to_numpy())))[:4000]
    x, y = np.vstack([rng.uniform([-74.3, 40.45], [-73.65, 40.95], (20_000, 2)), corners]).T
    assert ZoneIndex(real).locate(x, y).to_list() == truth(real, x, y)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_point_on_a_shared_edge_goes_to_the_id_that_sorts_first(zones, order):
    table = zones([[("a", EAST), ("b", WEST)][k] for k in order])
    assert ZoneIndex(table).locate([1.0, 1.0, 0.0], [0.5, 0.0, 0.5]).to_list() == ["a", "a", "b"]


def test_features_that_repeat_an_id_are_one_zone(zones):
    index = ZoneIndex(zones([("b", WEST), ("a", box(5, 5, 6, 6)), ("b", EAST)]))
    assert index.places == ["a", "b"]
    assert index.locate([0.5, 1.5, 5.5], [0.5, 0.5, 5.5]).to_list() == ["b", "b", "a"]


def test_what_is_not_a_place_on_earth_is_in_no_zone(zones):
    index = ZoneIndex(zones([("a", WEST)]))
    odd = pl.Series([None, float("nan"), float("inf"), -1e300, 0.5])
    assert index.locate(odd, odd).to_list() == [None, None, None, None, "a"]
    assert index.nearest(odd, odd, 10.0).to_list() == [None, None, None, None, "a"]


def test_no_points_and_no_zones_give_empty_and_null(zones):
    assert ZoneIndex(zones([("a", WEST)])).locate([], []).to_list() == []
    empty = ZoneIndex(zones([]))
    assert empty.locate([0.0], [0.0]).to_list() == [None]
    assert empty.nearest([0.0], [0.0], 1e6).to_list() == [None]


def test_nearest_reaches_to_the_limit_and_no_farther(zones):
    index = ZoneIndex(zones([("b", WEST), ("a", box(3, 0, 4, 1))]))
    metres = 111_319.49
    east = 1 + 199.0 / metres
    assert index.nearest([east, 0.5], [0.0, 0.5], 200).to_list() == ["b", "b"]
    assert index.nearest([east], [0.0], 198).to_list() == [None]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 5e4))
def test_nearest_is_the_zone_at_the_least_distance(zones, seed, limit_m):
    rng = np.random.default_rng(seed)
    shapes = [Point(at).buffer(0.05, quad_segs=3) for at in rng.uniform(0, 0.8, (5, 2))]
    index = ZoneIndex(zones([(str(k), shape) for k, shape in enumerate(shapes)]))
    x, y = rng.uniform(-0.3, 1.1, (2, 50))
    plane, _, flat = index._flat
    gaps = shapely.distance(shapely.points(plane.to_metres(x, y))[:, None], flat[None, :])
    want = [str(k) if gap <= limit_m else None for k, gap in zip(gaps.argmin(axis=1), gaps.min(axis=1), strict=True)]
    assert index.nearest(x, y, limit_m).to_list() == want


def test_a_site_is_no_zone(zones):
    with pytest.raises(ContractError, match="geometry of 'a': expected a polygon, found Point"):
        ZoneIndex(zones([("a", Point(0, 0))]))


def test_unpaired_coordinates_are_refused(zones):
    with pytest.raises(ContractError, match="as many longitudes as latitudes"):
        ZoneIndex(zones([("a", WEST)])).locate([0.0, 1.0], [0.0])
