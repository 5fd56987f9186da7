"""Misses: the worst of each day with what was known of them; a day written again replaces itself."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from urbancast.lake import contract, days
from urbancast.lake.store import Lake


def put(lake: Lake, product: str, frame: pl.DataFrame, *, run: str, cleared: pl.DataFrame | None = None) -> int:
    """Put rows in place of those of the same measure, kind, release and day; see ``days.put``."""
    return days.put(lake, "misses", product, frame, run=run, cleared=cleared)


def read(
    lake: Lake,
    product: str,
    *,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    measure: str | None = None,
    kind: str | None = None,
) -> pl.DataFrame:
    """Rows of local days in [since, until)."""
    rows = days.scan(lake, "misses", product, since=since, until=until, measure=measure, kind=kind)
    return rows.sort(contract.key("misses")).collect()
