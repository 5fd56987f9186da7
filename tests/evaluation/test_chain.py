"""The whole chain: fit, forecast, replay, ledger and verdict on small panels."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.features.panels import DENSE, RARE, SPARSE, counts, events, panel, utc
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILE_COLUMNS, Forecasts, Scores
from urbancast.evaluation import backtest, compare, metrics
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.models import load

NAIVE = Candidate(name="seasonal_naive", model="seasonal_naive")
PROFILE = Candidate(name="profile", model="climatology", params={"rule": "profile"})
LINEAR = Candidate(name="linear", model="linear")
GBM = Candidate(name="gbm", model="gbm", params={"rounds": 20})
RATE = Candidate(name="climatology", model="climatology")
CUTS = [utc(2021, 7, 5), utc(2021, 7, 12)]
PLAN = Plan(features=DENSE, horizon=timedelta(days=2), calibration=timedelta(days=21))
RARE_PLAN = Plan(features=SPARSE, horizon=timedelta(days=2), calibration=timedelta(days=28), primary="poisson_deviance")


@pytest.fixture(scope="module")
def readings() -> Panel:
    return panel(counts(utc(2021, 4, 1), utc(2021, 7, 20), tz="Europe/Paris"))


@pytest.fixture(scope="module")
def rare() -> Panel:
    return panel(events(utc(2021, 1, 1), utc(2021, 7, 20)), measure=RARE, tz="America/New_York", country="US")


@pytest.fixture(scope="module")
def result(readings: Panel) -> backtest.Backtest:
    return backtest.run(readings, PLAN, "count", [NAIVE, PROFILE, LINEAR, GBM], CUTS)


@pytest.fixture(scope="module")
def rare_result(rare: Panel) -> backtest.Backtest:
    return backtest.run(rare, RARE_PLAN, "events", [RATE, LINEAR, GBM], CUTS)


@pytest.mark.parametrize("candidate", [NAIVE, PROFILE, LINEAR, GBM], ids=lambda c: c.name)
def test_a_replay_says_what_the_backtest_said(readings: Panel, result: backtest.Backtest, candidate: Candidate) -> None:
    cut, origin = CUTS[0], CUTS[0] + timedelta(days=3)
    fitted = load(backtest.fit(readings, PLAN, "count", candidate, cut).dump())
    replayed = backtest.forecast(readings, PLAN, "count", fitted, origin)
    said = result.forecasts.filter((pl.col("candidate") == candidate.name) & (pl.col("origin") == origin))
    assert_frame_equal(replayed, said.select(replayed.columns))
    assert replayed.height == 3 * 48


@pytest.mark.parametrize("candidate", [RATE, LINEAR, GBM], ids=lambda c: c.name)
def test_the_same_data_give_the_same_bytes(rare: Panel, candidate: Candidate) -> None:
    first, second = (backtest.fit(rare, RARE_PLAN, "events", candidate, CUTS[0]).dump() for _ in range(2))
    assert first == second
    assert all(b"\x80\x04" not in payload[:2] for payload in first.values())
    assert load(first).dump() == first


def test_forecasts_and_scores_are_in_the_shape_of_the_tables(result: backtest.Backtest) -> None:
    facts = {"product": "p", "run": "r", "release": "x"}
    forecasts = result.forecasts.filter(pl.col("candidate") == "gbm")
    rows = forecasts.with_columns(issued_at="origin", **{name: pl.lit(value) for name, value in facts.items()})
    assert Forecasts.validate(rows.select(Forecasts.column_names()), cast=True).height == forecasts.height
    scores = result.scores.with_columns(product=pl.lit("p"), run=pl.lit("r"))
    assert Scores.validate(scores.select(Scores.column_names()), cast=True).height == scores.height


def test_rare_forecasts_are_ordered_and_calibrated(rare_result: backtest.Backtest) -> None:
    said = rare_result.forecasts
    for low, high in pairwise(QUANTILE_COLUMNS):
        assert (said[low] <= said[high]).all()
    held = metrics.means(rare_result.losses, by=["candidate"])
    assert held["hits_80"].is_between(0.75, 0.85).all()
    assert held["mean_over_value"].is_between(0.75, 1.3).all()


def test_learning_beats_the_naive_rule_beyond_noise(result: backtest.Backtest) -> None:
    by_name = {name: result.losses.filter(pl.col("candidate") == name) for name in ("seasonal_naive", "linear", "gbm")}
    for name in ("linear", "gbm"):
        verdict = compare.compare(by_name[name], by_name["seasonal_naive"], "mae")
        assert verdict.wins, verdict
        assert verdict.skill > 0.15
        assert 0 < verdict.low < verdict.high
    itself = compare.compare(by_name["gbm"], by_name["gbm"], "mae")
    assert not itself.wins
    assert itself.skill == 0


def test_the_ledger_adds_up_to_the_losses(result: backtest.Backtest) -> None:
    own = result.losses.filter(pl.col("candidate") == "linear")
    base = result.losses.filter(pl.col("candidate") == "seasonal_naive")
    ledger = metrics.ledger(own, baseline=base)
    assert ledger["n"].sum() == own.height
    assert ledger["absolute_error"].sum() == pytest.approx(own["absolute_error"].sum())
    assert ledger["baseline_crps"].sum() == pytest.approx(base["crps"].sum())


def test_every_fold_is_fitted_at_its_cut_and_serves_until_the_next(result: backtest.Backtest) -> None:
    served = result.forecasts.group_by("cut").agg(pl.col("origin").n_unique(), first=pl.col("origin").min()).sort("cut")
    assert served["cut"].to_list() == CUTS
    assert served["first"].to_list() == CUTS
    assert served["origin"].to_list() == [7, 7]


def test_intervals_of_readings_hold_about_as_often_as_they_say(result: backtest.Backtest) -> None:
    held = metrics.means(result.losses.filter(pl.col("candidate") != "seasonal_naive"), by=["candidate"])
    assert held["hits_80"].is_between(0.74, 0.86).all()
    assert np.isfinite(held["hits_80_se"].to_numpy()).all()
