"""Losses against numbers worked out by hand, and the laws they must obey."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from tests.features.panels import utc
from urbancast.core.errors import ContractError
from urbancast.core.tables import QUANTILE_COLUMNS, QUANTILES
from urbancast.evaluation import compare, folds, metrics
from urbancast.models.counts import Family


def forecasts(values: list[float], *, mean: float = 10.0, spread: float = 1.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    times = [utc(2021, 7, 1) + timedelta(hours=i) for i in range(len(values))]
    quantiles = {name: mean + spread * (i - 3) for i, name in enumerate(QUANTILE_COLUMNS)}
    keys = pl.DataFrame({"place": "a", "measure": "m", "origin": utc(2021, 7, 1), "time": times})
    said = keys.with_columns(mean=pl.lit(mean), **{name: pl.lit(value) for name, value in quantiles.items()})
    return said, keys.select("place", "time", value=pl.Series(values))


def test_each_loss_is_what_its_definition_says() -> None:
    said, truth = forecasts([12.0])
    row = metrics.losses(said, truth, tz="Europe/Paris").row(0, named=True)
    assert row["absolute_error"] == 2
    assert row["squared_error"] == 4
    assert row["deviance"] == pytest.approx(2 * (12 * np.log(1.2) - 2))
    assert row["pinball"] == pytest.approx(
        np.mean([t * (12 - (7 + i)) for i, t in enumerate(QUANTILES) if i < 6] + [0.05])
    )
    assert row["width_80"] == 4
    assert row["plain_hits_80"] == 1
    assert row["reach_band"] == "<6h"
    assert row["how"] == 3 * 24 + 2


def test_crps_of_a_sharp_right_forecast_is_the_distance() -> None:
    quantiles = np.full((1, 7), 10.0)
    assert metrics.crps(np.array([10.0]), quantiles)[0] == 0
    assert metrics.crps(np.array([13.0]), quantiles)[0] == pytest.approx(3, rel=0.06)


def test_crps_from_quantiles_is_near_that_of_a_normal() -> None:
    quantiles = stats.norm.ppf(np.asarray(QUANTILES))[None, :].repeat(2000, 0)
    value = np.random.default_rng(0).normal(size=2000)
    exact = value * (2 * stats.norm.cdf(value) - 1) + 2 * stats.norm.pdf(value) - 1 / np.sqrt(np.pi)
    assert metrics.crps(value, quantiles).mean() == pytest.approx(exact.mean(), rel=0.05)


def test_deviance_of_zero_events_is_twice_the_mean() -> None:
    assert metrics.poisson_deviance(np.array([0.0]), np.array([0.03]))[0] == pytest.approx(0.06)
    assert metrics.poisson_deviance(np.array([0.0, 2.0]), np.array([0.0, 2.0])) == pytest.approx([0, 0], abs=1e-8)


def test_r_squared_tells_observed_from_predicted() -> None:
    observed, predicted = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 2])
    assert metrics.r_squared(observed=observed, predicted=predicted) == pytest.approx(-0.2)
    swapped = metrics.r_squared(observed=predicted + np.array([0, 0, 0, 1.0]), predicted=observed)
    assert swapped == pytest.approx(1 - 3 / 0.75)
    with pytest.raises(TypeError):
        metrics.r_squared(observed, predicted)  # type: ignore[misc]


def test_skill_is_positive_when_the_first_is_smaller() -> None:
    assert metrics.skill(0.5, 1.0) == 0.5
    assert metrics.skill(1.0, 0.5) == -1.0


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
@pytest.mark.parametrize("mean", [0.02, 0.4, 30.0])
def test_randomised_coverage_of_the_right_family_is_its_level(dispersion: float, mean: float) -> None:
    rng = np.random.default_rng(7)
    size = 40_000
    rate = mean * rng.gamma(1 / dispersion, dispersion, size) if dispersion else np.full(size, mean)
    value = rng.poisson(rate).astype(float)
    pit = Family(dispersion).pit(value, np.full(size, mean), rng.random(size))
    assert ((pit >= 0.1) & (pit <= 0.9)).mean() == pytest.approx(0.8, abs=0.01)
    assert stats.kstest(pit, "uniform").statistic < 0.012


def test_randomised_coverage_from_quantiles_of_counts_is_near_its_level() -> None:
    rng = np.random.default_rng(3)
    value = rng.poisson(40.0, 20_000).astype(float)
    quantiles = stats.norm.ppf(np.asarray(QUANTILES), 40, np.sqrt(40))[None, :].repeat(len(value), 0)
    pit = metrics.interpolated_pit(value, quantiles, rng.random(len(value)))
    assert ((pit >= 0.1) & (pit <= 0.9)).mean() == pytest.approx(0.8, abs=0.015)


def test_the_draw_of_a_row_is_its_own_and_stays() -> None:
    said, truth = forecasts([1.0] * 500)
    first = metrics.losses(said, truth, tz="UTC")
    second = metrics.losses(said.reverse(), truth, tz="UTC").reverse()
    assert first["pit"].equals(second["pit"])
    draws = metrics.pit_draws(said)
    assert len(set(draws)) == 500
    assert stats.kstest(draws, "uniform").pvalue > 0.01


@given(st.lists(st.floats(0, 1000), min_size=7, max_size=7), st.floats(-10, 1100))
def test_the_interpolated_cdf_rises_and_stays_within_bounds(levels: list[float], value: float) -> None:
    quantiles = np.sort(np.array([levels]), axis=1)
    low = metrics.interpolated_cdf(np.array([value]), quantiles)[0]
    high = metrics.interpolated_cdf(np.array([value + 1]), quantiles)[0]
    assert 0 <= low <= high <= 1


def test_deciles_split_by_the_size_of_the_forecast() -> None:
    said, truth = forecasts([1.0] * 100)
    rows = metrics.losses(said.with_columns(mean=pl.Series(np.arange(100.0))), truth, tz="UTC")
    deciles = metrics.with_decile(rows).group_by("decile").agg(pl.len(), pl.col("mean").max()).sort("decile")
    assert deciles["len"].to_list() == [10] * 10
    assert deciles["mean"].to_list() == [9.0 + 10 * i for i in range(10)]


def test_reliability_compares_sums_of_forecast_and_observed() -> None:
    said, truth = forecasts([2.0] * 240)
    rows = metrics.losses(said.with_columns(mean=pl.lit(1.0)), truth, tz="UTC")
    found = metrics.reliability(rows, count=4)
    assert found["ratio"].to_list() == pytest.approx([2.0] * 4)
    assert found["rows"].sum() == 240


def test_standard_errors_are_of_days_not_rows() -> None:
    said, truth = forecasts([10.0 + 5 * (i // 24) for i in range(96)])
    found = metrics.means(metrics.losses(said, truth, tz="UTC")).row(0, named=True)
    assert found["days"] == 4
    assert found["absolute_error"] == pytest.approx(7.5)
    assert found["absolute_error_se"] == pytest.approx(np.std([0, 5, 10, 15], ddof=1) / 2)


def test_a_verdict_needs_the_difference_and_an_honest_range() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 2, 24 * 40)
    near, truth = forecasts(list(10 + noise), spread=0.5)
    far = near.with_columns(pl.col("mean") + 3, *[pl.col(name) + 3 for name in QUANTILE_COLUMNS])
    losses = {name: metrics.losses(rows, truth, tz="UTC") for name, rows in (("near", near), ("far", far))}
    narrow = compare.compare(losses["near"], losses["far"], "mae")
    assert narrow.low > 0
    assert not narrow.wins
    assert "held" in narrow.reason
    honest = compare.compare(losses["near"], losses["far"], "mae", coverage_band=(0.3, 0.9))
    assert honest.wins
    assert compare.compare(losses["far"], losses["near"], "mae").reason == "worse than the champion"
    assert honest == compare.compare(losses["near"], losses["far"], "mae", coverage_band=(0.3, 0.9))
    with pytest.raises(ContractError, match="mape"):
        compare.compare(losses["near"], losses["far"], "mape")


def test_origins_are_grouped_into_folds() -> None:
    days = [utc(2021, 7, 1) + timedelta(days=i) for i in range(60)]
    grouped = folds.by_cut(days, timedelta(days=28))
    assert [len(part) for part in grouped.values()] == [28, 28, 4]
    assert list(grouped) == [days[0], days[28], days[56]]
