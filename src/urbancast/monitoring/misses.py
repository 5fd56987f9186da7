"""Misses: the worst of each day, and what was known of them when they were forecast."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

import holidays
import polars as pl

from urbancast.core.product import COVERED
from urbancast.core.time import from_local, iso, local_day
from urbancast.features import weather
from urbancast.features.panel import Panel
from urbancast.monitoring.calibration import SET

COUNT = 20
_EVENT = ("place", "time", "draw")
_ASKED = ("place", "origin", "time")


def worst(compared: pl.DataFrame, judged: Collection[str]) -> pl.DataFrame:
    """The worst by CRPS of each release, kind and day: at most 20, each value once, at the origin that erred most."""
    rows = compared.filter(pl.col("release").is_in(list(judged)))
    ordered = rows.sort("crps", *_EVENT, "origin", descending=[True, False, False, False, True])
    once = ordered.unique([*SET, *_EVENT], keep="first", maintain_order=True)
    return once.group_by(SET, maintain_order=True).head(COUNT)


def with_known(rows: pl.DataFrame, panel: Panel, measure: str) -> pl.DataFrame:
    """Rows with ``known``: JSON of lead and reach, newest value, a week before, weather and holiday, as at the origin.

    A value not yet available then is null, as is every value of a measure that nobody counts itself.
    """
    if rows.is_empty():
        return rows.with_columns(known=pl.lit("", pl.String))
    asked = rows.select(_ASKED).unique(maintain_order=True)
    before = _week_before(asked, panel.tz)
    newest = _newest_times(asked, panel, measure)
    told = asked.join(newest, on=["place", "origin"], how="left", maintain_order="left")
    told = told.with_columns(_before=before)
    for name, at in (("_newest_value", "_newest"), ("_before_value", "_before")):
        told = told.with_columns(_values(told.select("place", "origin", time=at), panel, measure).alias(name))
    told = _with_weather(told, panel)
    named = _holidays(told["time"].dt.convert_time_zone(panel.tz).dt.date().unique().to_list(), panel)
    facts = rows.select(*_ASKED, "lead_h", "reach_h").join(told, on=_ASKED, how="left", maintain_order="left")
    known = [json.dumps(_fact(row, panel.tz, named), sort_keys=True) for row in facts.iter_rows(named=True)]
    return rows.with_columns(known=pl.Series(known, dtype=pl.String))


def _week_before(asked: pl.DataFrame, tz: str) -> pl.Series:
    """The same local hour a week before, in UTC: 168 hours, or one more or less where the clocks changed."""
    local = pl.col("time").dt.convert_time_zone(tz).dt.replace_time_zone(None)
    return asked.select(from_local(local - pl.duration(days=7), tz)).to_series()


def _newest_times(asked: pl.DataFrame, panel: Panel, measure: str) -> pl.DataFrame:
    """Newest time with a value known by place and origin: place, origin, _newest."""
    pairs = asked.select("place", "origin").unique()
    if panel.measure(measure).sparse:
        hours = panel.observations.filter(pl.col("measure") == COVERED, pl.col("value") > 0)
        told = pairs.join(hours.select("time", "available_at"), how="cross")
    else:
        own = panel.observations.filter(pl.col("measure") == measure, pl.col("value").is_not_null())
        told = pairs.join(own.select("place", "time", "available_at"), on="place")
    seen = told.filter(pl.col("available_at") <= pl.col("origin"))
    return seen.group_by("place", "origin").agg(_newest=pl.col("time").max())


def _values(wanted: pl.DataFrame, panel: Panel, measure: str) -> pl.Series:
    """Value at place and time as known at the origin (of draws their mean), null where there was none."""
    is_sparse = panel.measure(measure).sparse
    rows = wanted.with_row_index("_row").drop_nulls("time")
    own = panel.observations.filter(pl.col("measure") == measure).select(
        "place", "time", "draw", "value", "available_at"
    )
    seen = rows.join(own, on=["place", "time"]).filter(pl.col("available_at") <= pl.col("origin"))
    newest = seen.sort("available_at").unique(["_row", "draw"], keep="last")
    found = newest.group_by("_row").agg(pl.col("value").mean())
    if is_sparse:  # covered and without a row is a true zero
        hours = panel.observations.filter(pl.col("measure") == COVERED, pl.col("value") > 0)
        covered = rows.join(hours.select("time", "available_at"), on="time")
        zeros = covered.filter(pl.col("available_at") <= pl.col("origin")).select("_row").unique()
        found = zeros.join(found, on="_row", how="full", coalesce=True).with_columns(pl.col("value").fill_null(0.0))
    numbered = pl.DataFrame({"_row": pl.Series(range(wanted.height), dtype=pl.UInt32)})
    return numbered.join(found, on="_row", how="left", maintain_order="left")["value"]


def _with_weather(asked: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    if panel.covariates.is_empty():
        return asked
    names = panel.covariates.filter(pl.col("place") == "")["variable"].unique().sort().to_list()
    return weather.add(asked, panel, {"variables": names})


def _holidays(days: Collection[date], panel: Panel) -> dict[date, str]:
    """Names of the public holidays among local days."""
    years = sorted({day.year for day in days})
    own = {date(year, day.month, day.day): day.name for day in panel.holidays for year in years if year >= day.since}
    if not panel.country or not years:
        return own
    return dict(holidays.country_holidays(panel.country, subdiv=panel.subdivision, years=years, language="en_US")) | own


def _fact(row: Mapping[str, Any], tz: str, named: Mapping[date, str]) -> dict[str, Any]:
    prefix = "weather_"
    return {
        "lead_h": round(float(row["lead_h"]), 2),
        "reach_h": None if row["reach_h"] is None else round(float(row["reach_h"]), 2),
        "newest": _at(row["_newest"], row["_newest_value"]),
        "week_before": _at(row["_before"], row["_before_value"]),
        "weather": {
            name.removeprefix(prefix): round(float(value), 2)
            for name, value in row.items()
            if name.startswith(prefix) and value is not None
        },
        "holiday": named.get(local_day(row["time"], tz)),
    }


def _at(time: datetime | None, value: float | None) -> dict[str, Any] | None:
    return None if time is None or value is None else {"time": iso(time), "value": round(float(value), 4)}
