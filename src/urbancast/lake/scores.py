"""Scores: additive sums with n; a day scored again replaces itself."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from urbancast.lake import contract, days
from urbancast.lake.store import Lake


def add(lake: Lake, product: str, frame: pl.DataFrame, *, run: str, cleared: pl.DataFrame | None = None) -> int:
    """Put scores in place of those of the same measure, kind, release and day, in one commit; rows of the frame.

    ``cleared`` (measure, kind, day): all that stands there goes too, whatever release it is of.
    """
    return days.put(lake, "scores", product, frame, run=run, cleared=cleared)


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
    rows = days.scan(lake, "scores", product, since=since, until=until, measure=measure, kind=kind, release=release)
    return rows.sort(contract.key("scores")).collect()
