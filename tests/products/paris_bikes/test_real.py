from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import HOUR
from urbancast.geo import places
from urbancast.portals import layouts, media, read
from urbancast.products.paris_bikes.recipe import COUNTS, RECIPE, publication

pytestmark = pytest.mark.real
PRODUCT = products.get("paris_bikes")
Locate = Callable[[str], Path]


def observe(rows: pl.DataFrame) -> Observed:
    shapes = places.schematic(PRODUCT)
    context = ObserveContext(tz=PRODUCT.tz, grain=HOUR, places=shapes, is_schematic=False, provenance="extract")
    return RECIPE.observe({"counts": rows}, context)


@pytest.fixture(scope="module")
def extract(shared_data: Locate) -> pl.DataFrame:
    path = shared_data("paris/counts_2020-09_2021-08.parquet")
    return layouts.parse_frame(COUNTS, read.frame(path.read_bytes(), media.PARQUET))


@pytest.fixture(scope="module")
def seen(extract: pl.DataFrame) -> Observed:
    return observe(extract)


def test_every_row_of_the_year_has_one_fate(extract: pl.DataFrame, seen: Observed) -> None:
    assert extract.height == 455_163
    assert seen.used["counts"] + seen.quarantine.height + seen.repeated["counts"] == 455_163
    assert seen.observations["place"].n_unique() == 56
    assert set(seen.observations["place"]) == set(places.schematic(PRODUCT)["place"])


def test_the_hour_that_comes_twice_is_missing_for_all(seen: Observed) -> None:
    assert seen.observations.filter(pl.col("time") == datetime(2020, 10, 25, tzinfo=UTC)).height == 0


def test_dead_days_are_masked_and_little_else(extract: pl.DataFrame, seen: Observed) -> None:
    day = pl.col("time").dt.date().alias("day")
    whole = extract.group_by("place", day).agg(total=pl.col("value").sum())
    dead = whole.filter(pl.col("total") == 0)
    assert (dead.height, dead["place"].n_unique()) == (217, 4)
    withdrawn = seen.observations.filter(pl.col("value").is_null())
    masked = withdrawn.group_by("place", day).len()
    assert dead.join(masked, on=["place", "day"]).height >= 0.98 * dead.height
    assert withdrawn.height < 0.02 * extract.height


def test_the_year_is_known_without_hindsight(extract: pl.DataFrame, seen: Observed) -> None:
    key = ["place", "time"]
    for cut in (datetime(2021, 1, 28, 12, tzinfo=UTC), datetime(2021, 4, 10, 3, tzinfo=UTC)):
        then = observe(extract.filter(publication(pl.col("time")) <= cut)).observations
        now = seen.observations.filter(pl.col("available_at") <= cut)
        newest = [f.sort(*key, "available_at").unique(key, keep="last").sort(key) for f in (then, now)]
        assert_frame_equal(*newest)


def test_the_native_export_of_the_portal_is_read(shared_data: Locate) -> None:
    payload = shared_data("paris/opendatasoft_native_sample.csv").read_bytes()
    native = read.frame(payload, media.CSV)
    assert native.width == 16
    assert layouts.match(COUNTS, native).name == "labels"
    parsed = layouts.parse_frame(COUNTS, native)
    assert parsed.null_count().sum_horizontal().item() == 0
    assert parsed.filter(pl.col("time") == datetime(2021, 9, 1, 1, tzinfo=UTC))["value"].to_list() == [3.0]


def test_three_hourly_reports_of_a_station_become_hourly_weather(shared_data: Locate) -> None:
    native = read.frame(shared_data("paris/weather_orly_3h.csv").read_bytes(), media.CSV)
    weather = next(source for source in RECIPE.sources if source.name == "weather")
    rows = layouts.parse_frame(weather, native)
    assert layouts.match(weather, native).name == "synop"
    assert rows.select("variable", "time").is_unique().all()
    warm = rows.filter(pl.col("variable") == "temperature_2m")
    assert warm.filter(pl.col("time") == datetime(2021, 1, 1, tzinfo=UTC))["value"].item() == pytest.approx(-0.4)
    assert warm["value"].is_between(-15, 42).all()
    assert warm["time"].diff().drop_nulls().n_unique() == 1
