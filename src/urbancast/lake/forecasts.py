"""Forecasts: what was promised, when, by which release; never rewritten."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

_SET = ["product", "measure", "origin", "release"]
_TICK = timedelta(microseconds=1)


def add(
    lake: Lake, product: str, frame: pl.DataFrame, *, run: str, issued_at: datetime, signed: Collection[str] = ()
) -> int:
    """Add forecasts (place, measure, origin, time, mean, q05 … q95, release); number of rows written.

    A (measure, origin, release) that is there already stays as it is. ContractError for a value below zero of a
    measure that is not named in ``signed``.
    """
    named = frame.with_columns(product=pl.lit(product), run=pl.lit(run), issued_at=pl.lit(issued_at))
    rows = contract.check("forecasts", named)
    _require_positive(rows, signed)
    if rows.is_empty():
        return 0
    since, until = rows.select(pl.col("origin").min(), until=pl.col("origin").max() + _TICK).row(0)

    def unknown(before: Snapshot) -> pl.DataFrame:
        known = before.scan(product=product, since=since, until=until).select(_SET).unique().collect()
        new = rows.join(known, on=_SET, how="anti")
        return new.sort("measure", "origin", "release", "place", "time")

    return lake.derive("forecasts", product, unknown, is_checked=True)


def _require_positive(rows: pl.DataFrame, signed: Collection[str]) -> None:
    is_below = (pl.min_horizontal("mean", "q05") < 0) & ~pl.col("measure").is_in(list(signed))
    below = rows.filter(is_below)
    if below.height:
        row = below.row(0, named=True)
        raise ContractError(
            f"forecasts.{row['measure']}: expected values of zero or more, found {min(row['mean'], row['q05']):g} at "
            f"{row['place']!r}; clip them in the model, or mark the measure as signed"
        )


def read(  # noqa: PLR0913 - one argument a way to narrow
    lake: Lake,
    product: str,
    *,
    origin: datetime | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    release: str | None = None,
    measure: str | None = None,
) -> pl.DataFrame:
    """Forecasts of one origin or of all, for target times in [since, until), by place and time."""
    if origin is not None:
        rows = lake.scan("forecasts", product=product, since=origin, until=origin + _TICK)
        rows = rows.filter(*_between("time", since, until))
    else:
        rows = lake.scan("forecasts", product=product, since=since, until=until, by="time")
    rows = rows.filter(*_equal(release=release, measure=measure))
    return rows.sort("measure", "origin", "release", "place", "time").collect()


def origins(
    lake: Lake,
    product: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    release: str | None = None,
    measure: str | None = None,
) -> pl.DataFrame:
    """Sets of forecasts with origin in [since, until): measure, origin, release, issued_at, first, last, rows."""
    rows = lake.scan("forecasts", product=product, since=since, until=until)
    rows = rows.filter(*_equal(release=release, measure=measure))
    sets = rows.group_by("measure", "origin", "release").agg(
        issued_at=pl.col("issued_at").min(), first=pl.col("time").min(), last=pl.col("time").max(), rows=pl.len()
    )
    return sets.sort("measure", "origin", "release").collect()


def _equal(**wanted: str | None) -> list[pl.Expr]:
    return [pl.col(column) == value for column, value in wanted.items() if value is not None]


def _between(column: str, since: datetime | None, until: datetime | None) -> list[pl.Expr]:
    after = [] if since is None else [pl.col(column) >= since]
    return after if until is None else [*after, pl.col(column) < until]
