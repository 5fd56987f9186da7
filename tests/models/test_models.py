"""Intervals are ordered and never negative; families fit what they are given."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from tests.features.panels import utc
from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILES
from urbancast.models import make
from urbancast.models.climatology import best_rate
from urbancast.models.conformal import Conformal, weighted_quantiles
from urbancast.models.counts import Family


def frame(value: np.ndarray, *, reach: float = 30.0) -> pl.DataFrame:
    times = [utc(2021, 6, 1) + timedelta(minutes=i) for i in range(len(value))]
    return pl.DataFrame({"time": times, "value": value, "reach_h": reach, "weight": 1.0})


@given(st.lists(st.floats(0, 5000), min_size=1, max_size=40), st.integers(0, 10))
def test_quantiles_are_ordered_and_never_negative(points: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    past = rng.gamma(1.0, 50.0, 3000)
    conformal = Conformal.fit(past, frame(rng.poisson(past * rng.gamma(5, 0.2, 3000)).astype(float)))
    mean, quantiles = conformal.apply(np.array(points), frame(np.zeros(len(points)), reach=200.0))
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()
    assert (mean >= 0).all()


def test_conformal_ranges_hold_at_every_size() -> None:
    rng = np.random.default_rng(5)
    point = rng.gamma(0.7, 100.0, 40_000)
    value = rng.poisson(point * rng.gamma(8, 1 / 8, len(point))).astype(float)
    point = point * stats.gamma(8, scale=1 / 8).median()  # a point forecast is a median
    half = len(point) // 2
    conformal = Conformal.fit(point[:half], frame(value[:half]))
    _, quantiles = conformal.apply(point[half:], frame(value[half:]))
    is_in = (value[half:] >= quantiles[:, 1]) & (value[half:] <= quantiles[:, 5])
    large = point[half:] > np.quantile(point, 0.4)
    for part in np.array_split(np.argsort(point[half:])[-int(large.sum()) :], 6):
        assert is_in[part].mean() == pytest.approx(0.8, abs=0.04)


def test_a_conformal_table_is_the_same_after_a_round_trip() -> None:
    rng = np.random.default_rng(0)
    point = rng.gamma(1.0, 50.0, 3000)
    conformal = Conformal.fit(point, frame(rng.poisson(point).astype(float)))
    again = Conformal.of_state(conformal.state())
    for one, other in zip(conformal.apply(point, frame(point)), again.apply(point, frame(point)), strict=True):
        assert (one == other).all()


def test_weighted_quantiles_follow_the_weights() -> None:
    values = np.arange(1000.0)
    heavy = np.where(values < 500, 1.0, 0.0) + 1e-12
    assert weighted_quantiles(values, heavy)[3] == pytest.approx(250, abs=2)
    assert weighted_quantiles(values, np.ones(1000))[3] == pytest.approx(499.5, abs=1)


@pytest.mark.parametrize("dispersion", [0.0, 0.3, 1.5])
def test_the_family_finds_the_dispersion_it_was_drawn_with(dispersion: float) -> None:
    rng = np.random.default_rng(2)
    mean = rng.gamma(1.0, 0.5, 60_000)
    rate = mean * rng.gamma(1 / dispersion, dispersion, len(mean)) if dispersion else mean
    family = Family.fit(mean, frame(rng.poisson(rate).astype(float)))
    assert family.dispersion == pytest.approx(dispersion, abs=0.05 + 0.08 * dispersion)


@pytest.mark.parametrize("dispersion", [0.0, 0.4])
def test_quantiles_of_the_family_are_exact(dispersion: float) -> None:
    mean = np.array([1e-4, 0.03, 0.5, 2.0, 9.0])
    found = Family(dispersion).quantiles(mean)
    size = 1 / dispersion if dispersion else np.inf
    for i, m in enumerate(mean):
        law = stats.nbinom(size, size / (size + m)) if dispersion else stats.poisson(m)
        assert found[i].tolist() == law.ppf(QUANTILES).tolist()


def test_the_best_rate_is_the_one_of_least_deviance() -> None:
    rng = np.random.default_rng(0)
    true = rng.gamma(1.0, 0.05, 20_000)
    rows = pl.DataFrame(
        {
            "value": rng.poisson(true).astype(float),
            "weight": 1.0,
            "is_calibration": True,
            "rule_shrunk_a": true,
            "rule_shrunk_b": np.full(20_000, true.mean()),
            "rule_shrunk_c": true * 2,
        }
    )
    assert best_rate(rows, ["rule_shrunk_a", "rule_shrunk_b", "rule_shrunk_c"]) == "rule_shrunk_a"


def test_an_unknown_model_or_rule_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match="crystal_ball"):
        make(Candidate(name="x", model="crystal_ball"))
    rows = frame(np.ones(10)).with_columns(is_calibration=pl.Series([False] * 5 + [True] * 5))
    with pytest.raises(ContractError, match="guess"):
        make(Candidate(name="x", model="climatology", params={"rule": "guess"})).fit(rows, 0)


def test_too_short_a_history_is_refused() -> None:
    rows = frame(np.ones(10)).with_columns(is_calibration=pl.lit(True))
    with pytest.raises(ContractError, match="longer history"):
        make(Candidate(name="x", model="seasonal_naive")).fit(rows, 0)
