"""Places of a product, each valid from a vintage on."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from urbancast.lake import contract
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

_KEY = ["place", "valid_from"]


def put(lake: Lake, product: str, frame: pl.DataFrame) -> int:
    """Put places (contract columns but product) in place of those of the same vintage; rows that changed.

    A vintage (``valid_from``) is put whole: places of it that the frame does not name are gone.
    """
    rows = contract.check("places", frame.with_columns(product=pl.lit(product))).sort(_KEY)
    known = lake.scan("places", product=product).collect()
    same_vintage = known.join(rows.select("valid_from").unique(), on="valid_from", how="semi").sort(_KEY)
    if same_vintage.equals(rows):
        return 0

    def with_vintage(before: Snapshot) -> pl.DataFrame:
        others = before.scan(product=product).collect()
        others = others.join(rows.select("valid_from").unique(), on="valid_from", how="anti")
        return pl.concat([others, rows])

    lake.rewrite("places", product, with_vintage)
    return rows.join(known, on=known.columns, how="anti", nulls_equal=True).height


def get(lake: Lake, product: str, *, at: datetime | None = None) -> pl.DataFrame:
    """Newest row of each place, or of each valid at an instant; sorted by place."""
    rows = lake.scan("places", product=product)
    if at is not None:
        is_valid = (pl.col("valid_from") <= at) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > at))
        rows = rows.filter(is_valid)
    return rows.sort(_KEY).unique("place", keep="last", maintain_order=True).collect()
