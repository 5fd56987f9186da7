"""Is the challenger better, beyond luck? A paired day-block bootstrap and a coverage band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.evaluation.metrics import KEY, skill

COLUMN = {"mae": "absolute_error", "poisson_deviance": "deviance", "pinball": "pinball", "crps": "crps"}
COVERAGE_BAND = (0.72, 0.88)
DRAWS = 2000
LEVEL = 0.95
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
