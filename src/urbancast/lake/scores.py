"""Scores: additive sums with n; a day scored again replaces itself."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from urbancast.core.tables import MONTH_OF
from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake, months_of

_SET = ["product", "measure", "kind", "release", "day"]


def add(lake: Lake, product: str, frame: pl.DataFrame, *, run: str) -> int:
    """Put scores in place of those of the same measure, kind, release and day, in one commit; rows of the frame."""
    rows = contract.check("scores", frame.with_columns(product=pl.lit(product), run=pl.lit(run)))
    if rows.is_empty():
        return 0
    months = months_of("scores", rows)
    in_months = pl.col(MONTH_OF["scores"]).dt.strftime("%Y-%m").is_in(months)
    since, until = rows.select(pl.col("day").dt.month_start().min(), until=pl.col("day").max().dt.month_end()).row(0)

    def with_rows(before: Snapshot) -> pl.DataFrame:
        there = before.scan(product=product, since=since).filter(pl.col("day") <= until).filter(in_months).collect()
        kept = there.join(rows.select(_SET).unique(), on=_SET, how="anti")
        return pl.concat([kept, rows]).sort(contract.key("scores"))

    lake.rewrite("scores", product, with_rows, months=months)
    return rows.height


def read(  # noqa: PLR0913 - one argument a way to narrow
    lake: Lake,
    product: str,
    *,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    measure: str | None = None,
    kind: str | None = None,
    release: str | None = None,
) -> pl.DataFrame:
    """Scores of local days in [since, until)."""
    rows = lake.scan("scores", product=product, since=since, until=until)
    for column, value in {"measure": measure, "kind": kind, "release": release}.items():
        if value is not None:
            rows = rows.filter(pl.col(column).cast(pl.String) == value)
    return rows.sort(contract.key("scores")).collect()
