"""Drift: daily signals beside their own seasonal past; many at once, so that chance alone rarely speaks.

A day's score is −log10 of the chance of a deviation as large (the statistics themselves are in ``facts``); its
threshold is Benjamini and Hochberg's at ``RATE`` over all signals judged together. Degrees of freedom count days, and
as few of them as their autocorrelation leaves, never rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np

from urbancast.monitoring.reference import (
    MAD_TO_SD,
    WEEKS,
    Cube,
    Floats,
    effective,
    middle,
    spread,
    surprise,
    usual,
)

Kind = Literal["input", "target", "forecast", "residual", "missing"]
RATE = 0.002  # false share of what is said to drift, on a day
WINDOW = 3  # days that speak together
HISTORY = 56  # days before them that say what is usual
LEAST_HISTORY = 21
NEEDED = HISTORY + WINDOW + 7 * WEEKS  # days of data that a judgement of one day looks at
LEAST_COUNT = 20.0  # a unit has as many a day; places with fewer are judged together
SHIFTED, STEP = 0.2, 2.0  # the group looked for: a fifth of the units, so many of their standard deviations
FURTHEST = 3.5  # no unit alone says more
GROUP_CHANCE = 5e-3
WILD = 0.95
LEAST_UNITS = 4  # with fewer there is no common level to move apart from
FACTORS = 3  # at most, that units share beside their level


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One signal on one day; drifted where ``score`` exceeds the threshold that ``thresholds`` gives."""

    measure: str
    kind: Kind
    signal: str
    day: date
    score: float
    n: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    own_threshold: float | None = None  # of a signal that is judged alone


def threshold(signals: Sequence[Signal]) -> float:
    """Score that a signal must exceed among all of a day. Benjamini and Hochberg 1995."""
    scores = sorted((one.score for one in signals if one.own_threshold is None), reverse=True)
    count = len(scores)
    for rank in range(count, 0, -1):
        limit = -math.log10(RATE * rank / count)
        if scores[rank - 1] > limit:
            return limit
    return -math.log10(RATE / max(1, count))


def deviation(series: Floats, *, is_upper: bool = False) -> tuple[float, int, dict[str, float]] | None:
    """Score of a daily series' last days against those before: score, effective days, facts; None where too early.

    Days without a value are left out. Medians of a few days speak, past and present: one wild day says nothing. A
    straight line through the past is the season's; what is left of it scatters.
    """
    known = np.asarray(series)[np.isfinite(series)]
    if not len(series) or not np.isfinite(series[-1]) or len(known) < LEAST_HISTORY + WINDOW:
        return None
    past, now = known[:-WINDOW][-HISTORY:], known[-WINDOW:]
    at = np.arange(len(past), dtype=np.float64)
    slope = season(past)
    level = float(np.median(past - slope * at))
    rest = past - level - slope * at
    medians = np.median(np.lib.stride_tricks.sliding_window_view(rest, WINDOW), axis=1)
    error = max(float(spread(medians)), float(medians.std()), float(rest.std()) / 2, 1e-9)
    days = max(4.0, effective(rest))
    expected = level + slope * (len(past) + (WINDOW - 1) / 2)
    moved = float(np.median(now)) - expected
    statistic = moved / (error * math.sqrt(1 + WINDOW / days))
    if is_upper and statistic < 0:
        statistic = 0.0
    facts = {"now": float(np.median(now)), "usual": expected, "spread": error, "t": statistic, "days": days}
    return surprise(statistic, days - 1), int(days), facts


def season(past: Floats) -> float:
    """Slope a day of what came before, where a line explains a good part of it; else zero. Theil 1950, Sen 1968."""
    at = np.arange(len(past), dtype=np.float64)
    if past.std() == 0 or abs(float(np.corrcoef(past, at)[0, 1])) <= 0.5:
        return 0.0
    from scipy import stats  # takes longer than most commands; only those that measure need it

    return float(stats.theilslopes(past, at).slope)


