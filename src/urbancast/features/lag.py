"""Newest available values of the same local hour, k-th back: legal at any reach because they are looked up by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features.known import Floats, Known, Targets

WEEKS = 8
BACK = 4
DAYS_BACK = 3


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds."""
    weekly = [f"lag_week_{k}" for k in range(1, BACK + 1)]
    daily = [f"lag_day_{k}" for k in range(1, DAYS_BACK + 1)]
    return [*weekly, "lag_week_mean", "lag_week_median", *daily, "lag_day_mean", "lag_daytype_mean"]


def at(known: Known, targets: Targets, _params: Mapping[str, Any]) -> dict[str, Floats]:
    """Values of the same hour of week and of day, newest first, and means over recent ones."""
    weekly, daily, by_type = tables(known)
    day, week = known.axis.day, known.axis.week
    w, d = known.phase(targets, week), known.phase(targets, day)
    out = {f"lag_week_{k + 1}": weekly[k][targets.code, w] for k in range(BACK)}
    for name, table in (("lag_week_mean", weekly[BACK]), ("lag_week_median", weekly[BACK + 1])):
        out[name] = table[targets.code, w]
    out |= {f"lag_day_{k + 1}": daily[k][targets.code, d] for k in range(DAYS_BACK)}
    out["lag_day_mean"] = daily[DAYS_BACK][targets.code, d]
    is_weekend = (targets.cell // day % 7 >= 5).astype(np.int64)
    out["lag_daytype_mean"] = by_type[is_weekend, targets.code, d]
    return out


def tables(known: Known) -> tuple[list[Floats], list[Floats], Floats]:
    """K-th newest values by cell of week and of day (place × cell), and the mean by weekday or weekend."""
    if "lags" not in known.memo:
        block = known.block(WEEKS)
        places, day = len(known.last), known.axis.day
        weekly = nth_newest(block, BACK)
        stacked = np.stack(weekly)
        weekly += [mean_known(stacked, 0), _median_known(stacked)]
        days = block[:, -4:, :].reshape(places, 28, day)
        daily = [*nth_newest(days, DAYS_BACK), mean_known(days[:, -7:], 1)]
        known.memo["lags"] = (weekly, daily, _by_daytype(known, days))
    return known.memo["lags"]  # type: ignore[no-any-return]


def nth_newest(block: Floats, count: int) -> list[Floats]:
    """First to ``count``-th newest known values along axis 1 (oldest first); NaN where there are fewer."""
    out = [np.full(block[:, 0].shape, np.nan, dtype=np.float32) for _ in range(count)]
    rank = np.zeros(block[:, 0].shape, dtype=np.int64)
    for step in range(block.shape[1] - 1, -1, -1):
        values = block[:, step]
        is_known = np.isfinite(values)
        for k in range(count):
            np.copyto(out[k], values, where=is_known & (rank == k))
        rank += is_known
        if (rank >= count).all():
            break
    return out


def mean_known(values: Floats, axis: int) -> Floats:
    """Mean over an axis of the known values; NaN where there are none."""
    is_known = np.isfinite(values)
    count = is_known.sum(axis)
    total = np.where(is_known, values, 0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _median_known(values: Floats) -> Floats:
    """Median over axis 0 of the known values; NaN where there are none."""
    ordered = np.sort(values, axis=0)  # NaN sorts last
    count = np.isfinite(values).sum(0)
    low, high = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    low, high = np.minimum(low, len(values) - 1), np.minimum(high, len(values) - 1)
    middle = (np.take_along_axis(ordered, low[None], 0) + np.take_along_axis(ordered, high[None], 0))[0] / 2
    return np.where(count > 0, middle, np.nan).astype(np.float32)


def _by_daytype(known: Known, days: Floats) -> Floats:
    """Mean of the last four weeks by weekday (0) or weekend (1), place and cell of day."""
    places, count, day = days.shape
    cells = known.last[:, None] + np.arange(1 - count * day, 1)[None, :]
    is_weekend = (cells // day % 7 >= 5).reshape(places, count, day)
    return np.stack([mean_known(np.where(is_weekend == kind, days, np.nan), 1) for kind in (False, True)])
