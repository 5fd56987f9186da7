"""Is the challenger better, beyond luck? A paired day-block bootstrap and a coverage band.

And has a champion lost? The same pairs, looked at every night, so judged more strictly (decision 0015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from urbancast.core.errors import ContractError
from urbancast.evaluation.metrics import KEY, skill

COLUMN = {"mae": "absolute_error", "poisson_deviance": "deviance", "pinball": "pinball", "crps": "crps"}
COVERAGE_BAND = (0.72, 0.88)
DRAWS = 2000
LEVEL = 0.95
# A loss: with fewer local days than this it is judged by hours, at a stricter level, and must be far larger.
ENOUGH_DAYS = 5
LEAST_HOURS = 8
DAY_LEVEL, HOUR_LEVEL = 0.99, 0.999
LEAST_BY_DAY, LEAST_BY_HOUR = 0.02, 0.25
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Verdict:
    """Outcome of a paired comparison.

    ``low`` and ``high``: 95 % interval of the mean difference champion − challenger, in the unit of the score
    (positive: the challenger is better). ``coverage``: how often the challenger's 80 % range held.
    """

    wins: bool
    skill: float
    low: float
    high: float
    coverage: float
    reason: str
    rows: int = 0
    days: int = 0
    challenger_score: float = float("nan")
    champion_score: float = float("nan")


def compare(
    challenger: pl.DataFrame,
    champion: pl.DataFrame,
    primary: str,
    *,
    seed: int = 20260101,
    coverage_band: tuple[float, float] = COVERAGE_BAND,
) -> Verdict:
    """Verdict over rows that both ``losses`` hold: wins if the interval is above 0 and the 80 % range is honest."""
    if primary not in COLUMN:
        raise ContractError(f"primary: expected one of {', '.join(COLUMN)}, found {primary!r}; name one in the recipe")
    column = COLUMN[primary]
    right = champion.select(*KEY, pl.col(column).alias("_champion"))
    left = challenger.select(*KEY, "day", column, "hits_80")
    pairs = left.join(right, on=list(KEY), how="inner").sort(KEY)  # sums in one order, every time
    if pairs.is_empty():
        return Verdict(False, float("nan"), float("nan"), float("nan"), float("nan"), "no rows in common")
    days = pairs.group_by("day", maintain_order=True).agg(
        pl.len().alias("n"),
        pl.col(column).sum().alias("a"),
        pl.col("_champion").sum().alias("b"),
        pl.col("hits_80").sum(),
    )
    return judge(days, seed=seed, coverage_band=coverage_band)


def judge(days: pl.DataFrame, *, seed: int = 20260101, coverage_band: tuple[float, float] = COVERAGE_BAND) -> Verdict:
    """Verdict over sums by day: n rows, the challenger's loss ``a``, the champion's ``b``, ``hits_80`` of the first."""
    days = days.sort("day")
    rows = int(days["n"].sum())
    low, high = difference_interval(days["n"].to_numpy(), (days["b"] - days["a"]).to_numpy(), seed=seed)
    score, beside = float(days["a"].sum()) / rows, float(days["b"].sum()) / rows
    coverage = float(days["hits_80"].sum()) / rows
    is_honest = coverage_band[0] <= coverage <= coverage_band[1]
    reason = _reason(low, high, coverage, is_honest=is_honest, days=days.height)
    wins = low > 0 and is_honest and days.height > 1
    return Verdict(wins, skill(score, beside), low, high, coverage, reason, rows, days.height, score, beside)


def difference_interval(rows: Array, difference: Array, *, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """95 % bootstrap interval of Σ difference / Σ rows, drawing whole days with replacement (seeded)."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(rows), size=(draws, len(rows)))
    ratios = difference[picked].sum(axis=1) / rows[picked].sum(axis=1)
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _reason(low: float, high: float, coverage: float, *, is_honest: bool, days: int) -> str:
    if days < 2:
        return "one day is too few to judge"
    if high < 0:
        return "worse than the champion"
    if low <= 0:
        return "within noise"
    if not is_honest:
        return f"better, but its 80 % range held {coverage:.0%}"
    return f"better beyond noise, and its 80 % range held {coverage:.0%}"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """How a champion did beside a rival, on rows both issued at the same moment, nights after it was promoted.

    ``share``: its score over the rival's, less one (positive: it is worse). ``low`` and ``high`` bound the mean
    difference champion − rival at ``level``, over ``blocks`` blocks of a day or, of a few days, of an hour (``by``).
    """

    is_lost: bool
    share: float
    low: float
    high: float
    level: float
    by: str
    blocks: int
    days: int
    rows: int
    score: float
    rival_score: float


def lost(hours: pl.DataFrame) -> Loss | None:
    """Loss over sums by local ``day`` and ``how``: n rows, the champion's loss ``a``, its rival's ``b``; None of none.

    Lost: the interval lies above zero, and the difference is worth acting on. Student's t over blocks, for a
    bootstrap of two days is certain of anything.
    """
    if hours.is_empty():
        return None
    days = int(hours["day"].n_unique())
    is_daily = days >= ENOUGH_DAYS
    level, least = (DAY_LEVEL, LEAST_BY_DAY) if is_daily else (HOUR_LEVEL, LEAST_BY_HOUR)
    keys = ["day"] if is_daily else ["day", "how"]
    ordered = hours.sort("day", "how", "n", "a", "b")  # sums in one order, every time
    blocks = ordered.group_by(keys, maintain_order=True).agg(pl.col("n", "a", "b").sum())
    rows, score, beside = (float(blocks[name].sum()) for name in ("n", "a", "b"))
    low, high = _t_interval(blocks["n"].to_numpy(), (blocks["a"] - blocks["b"]).to_numpy(), level=level)
    share = score / beside - 1 if beside > 0 else (math.inf if score > 0 else 0.0)
    is_enough = is_daily or blocks.height >= LEAST_HOURS
    return Loss(
        is_lost=is_enough and low > 0 and share >= least,
        share=share,
        low=low,
        high=high,
        level=level,
        by="day" if is_daily else "hour",
        blocks=blocks.height,
        days=days,
        rows=int(rows),
        score=score / rows,
        rival_score=beside / rows,
    )


def _t_interval(rows: Array, difference: Array, *, level: float) -> tuple[float, float]:
    """Interval of Σ difference / Σ rows: blocks, not rows, are what is independent."""
    count, total = len(rows), float(rows.sum())
    ratio = float(difference.sum()) / total
    if count < 2:
        return -math.inf, math.inf
    spread = math.sqrt(float(((difference - ratio * rows) ** 2).sum()) * count / (count - 1)) / total
    half = float(special.stdtrit(count - 1, (1 + level) / 2)) * spread
    return ratio - half, ratio + half
