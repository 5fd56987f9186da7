"""Drift: what was measured of each signal on each day, drifted or not; a day's first word stands."""

from __future__ import annotations

from datetime import date

import polars as pl

from urbancast.lake import contract
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake


def add(lake: Lake, product: str, frame: pl.DataFrame, *, run: str) -> int:
    """Add rows (measure, kind, signal, place, day, score, threshold, is_drifted, n, facts) not known yet."""
    if frame.is_empty():
        return 0
    return add_once(lake, "drift", frame.with_columns(product=pl.lit(product), run=pl.lit(run)))


def read(
    lake: Lake, product: str, *, since: date | None = None, until: date | None = None, kind: str | None = None
) -> pl.DataFrame:
    """Rows of days in [since, until), by day and key; ``kind`` and others as text."""
    rows = lake.scan("drift", product=product, since=since, until=until, by="day")
    rows = rows.with_columns(pl.col("kind").cast(pl.String))
    if kind is not None:
        rows = rows.filter(pl.col("kind") == kind)
    return rows.sort("day", *(name for name in contract.key("drift") if name != "day")).collect()


def newest(lake: Lake, product: str) -> pl.DataFrame:
    """The newest row of each signal of all places together."""
    rows = read(lake, product).filter(pl.col("place") == "")
    return rows.unique(["measure", "kind", "signal"], keep="last", maintain_order=True)


def drifted_share(lake: Lake, product: str, *, since: date | None = None, kind: str = "input") -> pl.DataFrame:
    """Share of a kind's signals that had drifted, by day: day, share, signals."""
    rows = read(lake, product, since=since, kind=kind).filter(pl.col("place") == "")
    share = pl.col("is_drifted").cast(pl.Float64).mean()
    return rows.group_by("day").agg(share=share, signals=pl.len()).sort("day")
