"""Record a verdict: promotions, refusals and rollbacks, with numbers and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from urbancast.lake import verdicts
from urbancast.lake.store import Lake
from urbancast.registry.release import Release

Action = Literal["promoted", "refused", "rolled_back"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision about a challenger; `low` and `high` bound the difference of losses, champion − challenger.

    Of a rollback the challenger is the release that serves again, the champion the one that lost.
    """

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
    decided_at: datetime | None = field(default=None, compare=False)


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


def decisions(
    lake: Lake, product: str, *, kind: Kind = "live", run: str | None = None, until: datetime | None = None
) -> list[Decision]:
    """Decisions of one kind, oldest first: of production, or of a replay by the name of its run."""
    rows = verdicts.read(lake, product).filter(pl.col("kind").cast(pl.String) == kind)
    if run is not None:
        rows = rows.filter(pl.col("run") == run)
    if until is not None:
        rows = rows.filter(pl.col("decided_at") <= until)
    # At one moment a promotion comes before the rollback that undoes it.
    return [_decision(row) for row in rows.sort("decided_at", "action", "measure").iter_rows(named=True)]


def promotion(lake: Lake, release: Release) -> Decision | None:
    """The newest live decision that promoted a release, or None."""
    return promoted(decisions(lake, release.product), release)


def promoted(known: Sequence[Decision], release: Release) -> Decision | None:
    """The newest of these decisions that promoted a release, or None."""
    own = (d for d in reversed(known) if d.action == "promoted" and d.measure == release.measure)
    return next((decision for decision in own if decision.challenger == release.name), None)


def in_force(known: Sequence[Decision], measure: str) -> Decision | None:
    """The newest of these decisions that moved what serves a measure, or None."""
    return next((d for d in reversed(known) if d.measure == measure and d.action != "refused"), None)


def probation(known: Sequence[Decision], release: Release, *, length: timedelta, now: datetime) -> Decision | None:
    """The decision that promoted a release which is on probation at ``now``; None where it is not."""
    newest = in_force(known, release.measure)
    if newest is None or newest.action != "promoted" or newest.challenger != release.name:
        return None
    return newest if newest.decided_at is not None and now < newest.decided_at + length else None


def _decision(row: Mapping[str, Any]) -> Decision:
    fields = ("product", "measure", "challenger", "champion", "action", "reason", "skill", "low", "high", "decided_at")
    return Decision(**{name: row[name] for name in fields}, numbers=json.loads(row["numbers"]))
