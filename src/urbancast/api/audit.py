"""Writes decisions down before they take effect; those that come at once share a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from anyio import to_thread
from deltalake.exceptions import DeltaError

from urbancast.core.errors import NotReadyError, UrbancastError
from urbancast.lake import audit
from urbancast.lake.audit import ALL, Entry
from urbancast.lake.store import Lake

log = structlog.get_logger("urbancast.audit")


@dataclass
class _Batch:
    """Entries that share a commit, and why it failed."""

    entries: list[Entry] = field(default_factory=list)
    error: NotReadyError | None = None


class Auditor:
    """Adds to the table `audit`; what cannot be written down is not done."""

    def __init__(self, lake: Callable[[], Lake]) -> None:
        """Remember where to write; ``lake`` opens it."""
        self._open = lake
        self._next = _Batch()
        self._turn = asyncio.Lock()

    async def record(
        self,
        actor: str,
        action: str,
        *,
        subject: str = "",
        is_allowed: bool = True,
        product: str = ALL,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one decision down, at the wall clock; NotReadyError where the lake takes none."""
        entry = Entry(at=datetime.now(UTC), actor=actor, action=action, subject=subject, is_allowed=is_allowed,
                      product=product, facts=facts or {})  # fmt: skip
        log.info("audit", actor=actor, action=action, subject=subject, outcome="allowed" if is_allowed else "refused")
        batch = self._next
        batch.entries.append(entry)
        async with self._turn:
            if batch is self._next:  # else whoever had the turn before has written it
                self._next = _Batch()
                await to_thread.run_sync(self._write, batch)
        if batch.error is not None:
            raise batch.error

    def _write(self, batch: _Batch) -> None:
        try:
            audit.write(self._open(), batch.entries)
        except (DeltaError, OSError, UrbancastError):
            batch.error = NotReadyError("the audit log takes no entry just now; nothing was done, try again")
            log.exception("audit not written", entries=len(batch.entries))
