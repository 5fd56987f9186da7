"""Add rows whose key is not there yet: what makes a flow run twice equal a flow run once."""

from __future__ import annotations

import polars as pl

from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake


def add_once(lake: Lake, table: str, frame: pl.DataFrame, *, by: list[str] | None = None) -> int:
    """Add the rows whose ``by`` (default: the table's key) is not in the table; number of rows written."""
    checked = contract.check(table, frame)
    columns = by or contract.key(table)

    def unknown(before: Snapshot, rows: pl.DataFrame, product: str) -> pl.DataFrame:
        known = before.scan(product=product).select(columns).unique().collect()
        return rows.join(known, on=columns, how="anti", nulls_equal=True, maintain_order="left")

    written = 0
    for (product,), rows in checked.group_by("product", maintain_order=True):
        name = str(product)
        written += lake.derive(table, name, lambda before, r=rows, n=name: unknown(before, r, n), is_checked=True)
    return written
