"""Record a verdict: promotions, refusals and rollbacks, with numbers and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

from urbancast.lake import verdicts
from urbancast.lake.store import Lake
from urbancast.registry.release import Release

Action = Literal["promoted", "refused", "rolled_back"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision about a challenger; `low` and `high` bound the difference of losses (negative is better)."""

    product: str
    measure: str
    challenger: str
    champion: str
    action: Action
    reason: str
    skill: float | None = None
    low: float | None = None
    high: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


Kind = Literal["live", "replay"]


def verdict(lake: Lake, decision: Decision, *, run: str, now: datetime, kind: Kind = "live") -> None:
    """Write one decision; the same decision at the same moment is written once."""
    verdicts.add(
        lake,
        pl.DataFrame(
            [
                {
                    "product": decision.product,
                    "measure": decision.measure,
                    "challenger": decision.challenger,
                    "champion": decision.champion,
                    "action": decision.action,
                    "wins": decision.action == "promoted",
                    "skill": decision.skill,
                    "low": decision.low,
                    "high": decision.high,
                    "reason": decision.reason,
                    "numbers": json.dumps(decision.numbers, sort_keys=True, default=str),
                    "kind": kind,
                    "decided_at": now,
                    "run": run,
                }
            ],
            schema_overrides={"skill": pl.Float64, "low": pl.Float64, "high": pl.Float64},
        ),
    )


def promotion(lake: Lake, release: Release) -> Decision | None:
    """The decision that promoted a release, or None."""
    rows = verdicts.read(lake, release.product, measure=release.measure)
    rows = rows.filter((pl.col("challenger") == release.name) & (pl.col("action") == "promoted"))
    if rows.is_empty():
        return None
    row = rows.row(-1, named=True)
    fields = ("product", "measure", "challenger", "champion", "action", "reason", "skill", "low", "high")
    return Decision(**{name: row[name] for name in fields}, numbers=json.loads(row["numbers"]))
