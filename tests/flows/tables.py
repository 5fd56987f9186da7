"""Compare lakes: everything that a run writes but wall-clock times and the log of runs."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from urbancast.core.tables import TABLES
from urbancast.lake import ledger, serving
from urbancast.lake.store import Lake

CLOCKS = ("issued_at", "created_at", "decided_at", "moved_at", "url")  # the emulator's port is in the URL
TOLD_AT = ("requests", "deliveries", "audit")  # tables whose `at` is the wall clock's


def contents(lake: Lake, *, apart: Collection[str] = ()) -> dict[str, pl.DataFrame]:
    """Rows of every table but `runs`, `serving` and `leases`, without wall clocks and columns ``apart``, sorted."""
    found = {}
    for table in TABLES:
        if table in ("runs", "serving", "leases"):
            continue
        clocks = (*(CLOCKS if table != "covariates" else ()), *(("at",) if table in TOLD_AT else ()))
        rows = lake.scan(table).collect().drop(*clocks, *apart, strict=False)
        rows = _entered(rows) if table == "ledger" else rows
        found[table] = rows.sort(pl.struct(pl.exclude(pl.Object)).hash(seed=0))
    return found


def _entered(entries: pl.DataFrame) -> pl.DataFrame:
    """What a ledger says at its end: sets issued, without their wall clocks, and the newest score of each day.

    A set entered late, or a day scored twice on the way, is another chain over the same rows.
    """
    issued = ledger.issued_sets(entries).select("measure", "rows", at=pl.col("origin").cast(pl.String), of="release")
    days = ledger.scored_days(entries).select("measure", "rows", at=pl.col("day").cast(pl.String), of="content")
    return pl.concat([issued, days])


def served(lake: Lake) -> dict[str, object]:
    """What the API would follow: origin and releases by product."""
    return {name: (row["origin"], row["releases"]) for name, row in serving.current(lake).items()}


def assert_equal(left: Lake, right: Lake, *, apart: Collection[str] = ()) -> None:
    """Fail with the table's name where two lakes say different things."""
    one, other = contents(left, apart=apart), contents(right, apart=apart)
    for table in one:
        assert one[table].equals(other[table]), f"{table} differs: {one[table].height} and {other[table].height} rows"
    assert served(left) == served(right)