def level_shift(
    measure: str, logs: Floats, names: Sequence[str], days: Sequence[date], *, tests: int = 1
) -> Signal | None:
    """Whether a group of units has moved apart from the others; None where it is too early to say.

    ``logs``: log of observed over usual, shape (units, days), NaN where not compared. Each unit's mean of the last
    days, in its own standard deviations, enters the likelihood ratio of a mixture in which a fifth of the units moved
    by ``STEP``: by Markov's inequality it exceeds 1 / p with a chance of at most p. ``tests``: measures judged so.
    """
    if len(names) < LEAST_UNITS or not len(days) or not np.isfinite(logs[:, -1]).any():
        return None
    columns = np.isfinite(logs).any(axis=0)
    rest = _apart(logs[:, columns])
    if rest.shape[1] < LEAST_HISTORY + WINDOW:
        return None
    means = _windows(rest)
    past = means[:, :-WINDOW][:, -HISTORY:]
    centre, error = middle(past), _errors(past)
    is_judged = np.isfinite(means[:, -1]) & np.isfinite(error) & (np.isfinite(past).sum(axis=1) >= LEAST_HISTORY // 2)
    if not is_judged.any():
        return None
    z = ((means - centre[:, None]) / error[:, None])[is_judged]
    z = z - _common(z)[None]
    evidence = _evidence(z)
    before = evidence[:, :-WINDOW][:, -HISTORY:]
    usual_spread = np.nanmax([spread(before), np.zeros(2)], axis=0)
    direction = int(np.argmax(evidence[:, -1]))
    limit = max(math.log(2 * tests / GROUP_CHANCE), float(middle(before)[direction] + 5 * usual_spread[direction]))
    sign = 1 if direction == 0 else -1
    moved = _moved(z[:, -1] * sign, (means - centre[:, None])[is_judged][:, -1], np.array(names)[is_judged])
    return Signal(
        measure=measure,
        kind="target",
        signal="level-shift",
        day=days[-1],
        score=max(0.0, float(evidence[direction, -1]) / math.log(10)),
        own_threshold=limit / math.log(10),
        n=int(is_judged.sum()),
        facts={"direction": "up" if sign > 0 else "down", **moved},
    )


def _moved(z: Floats, moved: Floats, names: Any) -> dict[str, Any]:
    """The units that moved, the most certain first, and by how much."""
    order = [int(i) for i in np.argsort(-z) if z[i] > 1.5]
    change = float(np.exp(np.median(moved[order])) - 1) if order else 0.0
    return {"units": len(order), "change": round(change, 3), "places": [str(names[i]) for i in order[:10]]}


def _apart(logs: Floats) -> Floats:
    """Logs without what units share on a day: their median, and what they answer to alike."""
    rest = np.asarray(logs - middle(logs, axis=0)[None])
    rest = rest - middle(rest[:, :-WINDOW])[:, None]
    return rest - _shared(rest)


def _shared(rest: Floats) -> Floats:
    """What units answer to alike, some more and some less (a wet morning): strong factors of the days before the last.

    A factor is strong where its singular value is beyond what noise alone has. Marchenko and Pastur 1967.
    """
    scale = np.maximum(spread(rest), 1e-3)[:, None]
    scaled = np.clip(np.nan_to_num(rest / scale), -4, 4)
    past = scaled[:, :-WINDOW]
    loadings, sizes, _ = np.linalg.svd(past, full_matrices=False)
    edge = np.sqrt(past.shape[0]) + np.sqrt(past.shape[1])
    strong = loadings[:, : min(FACTORS, len(rest) // 8, int((sizes > edge).sum()))]
    return np.asarray(strong @ (strong.T @ scaled) * scale)


def _common(z: Floats) -> Floats:
    """What all units but those that moved share; shape (days,). A median alone would lean towards the moved.

    Expectation and maximisation of the mixture of the unmoved and a group on either side.
    """
    if len(z) < 8:
        return np.zeros(z.shape[1])
    common = middle(z, axis=0)
    for _ in range(12):
        away = z - common[None]
        odds = SHIFTED / (1 - SHIFTED) / 2 * np.exp(np.minimum(STEP * np.abs(away) - STEP**2 / 2, 50.0))
        weight = np.where(np.isfinite(away), 1 / (1 + odds), 0.0)
        common = np.nansum(weight * np.nan_to_num(z), axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    return np.asarray(common)


def _windows(rest: Floats) -> Floats:
    """Mean of the last days up to each, where at least two of them are known; shape (units, days)."""
    padded = np.concatenate([np.full((len(rest), WINDOW - 1), np.nan), rest], axis=1)
    views = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)
    count = np.isfinite(views).sum(axis=2)
    total = np.nansum(views, axis=2)
    return np.asarray(np.where(count >= 2, total / np.maximum(count, 1), np.nan))


def _errors(past: Floats) -> Floats:
    """Standard deviation of each unit's window means, leaning on that of all units."""
    # Whose past has wild days needs more to stand out than its middle half would say.
    own = np.fmax(spread(past), WILD * np.nanstd(past, axis=1))
    count = np.isfinite(past).sum(axis=1) / WINDOW
    pool = float(np.nanmedian(own)) if np.isfinite(own).any() else float("nan")
    lean = 6.0
    both = np.sqrt((count * np.nan_to_num(own, nan=pool) ** 2 + lean * pool**2) / (count + lean))
    return np.asarray(np.maximum(both, 1e-3))


def _evidence(z: Floats) -> Floats:
    """Log likelihood ratio of a moved fifth, up and down; shape (2, days)."""
    sides = []
    for sign in (1.0, -1.0):
        capped = np.clip(sign * z, -FURTHEST, FURTHEST)
        ratio = np.log(1 - SHIFTED + SHIFTED * np.exp(STEP * capped - STEP**2 / 2))
        sides.append(np.nansum(ratio, axis=0))
    return np.array(sides)


def units(grid: Cube, *, is_sparse: bool, groups: Mapping[str, str]) -> tuple[Floats, list[str]]:
    """Log of observed over usual by unit and day, shape (units, days), and the units' names.

    A unit is a place, or places of a group (else neighbours in name) that together count enough a day for a ratio to
    mean something. An hour weighs by the root of what is usual in it: between the sum, in which the noise of a few
    busy hours is all that is heard, and the mean of the hours' ratios, in which that of the empty ones is.
    """
    expected = usual(grid.values, grid.unusual, is_sparse=is_sparse)
    both = np.isfinite(grid.values) & np.isfinite(expected)
    cells = np.maximum(1, grid.expected.sum(axis=1))
    is_comparable = np.asarray(grid.expected.any(axis=1)) & ~grid.unusual
    is_enough = (both.sum(axis=2) >= 0.5 * cells[None]) & is_comparable[None]
    weight = 1 / np.sqrt(np.maximum(np.nan_to_num(expected), 1.0))
    count, known, seen = (
        np.where(is_enough, np.where(both, each, 0.0).sum(axis=2), np.nan)
        for each in (expected, weight * expected, weight * grid.values)
    )
    members = _members(grid.places, middle(count), groups)
    rows = []
    for codes in members.values():
        a, b = np.nansum(seen[codes], axis=0), np.nansum(known[codes], axis=0)
        is_said = np.isfinite(seen[codes]).any(axis=0) & (b > 0)
        rows.append(np.where(is_said, np.log((a + 0.5) / (b + 0.5)), np.nan))
    return np.array(rows).reshape(len(members), len(grid.days)), list(members)


def _members(places: Sequence[str], level: Floats, groups: Mapping[str, str]) -> dict[str, list[int]]:
    """Rows of each unit: places that count enough alone, else lumps of their group's, else of neighbours."""
    members: dict[str, list[int]] = {}
    small = [i for i in range(len(places)) if not (np.isfinite(level[i]) and level[i] >= LEAST_COUNT)]
    for i in sorted(set(range(len(places))) - set(small)):
        members[places[i]] = [i]
    lump: list[int] = []
    total = 0.0
    for i in sorted(small, key=lambda i: (groups.get(places[i], ""), places[i])):
        lump.append(i)
        total += float(np.nan_to_num(level[i]))
        if total >= LEAST_COUNT:
            members[_lump_name(places, lump)] = lump
            lump, total = [], 0.0
    if lump and total >= LEAST_COUNT / 2:
        members[_lump_name(places, lump)] = lump
    return members


def _lump_name(places: Sequence[str], lump: Sequence[int]) -> str:
    return f"{places[lump[0]]} and {len(lump) - 1} more" if len(lump) > 1 else places[lump[0]]


def target(measure: str, grid: Cube, *, is_sparse: bool, groups: Mapping[str, str], tests: int = 1) -> list[Signal]:
    """Signals of one measure on the last day of its cube: group of places, level of all, hours of the day, scatter.

    ``tests``: how many measures of the product are judged so.
    """
    logs, names = units(grid, is_sparse=is_sparse, groups=groups)
    if not len(names):
        return []
    found = [level_shift(measure, logs, names, grid.days, tests=tests)]
    series = {"level": (middle(logs, axis=0), False)}
    if len(names) >= 2 * LEAST_UNITS:
        scatter = MAD_TO_SD * middle(np.abs(_apart(logs)), axis=0)
        series["scatter"] = (np.log(np.maximum(scatter, 1e-3)), False)
    if grid.values.shape[2] > 1:
        series["hours"] = (hours(grid), True)
    for name, (values, is_upper) in series.items():
        found.append(of_series(measure, "target", name, values, grid.days, is_upper=is_upper))
    return [one for one in found if one is not None]


def of_series(
    measure: str, kind: Kind, name: str, values: Floats, days: Sequence[date], *, is_upper: bool = False
) -> Signal | None:
    """Signal of a daily series on its last day; None where it is too early or nothing is known of the day."""
    said = deviation(values, is_upper=is_upper)
    if said is None:
        return None
    score, n, facts = said
    rounded = {key: round(value, 4) for key, value in facts.items()}
    return Signal(measure=measure, kind=kind, signal=name, day=days[-1], score=score, n=n, facts=rounded)


def hours(grid: Cube) -> Floats:
    """Log of the Jensen-Shannon distance between each day's course and that of the same weekdays before; (days,)."""
    total = np.nansum(np.where(grid.expected[None], grid.values, np.nan), axis=0)
    total = np.where(grid.unusual[:, None], np.nan, total)
    found = np.full(len(grid.days), np.nan)
    for day in range(7 * WEEKS, len(grid.days)):
        before = np.nanmean(total[day - 7 * WEEKS : day : 7], axis=0) if _has(total, day) else None
        if before is None or not np.isfinite(total[day]).all() or total[day].sum() <= 0 or before.sum() <= 0:
            continue
        found[day] = math.log(max(jensen_shannon(total[day], before), 1e-9))
    return found


def _has(total: Floats, day: int) -> bool:
    return int(np.isfinite(total[day - 7 * WEEKS : day : 7]).all(axis=1).sum()) >= 3


def jensen_shannon(one: Floats, other: Floats) -> float:
    """Jensen-Shannon divergence of two histograms, in nats; 0 alike, log 2 apart. Lin 1991."""
    p, q = one / one.sum(), other / other.sum()
    half = (p + q) / 2
    return float((_relative(p, half) + _relative(q, half)) / 2)


def _relative(p: Floats, q: Floats) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(p > 0, p * np.log(p / q), 0.0).sum())
