"""The simple rules as columns: what anyone could say without a model, issued at the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features import lag
from urbancast.features.known import Floats, Known, Targets

WEEKS = 4


def columns(params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds, for readings; further means over as many ``weeks`` as are named."""
    return ["rule_seasonal_naive", "rule_mean4w", "rule_mean4w_scaled", *_longer(params)]


def at(known: Known, targets: Targets, params: Mapping[str, Any]) -> dict[str, Floats]:
    """Newest value of the weekday and hour; mean of the last 4 weeks; that mean scaled by the last day's level."""
    if "rules" not in known.memo:
        known.memo["rules"] = _tables(known)
    naive, mean, level = known.memo["rules"]
    where = (targets.code, known.phase(targets, known.axis.week))
    scaled = mean[where] * level[targets.code]
    longer = {name: _mean(known, weeks, naive)[where] for name, weeks in _longer(params).items()}
    return {"rule_seasonal_naive": naive[where], "rule_mean4w": mean[where], "rule_mean4w_scaled": scaled, **longer}


def _longer(params: Mapping[str, Any]) -> dict[str, int]:
    return {f"rule_mean{weeks}w": int(weeks) for weeks in params.get("weeks", ())}


def _mean(known: Known, weeks: int, naive: Floats) -> Floats:
    """Mean of the last weeks by cell of week; the newest value where none of them is known."""
    key = ("rule_mean", weeks)
    if key not in known.memo:
        mean = lag.mean_known(known.block(weeks), 1)
        known.memo[key] = np.where(np.isfinite(mean), mean, naive)
    return known.memo[key]  # type: ignore[no-any-return]


def _tables(known: Known) -> tuple[Floats, Floats, Floats]:
    naive = lag.tables(known)[0][0]
    block, mean = known.block(WEEKS), _mean(known, WEEKS, naive)
    day = known.axis.day
    last, usual = block[:, -1, -day:], mean[:, -day:]
    is_known = np.isfinite(last) & np.isfinite(usual)
    seen, due = np.where(is_known, last, 0).sum(1), np.where(is_known, usual, 0).sum(1)
    level = np.where(due > 0, seen / np.where(due > 0, due, 1), 1.0).astype(np.float32)
    return naive, mean, level
