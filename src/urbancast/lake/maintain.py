"""Nightly maintenance: checkpoint, compact, vacuum; what was forecast, scored and sealed is never vacuumed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from urbancast.core.tables import MONTH_OF, TABLES
from urbancast.lake import logs, remote
from urbancast.lake.store import PARQUET, Lake

KEPT = ("forecasts", "scores", "ledger")  # their old files stay, so a past answer can be read as it was served
RETENTION_HOURS = 30 * 24
LOGS_KEPT = timedelta(days=90)
_LOG_RETENTION = "delta.logRetentionDuration"
_FOR_EVER = "interval 36500 days"


def run(lake: Lake, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Maintain every table; by table: version, files before and after, files vacuumed.

    Beside readers and writers: files are removed a month after they were replaced, log entries only below a checkpoint.
    """
    facts = {}
    for table in TABLES:
        delta = lake.delta(table)
        if delta is not None:
            with remote.told(lake.url):
                facts[table] = _maintain(table, delta, now)
    return facts


def expire_logs(lake: Lake, *, now: datetime) -> int:
    """Remove what runs said more than 90 days ago; number of logs."""
    return logs.expire(lake, before=(now - LOGS_KEPT).date())


def unnamed_releases(lake: Lake, product: str) -> list[str]:
    """Files of releases that no row names: of a training that runs, or was killed between its files and its row."""
    named = set(lake.scan("releases", product=product).select(pl.col("path").unique()).collect()["path"])
    return [path for path in lake.files.list(f"releases/{product}") if release_of(path) not in named]


def release_of(path: str) -> str:
    """Folder of the release that a file below ``releases/`` belongs to, however deep it lies."""
    return "/".join(path.split("/")[:3])


def sweep_releases(lake: Lake, product: str) -> int:
    """Remove the files of releases that no row names; their number. Only under the product's lease: nothing trains."""
    left = unnamed_releases(lake, product)
    for path in left:
        lake.files.remove(path)
    return len(left)


def tidy(lake: Lake, table: str, *, every: int = 128) -> bool:
    """Merge a small table's files after each so many commits; whether it was done."""
    version = lake.version(table)
    if version <= 0 or version % every:
        return False
    delta = lake.delta(table)
    return delta is not None and _merge(delta, None)


def _maintain(table: str, delta: DeltaTable, now: datetime) -> dict[str, Any]:
    before = len(delta.file_uris())
    is_kept = table in KEPT
    if is_kept and delta.metadata().configuration.get(_LOG_RETENTION) != _FOR_EVER:
        _keep_log(delta)
    is_compacted = _compact(table, delta, now)
    delta.update_incremental()
    delta.create_checkpoint()
    vacuumed = [] if is_kept else delta.vacuum(retention_hours=RETENTION_HOURS, dry_run=False, full=True)
    if not is_kept:
        delta.cleanup_metadata()
    return {
        "version": delta.version(),
        "files_before": before,
        "files": len(delta.file_uris()),
        "compacted": is_compacted,
        "vacuumed": len(vacuumed),
    }


def _keep_log(delta: DeltaTable) -> None:
    """Keep every log entry: without them the old files say nothing. Where a writer was quicker, the next night does."""
    try:
        delta.alter.set_table_properties({_LOG_RETENTION: _FOR_EVER})
    except CommitFailedError:
        delta.update_incremental()


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
