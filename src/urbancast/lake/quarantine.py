"""Raw rows refused with a rule and a reason."""

from __future__ import annotations

import polars as pl

from urbancast.lake.once import add_once
from urbancast.lake.store import Lake


def add(lake: Lake, product: str, frame: pl.DataFrame, *, run: str) -> int:
    """Add refused rows (source, row as JSON, rule, reason) not known yet; number of rows written."""
    rows = frame.with_columns(product=pl.lit(product), run=pl.lit(run))
    return add_once(lake, "quarantine", rows.unique(["source", "row", "rule"], keep="first", maintain_order=True))


def read(lake: Lake, product: str, source: str | None = None) -> pl.DataFrame:
    """Refused rows of a product, of one source or of all."""
    rows = lake.scan("quarantine", product=product)
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    return rows.sort("source", "rule", "row").collect()


def counts(lake: Lake, product: str) -> pl.DataFrame:
    """How many rows each rule refused: source, rule, reason (one of them), rows."""
    by_rule = lake.scan("quarantine", product=product).group_by("source", "rule")
    return by_rule.agg(pl.col("reason").min(), rows=pl.len()).sort("source", "rule").collect()
