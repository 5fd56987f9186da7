"""Tables kept by day: a day written again replaces itself, in one commit."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

_SET = ["product", "measure", "kind", "release", "day"]
_DAY = ["measure", "kind", "day"]


def put(
    lake: Lake, table: str, product: str, frame: pl.DataFrame, *, run: str, cleared: pl.DataFrame | None = None
) -> int:
    """Put rows in place of those of the same measure, kind, release and day, in one commit; rows of the frame.

    ``cleared`` (measure, kind, day): all that stands there goes too, whatever release it is of.
    """
    rows = contract.check(table, frame.with_columns(product=pl.lit(product), run=pl.lit(run)))
    days = rows["day"] if cleared is None else pl.concat([rows["day"], cleared["day"]])
    if days.is_empty():
        return 0
    months = sorted(days.dt.strftime("%Y-%m").unique().to_list())
    span = days.to_frame("day").select(pl.col("day").dt.month_start().min(), until=pl.col("day").dt.month_end().max())
    since, until = span.row(0)

    def with_rows(before: Snapshot) -> pl.DataFrame:
        there = before.scan(product=product, since=since).filter(pl.col("day") <= until)
        there = there.filter(pl.col("day").dt.strftime("%Y-%m").is_in(months))
        kept = there.collect().join(rows.select(_SET).unique(), on=_SET, how="anti")
        if cleared is not None:
            gone = cleared.select(_DAY).cast({"kind": kept.schema["kind"]}).unique()
            kept = kept.join(gone, on=_DAY, how="anti")
        return pl.concat([kept, rows]).sort(contract.key(table))

    lake.rewrite(table, product, with_rows, months=months)
    return rows.height


def scan(
    lake: Lake,
    table: str,
    product: str,
    *,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    **equal: str | None,
) -> pl.LazyFrame:
    """Rows of local days in [since, until) where text columns are as told; None tells nothing."""
    rows = lake.scan(table, product=product, since=since, until=until)
    for column, value in equal.items():
        if value is not None:
            rows = rows.filter(pl.col(column).cast(pl.String) == value)
    return rows
