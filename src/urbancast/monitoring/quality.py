"""Quality: what is missing of the expected grid, what was refused, and which sensors have fallen silent or frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from urbancast.monitoring.reference import Cube, Flags, Floats, middle, spread

HISTORY_DAYS = 56
REFERENCE_DAYS = 28
LEAST_DAYS = 7
MISSING_MARGIN, REFUSED_MARGIN = 0.05, 0.02  # share above the usual that is worth a word, at least
TIMES_SPREAD = 5.0
CHANCE = 1e-3  # that any sensor of a sound product is called dead on a day
SHORTEST_H = 6.0
HABIT = 1.5  # as many times the surprise of its own longest habit


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of a day beside what is usual; ``threshold``: above it, it has risen. ``n``: of how many."""

    day: date | None
    share: float
    usual: float
    threshold: float
    n: int

    @property
    def is_high(self) -> bool:
        """Whether it lies above what is usual by more than chance and by something that matters."""
        return self.share > self.threshold


@dataclass(frozen=True, kw_only=True)
class Dead:
    """A place that is silent or frozen to the end of what is known."""

    place: str
    how: str  # "silent", "zero" or "frozen"
    hours: float
    surprise: float
    threshold: float


def missing(grid: Cube) -> Share:
    """Missing share of the last day's expected intervals at places active in the eight weeks before it."""
    known = np.isfinite(grid.values)
    is_active = known[:, max(0, len(grid.days) - HISTORY_DAYS) :].any(axis=(1, 2))
    expected = grid.expected.sum(axis=1)
    count = int(is_active.sum())
    there = (known & grid.expected[None])[is_active].sum(axis=(0, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(expected > 0, 1 - there / (expected * max(1, count)), np.nan)
    past = shares[:-1][-REFERENCE_DAYS:]
    return _beside(grid.days[-1], shares[-1], past, margin=MISSING_MARGIN, n=int(expected[-1]) * count)


def refused(pulls: Sequence[tuple[int, int]]) -> Share | None:
    """Share of the last pull's raw rows that were quarantined, beside the pulls before it; None before any row.

    ``pulls``: quarantined and raw rows, the oldest first.
    """
    counted = [(kept_out, rows) for kept_out, rows in pulls if rows > 0]
    if not counted:
        return None
    shares = np.array([kept_out / rows for kept_out, rows in counted])
    return _beside(None, shares[-1], shares[:-1][-REFERENCE_DAYS:], margin=REFUSED_MARGIN, n=counted[-1][1])


def _beside(day: date | None, share: float, past: Floats, *, margin: float, n: int) -> Share:
    known = past[np.isfinite(past)]
    if len(known) < LEAST_DAYS or not np.isfinite(share):
        return Share(day=day, share=float(np.nan_to_num(share)), usual=float("nan"), threshold=1.0, n=n)
    usual = float(np.median(known))
    threshold = min(1.0, usual + max(margin, TIMES_SPREAD * float(spread(known))))
    return Share(day=day, share=float(share), usual=usual, threshold=threshold, n=n)


def dead(grid: Cube, *, grain_h: float) -> list[Dead]:
    """Places silent, at zero or frozen to the end for longer than their own eight weeks make plausible.

    The surprise of a run adds up, interval by interval, how rarely that place was still at that hour of that kind of
    day; it must exceed chance over all places and the place's own habits. A run of a day or more in the past is an
    outage, no habit.
    """
    first = max(0, len(grid.days) - HISTORY_DAYS)
    values = grid.values[:, first:]
    is_expected = grid.expected[first:]
    is_known = np.isfinite(values) & is_expected[None]
    is_active: Flags = np.asarray(is_known.any(axis=(1, 2)))
    if not is_active.any() or is_expected.sum() == 0:
        return []
    places = [place for place, flag in zip(grid.places, is_active, strict=True) if flag]
    values, is_known = values[is_active], is_known[is_active]
    kinds = np.array([max(0, day.weekday() - 4) for day in grid.days[first:]])
    is_alive = is_known & (np.nan_to_num(values) != 0)
    per_interval = _surprise(is_alive, is_expected, kinds, values)
    flat = is_expected.reshape(-1)
    alive, steps = (each.reshape(len(places), -1)[:, flat] for each in (is_alive, per_interval))
    floor = np.log(len(places) / CHANCE)
    found = {}
    for row, place in enumerate(places):
        still = _ending(place, ~alive[row], steps[row], floor=floor, grain_h=grain_h)
        if still is not None:
            is_silent = not is_known.reshape(len(places), -1)[:, flat][row, -1]
            found[place] = _named(still, "silent" if is_silent else "zero")
    for one in _frozen(places, values.reshape(len(places), -1)[:, flat], floor=floor, grain_h=grain_h):
        found.setdefault(one.place, one)
    return [found[place] for place in places if place in found]


def _surprise(is_alive: Flags, is_expected: Flags, kinds: Floats, values: Floats) -> Floats:
    """−log of the chance that a place is still, by interval; shape of ``is_alive``.

    The chance: how often it was at that hour of such days, leaning on all places where it is little known; and of a
    count of zero, what a count as scattered as its own would give.
    """
    days = is_alive.shape[1]
    steps = np.zeros(is_alive.shape)
    past = slice(0, max(1, days - 1))  # the last day itself is judged, not learnt from
    for kind in (0, 1, 2):
        chosen = kinds[past] == kind
        weight = is_expected[past][chosen].astype(np.float64)
        alive = is_alive[:, past][:, chosen] * weight[None]
        n, still = weight.sum(axis=0), (weight[None] - alive).sum(axis=1)
        pool = (still.sum(axis=0) + 0.5) / (n * len(is_alive) + 1)
        chance = (still + pool[None]) / (n[None] + 1)
        steps[:, kinds == kind] = -np.log(np.clip(chance, 1e-12, 1))[:, None]
    zeros = np.isfinite(values) & (values == 0)
    return np.where(zeros, np.maximum(steps, _count_surprise(values[:, past])[:, None, None]), steps)


def _count_surprise(values: Floats) -> Floats:
    """−log P(0) of a negative binomial count with each place's own mean and scatter by interval of a whole day.

    Only of products by day: within a day the mean moves with the hour, and the share of zeros says more.
    """
    if values.shape[2] > 1:
        return np.zeros(len(values))
    counts = values[:, :, 0]
    level, scatter = middle(counts), spread(counts)
    excess = np.maximum((scatter**2 - level) / np.maximum(level, 1e-9) ** 2, 0.02)
    return np.where(level > 0, np.log1p(excess * level) / excess, 0.0)


def _ending(place: str, is_still: Flags, steps: Floats, *, floor: float, grain_h: float) -> Dead | None:
    """The still run at the end of a place's intervals, where it is beyond chance and habit."""
    runs = _runs(is_still)
    if not runs or runs[-1][1] != len(is_still):
        return None
    begin, end = runs[-1]
    hours = (end - begin) * grain_h
    surprise = float(steps[begin:end].sum())
    habits = [float(steps[a:b].sum()) for a, b in runs[:-1] if (b - a) * grain_h < 24]
    threshold = max(float(floor), HABIT * max(habits, default=0.0))
    if hours < min(SHORTEST_H, 24) or surprise <= threshold:
        return None
    return Dead(place=place, how="zero", hours=hours, surprise=surprise, threshold=threshold)


def _frozen(places: Sequence[str], values: Floats, *, floor: float, grain_h: float) -> list[Dead]:
    """Places that repeat one value other than zero to the end, by how often they repeat a value at all."""
    same = np.isfinite(values[:, 1:]) & (values[:, 1:] == values[:, :-1]) & (values[:, 1:] != 0)
    pairs = np.isfinite(values[:, 1:]) & np.isfinite(values[:, :-1])
    quiet = max(1, int(24 / grain_h))  # the last day is judged, not learnt from
    n, repeats = pairs[:, :-quiet].sum(axis=1), same[:, :-quiet].sum(axis=1)
    pool = (repeats.sum() + 0.5) / (n.sum() + 1)
    steps = -np.log(np.clip((repeats + 5 * pool) / (n + 5), 1e-12, 1))
    found = []
    for row, place in enumerate(places):
        one = _ending(place, same[row], np.full(same.shape[1], steps[row]), floor=floor, grain_h=grain_h)
        if one is not None:
            found.append(_named(one, "frozen", more_h=grain_h))  # as many pairs alike are one value more
    return found


def _named(one: Dead, how: str, *, more_h: float = 0.0) -> Dead:
    return Dead(place=one.place, how=how, hours=one.hours + more_h, surprise=one.surprise, threshold=one.threshold)


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Half-open runs of true values, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
