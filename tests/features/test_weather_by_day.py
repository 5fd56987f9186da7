"""Weather of whole days: the mean of waking hours on the local clock, each as known at the origin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from urbancast.core.product import Measure
from urbancast.core.time import local_midnight
from urbancast.features import weather
from urbancast.features.panel import Panel

TZ = "America/Chicago"
WORD = {"en": "x", "es": "x", "fr": "x"}
PARAMS = {"variables": ("temperature_2m",)}
UTC_US = pl.Datetime("us", "UTC")


def panel(hours: list[dict[str, Any]]) -> Panel:
    rows = [{"place": "", "variable": "temperature_2m", "kind": "issued", "issued_at": row["available_at"], **row}
            for row in hours]  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(pl.col("time", "issued_at", "available_at").cast(UTC_US))
    empty = pl.DataFrame(schema={"place": pl.String, "measure": pl.String, "time": UTC_US, "draw": pl.Int64,
                                 "value": pl.Float64, "available_at": UTC_US})  # fmt: skip
    return Panel(
        observations=empty, covariates=frame, places=pl.DataFrame({"place": ["a"]}), tz=TZ,
        grain=timedelta(days=1), measures=(Measure(id="starts", label=WORD, unit=WORD),),
    )  # fmt: skip


def of_day(day: date, *, value: Any, at: datetime) -> list[dict[str, Any]]:
    """An hourly value for each UTC hour around a local day."""
    first = local_midnight(day, TZ)
    hours = [first + timedelta(hours=h) for h in range(-3, 28)]
    return [{"time": hour, "value": float(value(hour)), "available_at": at} for hour in hours]


def asked(found: Panel, *pairs: tuple[date, datetime]) -> list[float | None]:
    rows = pl.DataFrame(
        [{"place": "a", "time": local_midnight(day, TZ), "origin": origin} for day, origin in pairs],
        schema={"place": pl.String, "time": UTC_US, "origin": UTC_US},
    )
    values: list[float | None] = weather.add(rows, found, PARAMS)["weather_temperature_2m"].to_list()
    return values


@pytest.mark.parametrize("day", [date(2025, 7, 4), date(2025, 3, 9), date(2025, 11, 2)])
def test_a_day_is_the_mean_of_its_waking_hours_on_the_local_clock(day: date) -> None:
    at = local_midnight(day, TZ) - timedelta(days=1)

    def local_hour(hour: datetime) -> int:
        return int(pl.Series([hour], dtype=UTC_US).dt.convert_time_zone(TZ).dt.hour()[0])

    found = panel(of_day(day, value=local_hour, at=at))
    assert asked(found, (day, at)) == [sum(range(7, 23)) / 16]


def test_a_day_is_known_as_it_was_at_the_origin_and_the_future_changes_nothing() -> None:
    day = date(2025, 7, 4)
    early, late = datetime(2025, 7, 2, tzinfo=UTC), datetime(2025, 7, 3, tzinfo=UTC)
    hours = of_day(day, value=lambda _: 10, at=early) + of_day(day, value=lambda _: 1e9, at=late)
    before = early - timedelta(hours=1)
    assert asked(panel(hours), (day, early), (day, late - timedelta(hours=1)), (day, late), (day, before)) == [
        10.0, 10.0, 1e9, None,
    ]  # fmt: skip


def test_a_day_of_which_too_little_is_known_has_no_weather() -> None:
    day, at = date(2025, 7, 4), datetime(2025, 7, 2, tzinfo=UTC)
    hours = of_day(day, value=lambda _: 10, at=at)
    assert asked(panel(hours[:17]), (day, at)) == [None]  # from seven to thirteen o'clock there
    assert asked(panel(hours[:18]), (day, at)) == [10.0]
