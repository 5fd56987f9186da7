from __future__ import annotations

import numpy as np
import pytest

from urbancast.core.tables import QUANTILES
from urbancast.evaluation.metrics import interpolated_pit

LEVELS = np.array(QUANTILES)


def held(value: np.ndarray, quantiles: np.ndarray, seed: int = 1) -> float:
    """Share of values whose randomised PIT lies inside [0.1, 0.9]."""
    pit = interpolated_pit(value, quantiles, np.random.default_rng(seed).random(len(value)))
    return float(((pit >= 0.1) & (pit <= 0.9)).mean())


def test_a_range_of_shares_that_is_right_holds_eight_times_of_ten() -> None:
    rng = np.random.default_rng(2)
    value = rng.uniform(0.2, 0.6, 20_000)
    right = np.tile(0.2 + 0.4 * LEVELS, (len(value), 1))
    assert held(value, right) == pytest.approx(0.8, abs=0.01)


def test_a_range_of_shares_that_is_half_as_wide_is_found_out() -> None:
    value = np.random.default_rng(2).uniform(0.2, 0.6, 20_000)
    narrow = np.tile(0.3 + 0.2 * LEVELS, (len(value), 1))
    assert held(value, narrow) == pytest.approx(0.4, abs=0.02)


def test_many_values_at_a_limit_are_neither_hits_nor_misses_as_one() -> None:
    rng = np.random.default_rng(3)
    free = rng.normal(0.9, 0.2, 40_000)
    value = np.minimum(free, 1.0)
    told = np.minimum(np.quantile(free, LEVELS), 1.0)
    assert held(value, np.tile(told, (len(value), 1))) == pytest.approx(0.8, abs=0.03)


def test_counts_keep_their_half_unit() -> None:
    value = np.random.default_rng(4).poisson(3.0, 40_000).astype(np.float64)
    told = np.quantile(value, LEVELS)
    assert held(value, np.tile(told, (len(value), 1))) == pytest.approx(0.8, abs=0.05)
