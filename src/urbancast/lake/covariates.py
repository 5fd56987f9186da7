"""Covariates: weather and the like, as issued, as observed, and as an oracle for labelled benchmarks."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

_SERIES = ["place", "variable", "time", "kind"]
_TICK = pl.duration(microseconds=1)


def add(lake: Lake, product: str, frame: pl.DataFrame, *, run: str) -> int:
    """Add values (place, variable, time, value, issued_at, available_at, kind) that say something new.

    Each issue of a forecast is kept; of `observed` and `oracle` values only what differs from the newest
    known. A value of a known issue that changed is one tick later than the one before, or at its own time.
    """
    rows = contract.check("covariates", frame.with_columns(product=pl.lit(product), run=pl.lit(run)))
    if rows.is_empty():
        return 0
    since, until = rows.select(pl.col("time").min(), until=pl.col("time").max() + _TICK).row(0)

    def what_is_new(before: Snapshot) -> pl.DataFrame:
        known = before.scan(product=product, since=since, until=until).collect()
        issued = _new(rows, known, pl.col("kind") == "issued", [*_SERIES, "issued_at"])
        other = _new(rows, known, pl.col("kind") != "issued", _SERIES)
        return pl.concat([issued, other])

    return lake.derive("covariates", product, what_is_new)


def versions(lake: Lake, product: str, *, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """All versions of the values of [since, until), by place, variable, time, issue and available_at."""
    rows = lake.scan("covariates", product=product, since=since, until=until)
    return rows.sort("place", "variable", "time", "kind", "issued_at", "available_at").collect()


def _new(rows: pl.DataFrame, known: pl.DataFrame, which: pl.Expr, by: list[str]) -> pl.DataFrame:
    """Rows that differ from the newest known of ``by``, and from the row before in the frame."""
    columns = rows.columns
    newest = (
        known.filter(which)
        .sort("available_at", "issued_at")
        .group_by(by, maintain_order=True)
        .agg(pl.col("value").last().alias("_value"), pl.col("available_at").last().alias("_newest"))
    )
    told = rows.filter(which).sort(*by, "available_at", "issued_at")
    told = told.join(newest, on=by, how="left", maintain_order="left")
    is_first = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in by)
    before = pl.when(is_first).then(pl.col("_value")).otherwise(pl.col("value").shift(1))
    is_new = pl.col("value").ne_missing(before) | (is_first & pl.col("_newest").is_null())
    told = told.filter(is_new)
    later = pl.max_horizontal("available_at", pl.col("_newest") + _TICK)
    return told.with_columns(available_at=later).select(columns)
