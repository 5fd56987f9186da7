from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.errors import ContractError
from urbancast.core.product import COVERED, ObserveContext, Observed
from urbancast.core.time import HOUR
from urbancast.geo import places
from urbancast.portals import layouts, media, read
from urbancast.products.nyc_crashes.recipe import CRASHES, PLACES, RECIPE, publication

pytestmark = pytest.mark.real
PRODUCT = products.get("nyc_crashes")
Locate = Callable[[str], Path]


@pytest.fixture(scope="module")
def zones(shared_data: Locate) -> pl.DataFrame:
    native = read.frame(shared_data("nyc/taxi_zones.geojson").read_bytes(), media.GEOJSON)
    return layouts.parse_frame(PLACES, native)


@pytest.fixture(scope="module")
def extract(shared_data: Locate) -> pl.DataFrame:
    path = shared_data("nyc/injury_crashes_2020_2022.parquet")
    return layouts.parse_frame(CRASHES, read.frame(path.read_bytes(), media.PARQUET))


def observe(rows: pl.DataFrame, zones: pl.DataFrame, *, is_schematic: bool = False) -> Observed:
    context = ObserveContext(tz=PRODUCT.tz, grain=HOUR, places=zones, is_schematic=is_schematic, provenance="extract")
    return RECIPE.observe({"crashes": rows}, context)


@pytest.fixture(scope="module")
def seen(extract: pl.DataFrame, zones: pl.DataFrame) -> Observed:
    return observe(extract, zones)


def test_the_zones_of_the_file_are_those_of_the_product(zones: pl.DataFrame) -> None:
    facts = places.read(PRODUCT.folder / "places.csv")
    assert zones.height == 263
    assert set(zones["place"]) == set(facts["place"])
    assert facts.height == 260


def test_every_report_of_three_years_has_one_fate(extract: pl.DataFrame, seen: Observed) -> None:
    assert extract.height == 97_071
    assert extract["id"].n_unique() == 97_071
    assert seen.used["crashes"] + seen.quarantine.height + seen.repeated["crashes"] == 97_071
    assert seen.notes["reports_in_nearest_zone"] + seen.quarantine.height == 130
    assert set(seen.quarantine["rule"]) == {"no_zone"}


def test_the_weight_of_three_years_is_the_number_of_reports_used(seen: Observed) -> None:
    crashes = seen.observations.filter(pl.col("measure") == "crashes")
    assert crashes["value"].sum() == pytest.approx(seen.used["crashes"], abs=1e-3)
    covered = seen.observations.filter(pl.col("measure") == COVERED)
    assert covered.height == (3 * 365 + 1) * 24
    share = crashes.height / (covered.height * 260)
    assert share < 0.02


def test_about_three_in_ten_reports_of_hour_0_have_an_unknown_hour(seen: Observed) -> None:
    assert 0.25 < seen.notes["unknown_share_of_hour_0"] < 0.35


def test_three_years_are_known_without_hindsight(extract: pl.DataFrame, zones: pl.DataFrame, seen: Observed) -> None:
    cut = datetime(2021, 11, 9, 18, tzinfo=UTC)
    then = observe(extract.filter(publication(pl.col("time")) <= cut), zones).observations
    assert_frame_equal(then, seen.observations.filter(pl.col("available_at") <= cut))


def test_real_reports_are_refused_on_schematic_shapes(extract: pl.DataFrame) -> None:
    with pytest.raises(ContractError, match="needs real boundaries"):
        observe(extract[:10], places.schematic(PRODUCT), is_schematic=True)


def test_the_native_export_of_the_portal_is_read_whole(shared_data: Locate, zones: pl.DataFrame) -> None:
    native = read.frame(shared_data("nyc/socrata_native_sample.csv").read_bytes(), media.CSV)
    assert (native.height, native.width) == (1000, 29)
    parsed = layouts.parse_frame(CRASHES, native)
    assert layouts.match(CRASHES, native).name == "portal"
    assert parsed["time"].null_count() == 0
    assert parsed["lat"].null_count() == 85
    seen = observe(parsed, zones)
    assert seen.used["crashes"] + seen.quarantine.height + seen.repeated["crashes"] == 1000
    assert {"no_coordinates", "nobody_hurt"} <= set(seen.quarantine["rule"])
