"""Observations: revisions live beside each other; known at T = greatest available_at <= T."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from urbancast.core.time import as_utc
from urbancast.lake import contract, provenance, raw
from urbancast.lake.revisions import KEY, TICK, first_versions, revisions, vanished
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake


def add(  # noqa: PLR0913 - one argument a fact of the pull
    lake: Lake,
    product: str,
    frame: pl.DataFrame,
    *,
    run: str,
    fetched_at: datetime,
    first_contact: datetime | None = None,
    sparse: Collection[str] = (),
) -> int:
    """Add what the frame says anew; number of rows written, 0 where it only repeats what is known.

    Frame: place, measure, time, draw, value (null = withdrawn), available_at (declared); several rows
    a key are its versions in the order of available_at. A version declared before ``first_contact``
    keeps its time as `declared`; any other is `seen` at ``fetched_at``, save a later version in the frame
    that declares a later time of its own, and any row of an extract declared for later. A key that is
    known is compared with its newest known value.
    ``first_contact``: the product's first fetch by table ``raw``; before one, ``fetched_at``.
    ``sparse``: measures whose known value becomes zero where the frame covers its time (a row of
    measure ``covered``) and no longer names it.
    """
    seen_at = as_utc(fetched_at)
    is_extract = provenance.of(lake, product) == "extract"
    contact = first_contact or raw.first_contact(lake, product) or seen_at
    named = frame.with_columns(product=pl.lit(product), availability=pl.lit("declared"), run=pl.lit(run))
    told = contract.check("observations", named).select(*KEY, "value", "available_at")
    if told.is_empty():
        return 0
    since, until = told.select(pl.col("time").min(), until=pl.col("time").max() + TICK).row(0)

    def what_is_new(before: Snapshot) -> pl.DataFrame:
        known = before.scan(product=product, since=since, until=until).select(*KEY, "value", "available_at").collect()
        proposed = first_versions(told, fetched_at=seen_at, first_contact=as_utc(contact), is_extract=is_extract)
        proposed = pl.concat([proposed, vanished(told, known, sparse)])
        new = revisions(proposed, known, fetched_at=seen_at, is_extract=is_extract)
        return new.with_columns(product=pl.lit(product), run=pl.lit(run))

    return lake.derive("observations", product, what_is_new)


def versions(lake: Lake, product: str, *, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """All versions of the values of [since, until), by place, measure, time, draw and available_at."""
    rows = lake.scan("observations", product=product, since=since, until=until)
    return rows.sort(*KEY, "available_at").collect()


def known_at(lake: Lake, product: str, at: datetime, *, since: datetime | None = None) -> pl.DataFrame:
    """Values as known at an instant, one row a key; withdrawn values are absent."""
    rows = lake.scan("observations", product=product, since=since, until=at).filter(pl.col("available_at") <= at)
    newest = rows.sort(*KEY, "available_at").unique(KEY, keep="last", maintain_order=True)
    return newest.filter(pl.col("value").is_not_null()).collect()


def data_to(lake: Lake, product: str, *, at: datetime | None = None) -> datetime | None:
    """Start of the newest interval with a value known (at an instant); None where there is none."""
    rows = lake.scan("observations", product=product).filter(pl.col("value").is_not_null())
    if at is not None:
        rows = rows.filter(pl.col("available_at") <= at)
    newest = rows.select(pl.col("time").max()).collect().item()
    return newest if isinstance(newest, datetime) else None
