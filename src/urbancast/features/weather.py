"""Weather as known at the origin: the newest issued forecast for the hours ahead, observed for those past.

Of a panel by day it is the mean of the day's waking hours on the local clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from urbancast.core.time import from_local
from urbancast.features.panel import Panel

VARIABLES = ("temperature_2m", "precipitation", "wind_speed_10m")
DAY = timedelta(days=1)
WAKING = (7, 23)  # local hours of a day that count, the last not included
LEAST_HOURS = 8  # with fewer known, the day's weather is not


def columns(params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds, one for each of ``variables``."""
    return [f"weather_{name}" for name in params.get("variables", VARIABLES)]


def add(rows: pl.DataFrame, panel: Panel, params: Mapping[str, Any]) -> pl.DataFrame:
    """Newest version with ``available_at <= origin`` of each variable at ``time`` for the whole city; else null.

    ``oracle=True`` takes the later actual whenever it came: for benchmarks that say so, never for a release.
    """
    if panel.grain >= DAY:
        return _by_day(rows, panel, params)
    kinds = ["oracle", "observed"] if params.get("oracle", False) else ["issued", "observed"]
    known = panel.covariates.filter((pl.col("place") == "") & pl.col("kind").is_in(kinds))
    for name in params.get("variables", VARIABLES):
        one = known.filter(pl.col("variable") == name)
        if params.get("oracle", False):
            rows = _later_actual(rows, one, f"weather_{name}")
        else:
            rows = _as_known(rows, one, f"weather_{name}")
    return rows


def _by_day(rows: pl.DataFrame, panel: Panel, params: Mapping[str, Any]) -> pl.DataFrame:
    """Mean over the waking hours of the local day that starts at ``time``, each hour as known at the origin."""
    days = rows.select("time", "origin").unique().sort("time", "origin")
    local = pl.col("time").dt.convert_time_zone(panel.tz).dt.replace_time_zone(None)
    hours = days.with_columns(_hour=pl.lit(list(range(*WAKING)))).explode("_hour")
    hours = hours.with_columns(_day="time", time=from_local(local.dt.truncate("1d") + _hours("_hour"), panel.tz))
    # The same look-up as by the hour, on a panel that is one.
    hourly = Panel(
        observations=panel.observations.clear(), places=panel.places, tz=panel.tz, grain=timedelta(hours=1),
        measures=panel.measures, covariates=panel.covariates,
    )  # fmt: skip
    known = add(hours, hourly, params)
    means = known.group_by("_day", "origin").agg(
        pl.when(pl.col(name).count() >= LEAST_HOURS).then(pl.col(name).mean()).cast(pl.Float32).alias(name)
        for name in columns(params)
    )
    return rows.join(means.rename({"_day": "time"}), on=["time", "origin"], how="left", maintain_order="left")


def _hours(column: str) -> pl.Expr:
    return pl.duration(hours=pl.col(column))


def _as_known(rows: pl.DataFrame, versions: pl.DataFrame, name: str) -> pl.DataFrame:
    """As-of join on ``available_at`` for equal ``time``; keeps the order of rows."""
    right = versions.select("time", origin="available_at", **{name: pl.col("value").cast(pl.Float32)})
    pairs = rows.select("time", "origin").unique().sort("origin")
    matched = pairs.join_asof(right.sort("origin"), on="origin", by="time", check_sortedness=False)
    return rows.join(matched, on=["time", "origin"], how="left", maintain_order="left")


def _later_actual(rows: pl.DataFrame, versions: pl.DataFrame, name: str) -> pl.DataFrame:
    newest = versions.sort("available_at").unique("time", keep="last", maintain_order=True)
    right = newest.select("time", **{name: pl.col("value").cast(pl.Float32)})
    return rows.join(right, on="time", how="left", maintain_order="left")
