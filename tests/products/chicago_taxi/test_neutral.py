"""The simulation is neutral between real neighbourhoods, and slow where and when a city is."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from urbancast import products
from urbancast.core.product import Window
from urbancast.portals import layouts
from urbancast.products.chicago_taxi.recipe import TRIPS

MODULE = products.sample("chicago_taxi")


@pytest.fixture(scope="module")
def month() -> pl.DataFrame:
    start, end = datetime(2025, 9, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC)
    return layouts.parse_frame(TRIPS, MODULE.City(MODULE.SEED).rows(Window(start=start, end=end)))


def test_an_area_is_an_end_by_its_size_and_distance_alone() -> None:
    areas = MODULE.City(MODULE.SEED).areas.filter(~pl.col("place").is_in(["76", "56"]))
    other = MODULE.City(1).areas.filter(~pl.col("place").is_in(["76", "56"]))
    assert areas.equals(other)
    out = np.hypot((areas["lat"] - 41.886) * 111.2, (areas["lon"] + 87.630) * 82.8)
    ratio = (areas["weight"] / areas["area_km2"] ** 0.4).log() + out / 1.7
    assert ratio.max() - ratio.min() < 0.05  # type: ignore[operator]


def test_trips_of_a_month_are_as_many_and_as_dirty_as_the_card_says(month: pl.DataFrame) -> None:
    assert 1_300 < month.height / 30 < 2_500
    lost = [month.filter(pl.col(end) == "").height / month.height for end in ("from", "to")]
    assert all(0.04 < share < 0.12 for share in lost)
    assert 0.02 < month.filter(pl.col("seconds") <= 60).height / month.height < 0.08
    assert month.filter(pl.col("total") < 0).height > 0
    assert month["id"].n_unique() < month.height


def test_the_rush_hour_is_slow_and_the_airport_far(month: pl.DataFrame) -> None:
    local = pl.col("time").dt.convert_time_zone("America/Chicago")
    trips = month.filter(pl.col("seconds") > 60).with_columns(hour=local.dt.hour(), day=local.dt.weekday())
    near = trips.filter((pl.col("from") == "32") & (pl.col("to") == "8") & (pl.col("day") <= 5))
    rush, night = (near.filter(pl.col("hour").is_in(hours))["seconds"].median() for hours in ([16, 17], [1, 2, 3, 22]))
    assert rush > 1.25 * night  # type: ignore[operator]
    airport = trips.filter((pl.col("from") == "32") & (pl.col("to") == "76"))["seconds"].median()
    assert 2_000 < airport < 4_500  # type: ignore[operator]
