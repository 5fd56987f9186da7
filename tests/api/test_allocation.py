"""Shares, transfers, chances and paired intervals of stock, against every other way to do it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from urbancast.api import allocation, costs
from urbancast.core.tables import QUANTILES


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(0, 60))
def test_no_other_split_of_a_fleet_leaves_less_short(seed: int, fleet: int) -> None:
    rng = np.random.default_rng(seed)
    table = allocation.knots(np.sort(rng.gamma(2, 8, size=(3, 7)), axis=1))
    lost = np.stack([np.cumsum(allocation.chance_above(line, np.arange(61.0))) for line in table])
    gain = np.concatenate([np.zeros((3, 1)), lost], axis=1)
    best = max(gain[0, a] + gain[1, b] + gain[2, fleet - a - b] for a in range(fleet + 1) for b in range(fleet - a + 1))
    shares = allocation.shared_out(table, fleet)
    assert shares.sum() == fleet
    assert sum(gain[row, n] for row, n in enumerate(shares)) == pytest.approx(best)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_transfers_move_all_they_can_and_nobody_gives_more_than_is_too_much(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    standing, target = rng.integers(0, 9, n), rng.integers(0, 9, n)
    km = np.abs(np.subtract.outer(rng.random(n), rng.random(n)))
    moves = allocation.transfers(standing, target, km)
    after = standing.copy()
    for a, b, count in moves:
        after[a] -= count
        after[b] += count
    assert (after >= np.minimum(standing, target)).all()
    assert (after <= np.maximum(standing, target)).all()
    over, short = np.maximum(standing - target, 0).sum(), np.maximum(target - standing, 0).sum()
    assert sum(count for *_, count in moves) == min(over, short)


def test_transfers_cost_no_more_than_any_other_way() -> None:
    km = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 9.0], [2.0, 9.0, 0.0]])
    moves = allocation.transfers(np.array([4, 0, 0]), np.array([0, 2, 2]), km)
    assert sum(count * km[a, b] for a, b, count in moves) == 6.0


def test_chances_are_those_of_the_quantiles() -> None:
    line = allocation.knots(np.array([[0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 40.0]]))[0]
    found = allocation.chance_above(line, np.array([-1.0, 0.0, 5.0, 10.0, 30.0, 59.9, 60.0, 99.0]))
    np.testing.assert_allclose(found, [1.0, 0.75, 0.625, 0.5, 0.1, 0.00025, 0.0, 0.0], atol=1e-9)
    assert QUANTILES == (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)


def test_an_interval_is_of_blocks_because_windows_overlap() -> None:
    gain = np.repeat(np.arange(8.0), 3)
    low, high = costs.paired(gain, 3)
    alone = costs.paired(gain, 1)
    assert low < gain.mean() < high
    assert high - low > 1.4 * (alone[1] - alone[0])
    assert costs.paired(np.array([1.0, 2.0]), 3) == (-np.inf, np.inf)
