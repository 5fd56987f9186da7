"""Nightly maintenance: checkpoint, compact, vacuum; forecasts and scores are never vacuumed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from urbancast.core.tables import MONTH_OF, TABLES
from urbancast.lake.store import PARQUET, Lake

KEPT = ("forecasts", "scores")  # their old files stay, so a past answer can be read as it was served
RETENTION_HOURS = 30 * 24


def run(lake: Lake, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Maintain every table; by table: version, files before and after, files vacuumed."""
    facts = {}
    for table in TABLES:
        delta = lake.delta(table)
        if delta is not None:
            facts[table] = _maintain(table, delta, now)
    return facts


def tidy(lake: Lake, table: str, *, every: int = 128) -> bool:
    """Merge a small table's files after each so many commits; whether it was done."""
    version = lake.version(table)
    if version <= 0 or version % every:
        return False
    delta = lake.delta(table)
    return delta is not None and _merge(delta, None)


def _maintain(table: str, delta: DeltaTable, now: datetime) -> dict[str, Any]:
    before = len(delta.file_uris())
    is_compacted = _compact(table, delta, now)
    delta.update_incremental()
    delta.create_checkpoint()
    vacuumed = [] if table in KEPT else delta.vacuum(retention_hours=RETENTION_HOURS, dry_run=False)
    return {
        "version": delta.version(),
        "files_before": before,
        "files": len(delta.file_uris()),
        "compacted": is_compacted,
        "vacuumed": len(vacuumed),
    }


def _compact(table: str, delta: DeltaTable, now: datetime) -> bool:
    """Merge small files; of tables whose old files stay only those of closed months, once."""
    closed = [("month", "<", f"{now:%Y-%m}")] if table in KEPT and table in MONTH_OF else None
    return _merge(delta, closed)


def _merge(delta: DeltaTable, where: list[tuple[str, str, str]] | None) -> bool:
    """Whether small files were merged; False where a writer was quicker: the next time will do."""
    try:
        delta.optimize.compact(partition_filters=where, writer_properties=PARQUET)
    except CommitFailedError:
        return False
    return True
