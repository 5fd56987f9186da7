"""Add rows whose key is not there yet: what makes a flow run twice equal a flow run once."""

from __future__ import annotations

from functools import partial

import polars as pl

from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

_TICK = pl.duration(microseconds=1)


def add_once(lake: Lake, table: str, frame: pl.DataFrame) -> int:
    """Add the rows whose key is not in the table; number of rows written."""
    checked = contract.check(table, frame)
    written = 0
    for product in checked["product"].unique(maintain_order=True).to_list():
        rows = checked.filter(pl.col("product") == product)
        written += lake.derive(table, product, partial(_unknown, rows, product), is_checked=True)
    return written


def _unknown(rows: pl.DataFrame, product: str, before: Snapshot) -> pl.DataFrame:
    key = contract.key(before.table)
    times = [name for name in key if isinstance(rows.schema[name], pl.Datetime)]
    if times:  # only files that may hold rows of these instants are opened
        since, until = rows.select(pl.col(times[0]).min(), until=pl.col(times[0]).max() + _TICK).row(0)
        known = before.scan(product=product, since=since, until=until, by=times[0])
    else:
        known = before.scan(product=product)
    return rows.join(known.select(key).collect(), on=key, how="anti", nulls_equal=True, maintain_order="left")
