"""Local calendar of the target time: hour, weekday, season, public and school holidays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import holidays
import numpy as np
import polars as pl
from vacances_scolaires_france import SchoolHolidayDates, UnsupportedYearException

from urbancast.core.product import Product
from urbancast.core.time import local_hour_of_week
from urbancast.features.panel import Panel

NAMES = [
    "local_hour",
    "weekday",
    "hour_of_week",
    "season_sin",
    "season_cos",
    "is_weekend",
    "is_holiday",
    "is_day_before_holiday",
    "is_day_after_holiday",
    "is_bridge",
]
SCHOOL = "is_school_holiday"


def columns(params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds; school holidays only where a ``school_zone`` is named."""
    return [*NAMES, SCHOOL] if "school_zone" in params else list(NAMES)


def add(rows: pl.DataFrame, panel: Panel, params: Mapping[str, Any]) -> pl.DataFrame:
    """Calendar of ``time`` in the panel's time zone; ``school_zone`` names a French school zone (A, B, C)."""
    local = pl.col("time").dt.convert_time_zone(panel.tz)
    rows = rows.with_columns(
        _day=local.dt.date(),
        local_hour=(local.dt.hour() + local.dt.minute() / 60).cast(pl.Float32),
        weekday=(local.dt.weekday() - 1).cast(pl.Float32),
        hour_of_week=local_hour_of_week("time", panel.tz).cast(pl.Float32),
    )
    days = _calendar(rows["_day"].unique().sort().to_list(), panel, params)
    return rows.join(days, on="_day", how="left", maintain_order="left").drop("_day")


def _calendar(days: list[date], panel: Panel, params: Mapping[str, Any]) -> pl.DataFrame:
    is_holiday = public_holidays(days, panel)
    one = timedelta(days=1)
    angle = np.array([day.timetuple().tm_yday for day in days]) * (2 * np.pi / 365.25)
    bridge = [_is_bridge(day, is_holiday) for day in days]
    flags: dict[str, list[Any]] = {
        "is_weekend": [day.weekday() >= 5 for day in days],
        "is_holiday": [day in is_holiday for day in days],
        "is_day_before_holiday": [day + one in is_holiday for day in days],
        "is_day_after_holiday": [day - one in is_holiday for day in days],
        "is_bridge": bridge,
    }
    if "school_zone" in params:
        flags[SCHOOL] = _school_holidays(days, str(params["school_zone"]))
    season = {"season_sin": np.sin(angle), "season_cos": np.cos(angle)}
    table = pl.DataFrame({"_day": pl.Series(days, dtype=pl.Date), **season, **flags})
    return table.with_columns(pl.exclude("_day").cast(pl.Float32))


def public_holidays(days: Sequence[date], where: Panel | Product) -> set[date]:
    """Public holidays about the days (ordered): the country's, its subdivision's and the city's own."""
    if not days:
        return set()
    years = range(days[0].year - 1, days[-1].year + 2)
    own = {date(year, day.month, day.day) for day in where.holidays for year in years if year >= day.since}
    if not where.country:
        return own
    return own | set(holidays.country_holidays(where.country, subdiv=where.subdivision, years=years))


def _is_bridge(day: date, is_holiday: set[date]) -> bool:
    """Return whether a Friday follows, or a Monday precedes, a holiday that makes a long weekend of it."""
    if day in is_holiday:
        return False
    return (day.weekday() == 4 and day - timedelta(days=1) in is_holiday) or (
        day.weekday() == 0 and day + timedelta(days=1) in is_holiday
    )


def _school_holidays(days: list[date], zone: str) -> list[bool | None]:
    known = SchoolHolidayDates()
    return [_is_school_holiday(known, day, zone) for day in days]


def _is_school_holiday(known: SchoolHolidayDates, day: date, zone: str) -> bool | None:
    try:
        return bool(known.is_holiday_for_zone(day, zone))
    except UnsupportedYearException:
        return None
