"""Verdicts: promotions, refusals and rollbacks with numbers and reason."""

from __future__ import annotations

import polars as pl

from urbancast.lake.once import add_once
from urbancast.lake.store import Lake


def add(lake: Lake, frame: pl.DataFrame) -> int:
    """Add verdicts (contract columns) not known yet; number of rows written."""
    return add_once(lake, "verdicts", frame)


def read(lake: Lake, product: str, *, measure: str | None = None) -> pl.DataFrame:
    """Verdicts of a product, oldest first."""
    rows = lake.scan("verdicts", product=product)
    if measure is not None:
        rows = rows.filter(pl.col("measure") == measure)
    return rows.sort("decided_at", "measure", "challenger").collect()
