"""Audit: who did what behind the login, and what was refused; no secret, no location."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.lake import scrub
from urbancast.lake.store import Lake

ALL = "all"
_TICK = timedelta(microseconds=1)
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One decision: ``actor`` is a key's name, or who stands at the command line."""

    at: datetime
    actor: str
    action: str  # login, logout, request, key-new, key-revoke, open-ui, …
    subject: str = ""
    is_allowed: bool = True
    product: str = ALL
    facts: Mapping[str, Any] = field(default_factory=dict)


def write(lake: Lake, entries: Sequence[Entry]) -> int:
    """Write entries in one commit a product; number of rows. Two of one instant are told a microsecond apart."""
    rows = [
        {
            "product": entry.product,
            "at": entry.at + number * _TICK,
            "actor": entry.actor[:_LONGEST],
            "action": entry.action[:_LONGEST],
            "subject": scrub.text(entry.subject)[:_LONGEST],
            "outcome": "allowed" if entry.is_allowed else "refused",
            "facts": json.dumps(scrub.fields(entry.facts), sort_keys=True, default=str),
        }
        for number, entry in enumerate(entries)
    ]
    return lake.append("audit", pl.DataFrame(rows)) if rows else 0


def read(lake: Lake, *, before: datetime | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The newest ``limit`` entries before an instant, the newest first, ``facts`` as a mapping."""
    rows = lake.scan("audit")
    if before is not None:
        rows = rows.filter(pl.col("at") < before)
    newest = rows.sort("at", "actor", "action", "subject", descending=True).head(limit).collect()
    return [
        {**row, "outcome": str(row["outcome"]), "facts": json.loads(row["facts"])}
        for row in newest.iter_rows(named=True)
    ]
