"""Counts of rare events: Poisson or negative binomial about a mean, exact quantiles and randomised PIT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from scipy import special

from urbancast.core.tables import QUANTILES

Array = np.ndarray[Any, np.dtype[np.float64]]
FLOOR = 1e-7
MOST = 60  # counts beyond this are left to the last quantile


@dataclass(frozen=True)
class Family:
    """Variance ``mean + dispersion · mean²``; dispersion 0 is Poisson."""

    kind: ClassVar[str] = "counts"
    dispersion: float = 0.0

    @classmethod
    def fit(cls, point: Array, frame: pl.DataFrame) -> Family:
        """Dispersion of greatest weighted likelihood on calibration rows (value, weight)."""
        value = frame["value"].to_numpy()
        weight = frame["weight"].to_numpy().astype(np.float64)
        is_known = np.isfinite(point)
        mean, value, weight = np.maximum(point[is_known], FLOOR), value[is_known], weight[is_known]
        if not len(value):
            return cls(0.0)
        from scipy import optimize  # takes longer than most answers; only trainings fit

        found = optimize.minimize_scalar(
            lambda log_a: _negative_log_likelihood(float(np.exp(log_a)), mean, value, weight),
            bounds=(-9.0, 3.0),
            method="bounded",
            options={"xatol": 1e-3},
        )
        best = float(np.exp(found.x))
        return cls(0.0 if best < 2e-4 else round(best, 6))

    def apply(self, point: Array, _frame: pl.DataFrame) -> tuple[Array, Array]:
        """Mean and quantiles; shapes (rows,) and (rows, levels)."""
        mean = np.where(np.isfinite(point), np.maximum(point, FLOOR), np.nan)
        return mean, self.quantiles(mean)

    def quantiles(self, mean: Array) -> Array:
        """Smallest count with F ≥ level, by row and level."""
        out = np.zeros((len(mean), len(QUANTILES)))
        pending = np.isfinite(mean)
        below = self.cdf(np.zeros(len(mean)), mean)
        for count in range(MOST):
            is_short = below[:, None] < np.asarray(QUANTILES)[None, :]
            is_short[~pending] = False
            if not is_short.any():
                break
            out[is_short] = count + 1
            pending = np.any(is_short, axis=1)
            below = np.ones(len(mean))
            below[pending] = self.cdf(np.full(int(pending.sum()), count + 1.0), mean[pending])
        return out

    def cdf(self, count: Array, mean: Array) -> Array:
        """P(Y ≤ count)."""
        is_low = count < 0
        safe = np.maximum(count, 0)
        with np.errstate(invalid="ignore"):
            if self.dispersion == 0:
                value = special.pdtr(safe, mean)
            else:
                size = 1 / self.dispersion
                value = special.betainc(size, safe + 1, size / (size + mean))
        return np.where(is_low, 0.0, value)

    def pit(self, value: Array, mean: Array, draw: Array) -> Array:
        """Randomised PIT ``F(y − 1) + v · P(Y = y)``; uniform where the family is right."""
        below = self.cdf(value - 1, mean)
        return below + draw * (self.cdf(value, mean) - below)

    def state(self) -> dict[str, Any]:
        """JSON of the family."""
        return {"kind": self.kind, "dispersion": self.dispersion}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Family:
        """Family from its JSON."""
        return cls(float(state["dispersion"]))


def _negative_log_likelihood(dispersion: float, mean: Array, value: Array, weight: Array) -> float:
    from scipy import stats

    size = 1 / dispersion
    is_event = value > 0
    zero = weight * size * np.log1p(dispersion * mean)
    m, y = mean[is_event], value[is_event]
    log_p = stats.nbinom.logpmf(np.round(y), size, size / (size + m))
    return float(zero[~is_event].sum() - (weight[is_event] * log_p).sum())
