"""Decayed hour-of-week profile of each place, shrunk to the city's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features.known import Floats, Known, Targets

WEEKS, HALF_LIFE_WEEKS, PRIOR_WEEKS = 12, 3.0, 0.5


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds."""
    return ["profile", "profile_long", "profile_spread"]


def at(known: Known, targets: Targets, params: Mapping[str, Any]) -> dict[str, Floats]:
    """Profile, its long-memory form and the spread of past weeks about it, in the measure's unit."""
    half_life = float(params.get("half_life_weeks", HALF_LIFE_WEEKS))
    phase = known.phase(targets, known.axis.week)
    near, spread = of(known, half_life)
    far, _ = of(known, 4 * half_life)
    where = (targets.code, phase)
    return {"profile": near[where], "profile_long": far[where], "profile_spread": spread[where]}


def of(known: Known, half_life: float = HALF_LIFE_WEEKS) -> tuple[Floats, Floats]:
    """Profile and spread, place × cell of the week that starts after the place's newest value; NaN: nothing known."""
    key = ("profile", half_life)
    if key not in known.memo:
        known.memo[key] = _fitted(known, half_life)
    return known.memo[key]  # type: ignore[no-any-return]


def _fitted(known: Known, half_life: float) -> tuple[Floats, Floats]:
    block = known.block(WEEKS)
    is_known = np.isfinite(block)
    filled = np.where(is_known, block, 0)
    weight = np.float32(0.5) ** (np.arange(WEEKS - 1, -1, -1, dtype=np.float32) / half_life)
    total = np.tensordot(filled, weight, axes=(1, 0))
    square = np.tensordot(filled * filled, weight, axes=(1, 0))
    mass = np.tensordot(is_known.astype(np.float32), weight, axes=(1, 0))
    level = total.sum(1) / np.maximum(mass.sum(1), 1e-9)
    shape = _city_shape(known, total, mass * level[:, None])
    profile = (total + PRIOR_WEEKS * level[:, None] * shape) / (mass + PRIOR_WEEKS)
    spread = np.sqrt(np.maximum(square / np.maximum(mass, 1e-9) - (total / np.maximum(mass, 1e-9)) ** 2, 0))
    nothing = mass.sum(1) == 0
    profile[nothing], spread[nothing] = np.nan, np.nan
    return profile.astype(np.float32), spread.astype(np.float32)


def _city_shape(known: Known, total: Floats, expected: Floats) -> Floats:
    """City's hour-of-week shape about 1, turned to each place's own phase."""
    week = known.axis.week
    hours = (np.arange(week)[None, :] + known.last[:, None] + 1) % week
    top = np.bincount(hours.ravel(), total.ravel(), minlength=week)
    bottom = np.bincount(hours.ravel(), expected.ravel(), minlength=week)
    shape = np.where(bottom > 0, top / np.maximum(bottom, 1e-9), 1.0)
    return shape[hours]  # type: ignore[no-any-return]
