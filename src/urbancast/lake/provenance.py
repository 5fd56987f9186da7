"""Provenance: fixed per product and lake, so that simulated and real numbers never meet in one record."""

from __future__ import annotations

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Provenance
from urbancast.lake.store import Lake

__all__ = ["Provenance", "of", "require"]


def of(lake: Lake, product: str) -> Provenance | None:
    """Provenance of the product in this lake; None before its first page."""
    first = lake.scan("raw", product=product).select(pl.col("provenance").cast(pl.String)).head(1).collect()
    if first.is_empty():
        return None
    found: Provenance = first.item()
    return found


def require(lake: Lake, product: str, provenance: Provenance) -> None:
    """Refuse a pull whose provenance is not the product's own in this lake."""
    found = of(lake, product)
    if found is not None and found != provenance:
        raise ContractError(
            f"raw.provenance: expected {found} for {product} in {lake.url}, found {provenance}; "
            f"use another lake (--lake or URBANCAST_LAKE) for {provenance} data"
        )
