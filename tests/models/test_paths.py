"""Joint paths keep every marginal, follow the ranks of the past, and are the same in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from urbancast.models import paths

SHAPE = (2, 3, 2)  # places, intervals, measures
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Ordered quantiles of every cell, coarse enough to coincide often."""
    rng = np.random.default_rng(draw(SEEDS))
    step = draw(st.sampled_from([0.01, 1.0, 10.0]))
    return np.sort(np.round(rng.normal(scale=20, size=(*SHAPE, 7)) / step) * step, axis=-1)


@st.composite
def templates(draw: st.DrawFn) -> Any:
    """Past windows with many equal values, fewer than the draws or more."""
    rng = np.random.default_rng(draw(SEEDS))
    return rng.integers(-4, 5, size=(draw(st.integers(1, 90)), *SHAPE)).astype(np.float64)


def drawn(quantiles: Any, template: Any, *, seed: int = 1, signed: bool = True, draws: int = 60) -> Any:
    order = paths.order(template, SHAPE, seed=seed, draws=draws)
    return paths.joint(quantiles, order, is_signed=np.full(SHAPE, signed))


@given(tables(), templates())
def test_every_marginal_keeps_exactly_its_own_sample(quantiles: Any, template: Any) -> None:
    found = drawn(quantiles, template)
    own = paths.samples(quantiles, 60, is_signed=np.full(SHAPE, fill_value=True))
    np.testing.assert_array_equal(np.sort(found, axis=0), own)


@given(tables(), templates())
def test_ranks_follow_the_template(quantiles: Any, template: Any) -> None:
    found = drawn(quantiles, template)
    past = template[np.arange(60) % len(template)]
    for cell in np.ndindex(*SHAPE):
        own, before = found[(slice(None), *cell)], past[(slice(None), *cell)]
        for value in np.unique(before):
            lower, here = own[before < value], own[before == value]
            assert not len(lower) or lower.max() <= here.min()


@given(tables(), templates(), st.integers(0, 9))
def test_the_same_seed_gives_the_same_paths(quantiles: Any, template: Any, seed: int) -> None:
    np.testing.assert_array_equal(drawn(quantiles, template, seed=seed), drawn(quantiles, template, seed=seed))


@given(tables())
def test_nothing_lies_below_zero_but_what_is_signed(quantiles: Any) -> None:
    template = np.zeros((0, *SHAPE))
    assert drawn(quantiles, template, signed=False).min() >= 0
    assert drawn(np.full((*SHAPE, 7), -3.0), template).max() == -3


def test_quantiles_of_the_sample_are_those_of_the_forecast() -> None:
    quantiles = np.array([[1.0, 2.0, 4.0, 8.0, 11.0, 15.0, 20.0]])
    own = paths.samples(quantiles, 2000, is_signed=np.array([True]))[:, 0]
    np.testing.assert_allclose(np.quantile(own, [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]), quantiles[0], atol=0.05)


def test_without_a_past_the_draws_are_independent() -> None:
    quantiles = np.broadcast_to(np.arange(7.0), (*SHAPE, 7))
    found = drawn(quantiles, np.zeros((0, *SHAPE)), draws=2000).reshape(2000, -1)
    off = np.corrcoef(found.T) - np.eye(found.shape[1])
    assert np.abs(off).max() < 0.1


def test_what_went_together_goes_together() -> None:
    quantiles = np.broadcast_to(np.arange(7.0), (*SHAPE, 7))
    shared = np.random.default_rng(3).normal(size=(200, 1, 1, 1)) + np.zeros(SHAPE)
    same = drawn(quantiles, shared, draws=200).reshape(200, -1)
    assert np.corrcoef(same.T).min() > 0.999
    apart = shared * np.where(np.arange(2) == 0, 1, -1)[:, None, None]
    assert np.corrcoef(drawn(quantiles, apart, draws=200)[:, :, 0, 0].T)[0, 1] < -0.95


def test_a_residual_is_the_value_less_the_mean_of_four_weeks_before() -> None:
    values = np.array([[1.0, 10.0, 3.0, np.nan, 5.0, 30.0, 4.0, 40.0]])
    np.testing.assert_allclose(paths.residuals(values, 2), [[np.nan, np.nan, 2.0, np.nan, 3.0, 20.0, 1.0, 20.0]])


def test_windows_are_the_newest_first_and_wholly_unknown_ones_are_none() -> None:
    past = np.array([[np.nan, np.nan, 1.0, 2.0, np.nan]])
    assert paths.windows(past, 2).tolist() == [[[2.0, 0.0]], [[1.0, 2.0]], [[0.0, 1.0]]]
    assert paths.windows(past, 2, most=1).tolist() == [[[2.0, 0.0]]]
    assert paths.windows(np.full((1, 5), np.nan), 2).shape == (0, 1, 2)


@pytest.mark.parametrize("cells", [0, 1])
def test_a_past_shorter_than_a_window_has_none(cells: int) -> None:
    assert paths.windows(np.zeros((2, cells)), 2).shape == (0, 2, 2)
