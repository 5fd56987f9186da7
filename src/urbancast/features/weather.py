"""Weather as known at the origin: the newest issued forecast for the hours ahead, observed for those past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from urbancast.features.panel import Panel

VARIABLES = ("temperature_2m", "precipitation", "wind_speed_10m")


def columns(params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds, one for each of ``variables``."""
    return [f"weather_{name}" for name in params.get("variables", VARIABLES)]


def add(rows: pl.DataFrame, panel: Panel, params: Mapping[str, Any]) -> pl.DataFrame:
    """Newest version with ``available_at <= origin`` of each variable at ``time`` for the whole city; else null.

    ``oracle=True`` takes the later actual whenever it came: for benchmarks that say so, never for a release.
    """
    kinds = ["oracle", "observed"] if params.get("oracle", False) else ["issued", "observed"]
    known = panel.covariates.filter((pl.col("place") == "") & pl.col("kind").is_in(kinds))
    for name in params.get("variables", VARIABLES):
        one = known.filter(pl.col("variable") == name)
        if params.get("oracle", False):
            rows = _later_actual(rows, one, f"weather_{name}")
        else:
            rows = _as_known(rows, one, f"weather_{name}")
    return rows


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
