"""Level of the last 1, 7 and 28 available days relative to the profile: place and city-wide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features import profile
from urbancast.features.known import Floats, Known, Targets

DAYS = (1, 3, 7, 28)
WEEKS = 8
HOURS = 3


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds; 1 means as usual."""
    names = [f"level_{days}d" for days in DAYS] + [f"city_level_{days}d" for days in DAYS]
    return [*names, f"level_{HOURS}h", "city_level_hour", "city_level_week"]


def at(known: Known, targets: Targets, _params: Mapping[str, Any]) -> dict[str, Floats]:
    """Observed over expected by the profile, in the last available days and hours."""
    if "levels" not in known.memo:
        known.memo["levels"] = {**_place_levels(known), **_city_levels(known)}
    levels = known.memo["levels"]
    out = {name: _taken(levels[name], targets) for name in columns({}) if not name.endswith(("_hour", "_week"))}
    out["city_level_hour"] = levels["city_level_hour"][targets.cell % known.axis.day]
    out["city_level_week"] = levels["city_level_week"][targets.cell % known.axis.week]
    return out


def _taken(level: Any, targets: Targets) -> Any:
    return level[targets.code] if np.ndim(level) else np.full(len(targets.code), level, dtype=np.float32)


def _place_levels(known: Known) -> dict[str, Floats]:
    day, places = known.axis.day, len(known.last)
    block = known.block(WEEKS)
    expected = np.broadcast_to(profile.of(known)[0][:, None, :], block.shape)
    is_known = np.isfinite(block) & np.isfinite(expected)
    seen = np.where(is_known, block, 0).reshape(places, -1)
    due = np.where(is_known, expected, 0).reshape(places, -1)
    out = {f"level_{HOURS}h": _ratio(seen[:, -HOURS:].sum(1), due[:, -HOURS:].sum(1))}
    by_day = seen.reshape(places, -1, day).sum(2)[:, ::-1]
    due_by_day = due.reshape(places, -1, day).sum(2)[:, ::-1]
    rank = np.cumsum(np.any(is_known.reshape(places, -1, day), axis=2)[:, ::-1], axis=1)
    for days in DAYS:
        is_taken = rank <= days
        out[f"level_{days}d"] = _ratio((by_day * is_taken).sum(1), (due_by_day * is_taken).sum(1))
    return out


def _city_levels(known: Known) -> dict[str, Any]:
    day, week = known.axis.day, known.axis.week
    block = known.city_block(5)
    start = int(known.last.max(initial=-1)) + 1 - block.shape[1]
    cells = np.arange(start, start + block.shape[1])
    places = np.arange(len(known.last))[:, None]
    expected = profile.of(known)[0][places, (cells[None, :] - known.last[:, None] - 1) % week]
    is_known = np.isfinite(block) & np.isfinite(expected)
    seen = np.where(is_known, block, 0).sum(0)
    due = np.where(is_known, expected, 0).sum(0)
    out: dict[str, Any] = {
        f"city_level_{days}d": _ratio(seen[-days * day :].sum(), due[-days * day :].sum()) for days in DAYS
    }
    out["city_level_hour"] = _turned(_ratio(seen[-day:], due[-day:]), cells[-day:] % day)
    out["city_level_week"] = _turned(_ratio(seen[-week:], due[-week:]), cells[-week:] % week)
    return out


def _turned(ratio: Floats, cells: Any) -> Floats:
    out = np.empty_like(ratio)
    out[cells] = ratio
    return out


def _ratio(seen: Any, due: Any) -> Floats:
    """Seen over due, NaN where nothing was due."""
    return np.where(due > 0, seen / np.where(due > 0, due, 1), np.nan).astype(np.float32)
