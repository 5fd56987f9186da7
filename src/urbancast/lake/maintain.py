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
    """Whether small files were merged; False where a writer was quicker: the next night will do.

    Of tables whose old files stay only closed months are merged, once.
    """
    closed = [("month", "<", f"{now:%Y-%m}")] if table in KEPT and table in MONTH_OF else None
    try:
        delta.optimize.compact(partition_filters=closed, writer_properties=PARQUET)
    except CommitFailedError:
        return False
    return True
