"""Migrate a lake of an earlier schema version, table by table; killed on the way, the next opening goes on."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from urbancast.core.errors import NotReadyError
from urbancast.lake import contract, remote
from urbancast.lake.snapshot import Snapshot, partitions
from urbancast.lake.store import ATTEMPTS, PARQUET, Lake


def to_2(lake: Lake) -> None:
    """Verdicts say their kind, requests who asked and what came of it; what else is new is empty."""
    for table in contract.ADDED:
        widen(lake, table)


def widen(lake: Lake, table: str) -> bool:
    """Rewrite a table with the columns that an earlier version did not have; False where it has them all.

    One commit, which collides with that of another process that does the same: its rows are taken then.
    """
    for _ in range(ATTEMPTS):
        delta = lake.delta(table)
        if delta is None or not contract.lacks(table, columns(delta)):
            return False
        if _commit(lake, table, delta):
            return True
    raise NotReadyError(
        f"lake.{table}: expected to migrate within {ATTEMPTS} attempts, found other writers each time; "
        "stop what runs on this lake with an earlier version, then open it again"
    )


def columns(delta: DeltaTable) -> list[str]:
    """Names of the columns that a Delta table has, at the version it is opened at."""
    return [field.name for field in delta.schema().fields]


def _commit(lake: Lake, table: str, delta: DeltaTable) -> bool:
    rows = Snapshot(table, delta, lake.options).scan().collect()
    texts = [pl.col(name).cast(pl.String) for name, dtype in rows.schema.items() if isinstance(dtype, pl.Enum)]
    # Writers of an earlier version mark `table/product`, too: whoever wrote meanwhile makes this commit collide.
    names = {"*", *rows["product"].unique().to_list()}
    mark = [Transaction(f"{table}/{name}", delta.version() + 1) for name in names]
    try:
        with remote.told(lake.url):
            write_deltalake(
                delta,
                rows.with_columns(texts),
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=partitions(table),
                writer_properties=PARQUET,
                commit_properties=CommitProperties(app_transactions=mark, max_commit_retries=0),
            )
    except CommitFailedError:
        return False
    return True


STEPS: dict[int, Callable[[Lake], None]] = {1: to_2}
