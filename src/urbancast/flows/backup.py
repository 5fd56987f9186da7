"""Backup and restore: a lake as of one instant to another place, and back into an empty one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from urbancast.core.errors import ContractError
from urbancast.flows.job import Teller, Upkeep, step, tell_nobody
from urbancast.lake import backup as backups, digests
from urbancast.lake.backup import Copied
from urbancast.lake.files import open_files
from urbancast.lake.store import Lake

FLOW = "backup"


def backup(lake: Lake, to: str | Path, *, teller: Teller = tell_nobody) -> Copied:
    """Copy the lake as of one instant to a folder or URL, whatever is written meanwhile; only what is new is copied."""
    place = _place(to)
    if place == lake.url or place.startswith(f"{lake.url}/"):
        raise ContractError(f"backup to {place}: expected a place outside the lake, found one within; name another")
    job = Upkeep(lake=lake, now=datetime.now(UTC), teller=teller)
    with step(job, job.run_id(FLOW), FLOW, "copy") as facts:
        copied = backups.take(lake, open_files(place), at=job.now)
        facts.update(to=place, backup=copied.name, files=copied.files, bytes=copied.bytes, copied=copied.copied)
    return copied


def restore(source: str | Path, to: str | Path, *, name: str | None = None, teller: Teller = tell_nobody) -> Copied:
    """Make a lake at an empty place from the newest backup (or the named one), every byte checked.

    A backup of an earlier schema version is migrated as it is opened.
    """
    copied = backups.put_back(open_files(_place(source)), _place(to), at=datetime.now(UTC), name=name)
    lake = Lake.open(_place(to))
    job = Upkeep(lake=lake, now=datetime.now(UTC), teller=teller)
    with step(job, job.run_id("restore"), "restore", "restore") as facts:
        for product in sorted({path.split("/")[1] for path in lake.files.list(digests.FOLDER)}):
            digests.write(lake, product)  # the newest day's may have been written after the instant of the backup
        facts.update(source=_place(source), backup=copied.name, files=copied.files, bytes=copied.bytes)
    return copied


def _place(given: str | Path) -> str:
    """A folder or URL as a lake's URL is written."""
    text = str(given).removeprefix("file://")
    return text.rstrip("/") if "://" in text else str(Path(text).expanduser().resolve())
