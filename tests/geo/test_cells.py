import time

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from shapely.geometry import MultiPolygon, Point, box

from urbancast.core.errors import ContractError
from urbancast.geo import outline, places
from urbancast.geo.cells import power_cells
from urbancast.geo.metric import Plane

BENT = shapely.from_wkt("POLYGON ((0 50, 0.4 50, 0.4 50.1, 0.1 50.1, 0.1 50.3, 0.4 50.3, 0.4 50.4, 0 50.4, 0 50))")
ISLAND = box(0.5, 50.0, 0.6, 50.1)
ROCK = box(0.2, 50.15, 0.23, 50.18)


def flat(area, shapes):
    return Plane.around(area).flatten(np.array([*shapes, None], dtype=object)[:-1])


def assert_disjoint(shapes):
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    shared = shapely.area(shapely.intersection(shapes[one[pairs]], shapes[other[pairs]]))
    assert shared.sum() <= 1e-6 * shapely.area(shapes).sum()


def assert_in_proportion(shapes, area_km2, within=0.05):
    ratio = shapely.area(shapes) / np.asarray(area_km2)
    assert ratio.max() / ratio.min() <= 1 + within


@st.composite
def cities(draw):
    """Distinct centroids in a bent outline, with areas a factor of 100 apart, some centroids on one spot."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 40))
    lon, lat = rng.uniform(0, 0.4, 20 * n + 100), rng.uniform(50, 50.4, 20 * n + 100)
    is_in = shapely.contains_xy(BENT, lon, lat)
    lon, lat = lon[is_in][:n], lat[is_in][:n]
    if draw(st.booleans()):
        lon[n // 2 :], lat[n // 2 :] = lon.round(2)[n // 2 :], lat.round(2)[n // 2 :]
    return lon, lat, np.exp(rng.uniform(0, np.log(100), n))


@settings(max_examples=40, deadline=None)
@given(cities())
def test_cells_are_disjoint_fill_the_outline_and_keep_areas_in_proportion(city):
    lon, lat, area = city
    cells = flat(BENT, power_cells(lat, lon, area, MultiPolygon([BENT])))
    whole = flat(BENT, [BENT])[0]
    assert_disjoint(cells)
    assert shapely.area(shapely.symmetric_difference(shapely.union_all(cells), whole)) <= 1e-6 * whole.area
    assert_in_proportion(cells, area)


def test_places_share_only_their_own_part():
    lat, lon, area = [50.05, 50.05, 50.35, 50.05], [0.1, 0.3, 0.2, 0.55], [10.0, 20.0, 30.0, 999.0]
    cells = power_cells(lat, lon, area, MultiPolygon([BENT, ISLAND]))
    assert cells[3].symmetric_difference(ISLAND).area < 1e-9
    assert_in_proportion(flat(BENT, cells[:3]), area[:3])


def test_a_part_without_places_joins_the_nearest_place_part():
    both = MultiPolygon([BENT, ROCK, ISLAND])
    cells = flat(BENT, power_cells([50.05, 50.35, 50.05], [0.1, 0.2, 0.55], [1.0, 2.0, 1.0], both))
    assert shapely.area(cells).sum() == pytest.approx(shapely.area(flat(BENT, [both]))[0], rel=1e-6)
    assert_in_proportion(cells[:2], [1.0, 2.0])


def test_a_centroid_rounded_out_of_its_part_keeps_a_cell_in_it():
    cells = power_cells([50.05, 49.9995], [0.1, 0.3], [100.0, 100.0], MultiPolygon([BENT]))
    assert_in_proportion(flat(BENT, cells), [1, 1])
    assert cells[1].distance(Point(0.3, 49.9995)) < 0.01


def test_a_place_far_off_the_outline_is_a_disc_of_its_area():
    cells = power_cells([50.05, 50.05, 50.05], [0.1, 0.8, 0.9], [100.0, 30.0, 30.0], MultiPolygon([BENT]))
    area_km2 = shapely.area(flat(BENT, cells)) / 1e6
    assert area_km2[1:] == pytest.approx([30.0, 30.0], rel=0.01)
    assert cells[1].contains(Point(0.8, 50.05))
    assert_disjoint(flat(BENT, cells))


def test_without_an_outline_every_place_is_a_disc():
    cells = power_cells([50.0, 50.5], [0.0, 0.5], [3.0, 4.0], MultiPolygon())
    assert shapely.area(flat(BENT, cells)) / 1e6 == pytest.approx([3.0, 4.0], rel=0.01)


def test_a_place_without_area_is_refused():
    with pytest.raises(ContractError, match="area_km2: expected a positive area"):
        power_cells([50.0], [0.0], [0.0], MultiPolygon([BENT]))


def test_the_same_places_give_the_same_bytes():
    rng = np.random.default_rng(1)
    city = rng.uniform(50, 50.1, 30), rng.uniform(0, 0.4, 30), rng.uniform(1, 9, 30)
    once, again = (power_cells(*city, MultiPolygon([BENT])) for _ in range(2))
    assert [cell.wkb for cell in once] == [cell.wkb for cell in again]


@pytest.mark.parametrize("city", ["nyc", "chicago", "madrid"])
def test_real_places_become_area_true_cells_in_time(facts_folder, city):
    folder = facts_folder(city)
    facts, area = places.read(folder / "places.csv"), outline.read(folder)
    began = time.process_time()
    shapes = power_cells(facts["lat"].to_list(), facts["lon"].to_list(), facts["area_km2"].to_list(), area)
    assert time.process_time() - began < 3
    cells, parts = flat(area, shapes), flat(area, area.geoms)
    assert_disjoint(cells)
    assert shapely.area(shapely.difference(shapely.union_all(parts), shapely.union_all(cells))) < 1e-6 * sum(
        shapely.area(parts)
    )
    centres = shapely.points(facts["lon"].to_numpy(), facts["lat"].to_numpy())
    held = np.zeros(len(parts), dtype=int)
    for k, part in enumerate(area.geoms):
        inside = shapely.contains(part, centres)
        held[k] = inside.sum()
        if inside.any():
            assert_in_proportion(cells[inside], facts["area_km2"].to_numpy()[inside])
    assert held.sum() >= 0.99 * facts.height


@pytest.mark.parametrize("seed", [1, 3])
def test_centroids_too_crowded_for_their_areas_still_get_them(seed):
    rng = np.random.default_rng(seed)
    lon, lat = np.vstack([rng.normal([0.05, 50.2], 0.003, (120, 2)), rng.uniform([0, 50], [0.1, 50.4], (20, 2))]).T
    area = np.exp(rng.uniform(0, np.log(1000), 140))
    cells = flat(BENT, power_cells(lat, lon, area, MultiPolygon([BENT])))
    assert_disjoint(cells)
    assert shapely.area(cells).sum() == pytest.approx(shapely.area(flat(BENT, [BENT]))[0], rel=1e-6)
    assert_in_proportion(cells, area)
