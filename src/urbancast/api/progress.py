"""What each product is doing now, read off the newest rows of the runs table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import polars as pl

State = Literal["waiting", "pulling", "training", "replaying", "ready", "failed"]
PHASES: dict[str, State] = {
    "pull": "pulling",
    "observe": "pulling",
    "train": "training",
    "backtest": "training",
    "promote": "training",
    "forecast": "training",
    "replay": "replaying",
    "verify": "replaying",
}
STALLED_AFTER = timedelta(hours=1)
RECENT = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of one product for the strip. ``share``: 0 to 1 of the running step, None when it does not say."""

    state: State
    share: float | None = None
    step: str | None = None
    at: datetime | None = None


WAITING = Progress(state="waiting")


def read(runs: pl.DataFrame, *, is_serving: bool, now: datetime) -> Progress:
    """Progress of one product from its runs rows (any order)."""
    last = runs.sort("at").unique(["run", "flow", "step"], keep="last", maintain_order=True)
    if last.is_empty():
        return Progress(state="ready" if is_serving else "waiting")
    newest = last.row(-1, named=True)
    running = last.filter((pl.col("state") == "started") & (pl.col("at") > now - STALLED_AFTER))
    if newest["state"] == "failed":
        return _progress("failed", newest)
    if not running.is_empty():
        row = running.row(-1, named=True)
        return _progress(PHASES.get(row["flow"], "ready" if is_serving else "waiting"), row)
    if newest["state"] == "started":
        return _progress("ready" if is_serving else "failed", {**newest, "message": "stopped before its end"})
    if is_serving:
        return Progress(state="ready", share=1.0, at=newest["at"])
    return _progress(PHASES.get(newest["flow"], "waiting"), newest)


def _progress(state: State, row: dict[str, Any]) -> Progress:
    facts = _facts(row["facts"])
    found = facts.get("progress")
    share = float(found) if isinstance(found, int | float) and 0 <= found <= 1 else None
    words = " ".join(str(part) for part in (row["flow"], row["step"]) if part)
    step = f"{words}: {row['message']}" if row["message"] else words
    return Progress(state=state, share=share, step=step, at=row["at"])


def _facts(text: str) -> dict[str, Any]:
    try:
        facts = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return facts if isinstance(facts, dict) else {}
