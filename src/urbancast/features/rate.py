"""Rates of rare events: hour-of-week counts of each place, shrunk to its mean × the city's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features.known import Floats, Known, Targets

STRENGTHS: tuple[float, ...] = (100.0, 500.0, 2000.0, float("inf"))
WINDOWS: tuple[int, ...] = (26, 52, 104, 0)  # weeks; 0 = all
RECENT_WEEKS = (4, 13, 26)
PRIOR_EVENTS = 20.0


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds: every (strength, window) of the shrunk rate, and recent levels."""
    rules = [rule_name(strength, window) for strength in STRENGTHS for window in WINDOWS]
    levels = [f"{who}_rate_level_{weeks}w" for who in ("place", "city") for weeks in RECENT_WEEKS]
    return [*rules, *levels, "place_rate", "city_rate_shape", "place_rate_daypart"]


def rule_name(strength: float, window: int) -> str:
    """Column of the shrunk rate with ``k = strength`` hours over ``window`` weeks."""
    return f"rule_shrunk_{'inf' if strength == float('inf') else int(strength)}_{f'{window}w' if window else 'all'}"


def at(known: Known, targets: Targets, _params: Mapping[str, Any]) -> dict[str, Floats]:
    """Expected events an hour: ``(n_zh + k · zone_mean · city_profile_h) / (hours_h + k)``, and what moves it."""
    if "rates" not in known.memo:
        known.memo["rates"] = _tables(known)
    by_week, by_place, city = known.memo["rates"]
    week = targets.cell % known.axis.week
    out = {name: table[targets.code, week] for name, table in by_week.items()}
    out |= {name: column[targets.code] for name, column in by_place.items()}
    out |= {name: np.full(len(week), value, dtype=np.float32) for name, value in city.items()}
    out["city_rate_shape"] = known.memo["rate_shape"][week]
    return out


def _tables(known: Known) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, float]]:
    sums = _window_sums(known)
    by_week: dict[str, Floats] = {}
    for window, (counts, hours) in sums.items():
        zone_mean = counts.sum(1) / max(hours.sum(), 1)
        shape = _shape(counts.sum(0), hours)
        prior = zone_mean[:, None] * shape[None, :]
        for strength in STRENGTHS:
            rate = prior if np.isinf(strength) else (counts + strength * prior) / (hours + strength)
            by_week[rule_name(strength, window)] = rate.astype(np.float32)
        if window == 0:
            known.memo["rate_shape"] = shape.astype(np.float32)
            by_week["place_rate_daypart"] = _daypart(counts, hours, prior, known.axis.day).astype(np.float32)
            long_mean = zone_mean.astype(np.float32)
    by_place, city = _recent(known, sums[104][0].sum(1) / max(sums[104][1].sum(), 1))
    return by_week, {"place_rate": long_mean, **by_place}, city


def _window_sums(known: Known) -> dict[int, tuple[Floats, Floats]]:
    """Events (place × hour of week, Monday first) and covered hours (hour of week) by window."""
    week = known.axis.week
    last = int(known.last.max(initial=-1))
    total = known.values[:, : last + 1]
    edges = [max(0, last + 1 - window * week) if window else 0 for window in WINDOWS]
    counts, hours = np.zeros((len(known.last), week), np.float64), np.zeros(week)
    out: dict[int, tuple[Floats, Floats]] = {}
    stop = last + 1
    for window, start in zip(WINDOWS, edges, strict=True):
        part = total[:, start:stop]
        more, covered = _by_hour(part, start % week, week)
        counts, hours, stop = counts + more, hours + covered, start
        out[window] = (counts, hours)
    return out


def _by_hour(part: Floats, first: int, week: int) -> tuple[Any, Any]:
    span = part.shape[1]
    lead, tail = first, (-(first + span)) % week
    is_known = np.isfinite(part[0]) if len(part) else np.zeros(span, bool)
    filled = np.pad(np.where(is_known[None, :], part, 0), ((0, 0), (lead, tail)))
    flags = np.pad(is_known.astype(np.float64), (lead, tail))
    return filled.reshape(len(part), -1, week).sum(1, dtype=np.float64), flags.reshape(-1, week).sum(0)


def _shape(city: Any, hours: Any) -> Any:
    """City's events by hour of week about 1."""
    mean = city.sum() / max(hours.sum(), 1)
    return np.where((hours > 0) & (mean > 0), city / np.maximum(hours, 1) / (mean or 1), 1.0)


def _daypart(counts: Any, hours: Any, prior: Any, day: int) -> Any:
    """Place's rate over its prior in the six-hour part of weekday or weekend, shrunk; spread to the hours of week."""
    width = max(day // 4, 1)
    cells = np.arange(counts.shape[1])
    part = (cells % day) // width + np.where(cells // day % 7 >= 5, 10, 0)
    out = np.ones_like(prior)
    for name in np.unique(part):
        where = part == name
        seen, due = counts[:, where].sum(1), (prior[:, where] * hours[where]).sum(1)
        out[:, where] = ((seen + PRIOR_EVENTS) / (due + PRIOR_EVENTS))[:, None]
    return out


def _recent(known: Known, zone_mean: Any) -> tuple[dict[str, Floats], dict[str, float]]:
    """Recent events over those due at the two-year mean, shrunk: by place and city-wide."""
    by_place: dict[str, Floats] = {}
    city: dict[str, float] = {}
    last = int(known.last.max(initial=-1))
    for weeks in RECENT_WEEKS:
        part = known.values[:, max(0, last + 1 - weeks * known.axis.week) : last + 1]
        hours = np.isfinite(part[0]).sum() if len(part) else 0
        seen, due = np.where(np.isfinite(part), part, 0).sum(1), zone_mean * hours
        by_place[f"place_rate_level_{weeks}w"] = ((seen + PRIOR_EVENTS) / (due + PRIOR_EVENTS)).astype(np.float32)
        city[f"city_rate_level_{weeks}w"] = float((seen.sum() + PRIOR_EVENTS) / (due.sum() + PRIOR_EVENTS))
    return by_place, city
