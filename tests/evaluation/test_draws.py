"""Draws scored one by one: through their pair, or through the band that spoke for it; ranges that hold."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from tests.features.trips import CUT, MINUTES, PAIRS, city, plan
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.evaluation import backtest, metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.evaluation.compare import compare
from urbancast.features.rows import places_at
from urbancast.models import load
from urbancast.monitoring import verify

CANDIDATES = [
    Candidate(name="pair_mean", model="pair_mean"),
    Candidate(name="pair_hour", model="pair_mean", params={"rule": "hour"}),
    Candidate(name="duration", model="duration", params={"rounds": 30, "spread_rounds": 20}),
]


@pytest.fixture(scope="module")
def lived() -> Backtest:
    origins = [CUT + timedelta(days=day) for day in range(4)]
    return backtest.run(city(), plan(), MINUTES.id, CANDIDATES, {CUT: origins})


def test_every_draw_is_scored_once_by_its_pair_or_its_band(lived: Backtest) -> None:
    truth = city().truth("minutes", start=CUT, end=CUT + timedelta(days=4))
    own = lived.losses.filter(pl.col("candidate") == "duration")
    assert own.height == truth.height
    assert sorted(own["draw"]) == sorted(truth["draw"])
    served = {day: set(places_at(city(), "minutes", day)) for day in own["origin"].unique()}
    asked = own.join(truth.rename({"place": "pair"}), on=["time", "draw"])
    for origin, place, pair in asked.select("origin", "place", "pair").iter_rows():
        assert place == pair if pair in served[origin] else place.startswith("band:")
    assert own["place"].str.starts_with("band:").any()


def test_forecasts_cover_the_full_grid_in_order(lived: Backtest) -> None:
    rows = lived.forecasts.filter(pl.col("candidate") == "duration", pl.col("origin") == CUT)
    assert rows.height == 24 * len(places_at(city(), "minutes", CUT))
    for said in lived.forecasts.partition_by("candidate"):
        ordered = said.select(pl.all_horizontal(pl.col(a) <= pl.col(b) for a, b in pairwise(Q)))
        assert ordered.to_series().all()
        assert (said["q05"] > 0).all()
        assert said["mean"].is_finite().all()


Q = QUANTILE_COLUMNS


def test_ranges_hold_and_the_hour_beats_the_mean(lived: Backtest) -> None:
    for (name,), rows in lived.losses.group_by("candidate"):
        assert 0.74 < rows["hits_80"].mean() < 0.86, name  # type: ignore[operator]
    by = {name: rows for (name,), rows in lived.losses.group_by("candidate")}
    verdict = compare(by["duration"], by["pair_mean"], "pinball")
    assert verdict.wins
    assert verdict.rows == by["duration"].height
    assert compare(by["pair_hour"], by["pair_mean"], "pinball").wins


def test_sums_keep_every_draw_beside_the_baseline(lived: Backtest) -> None:
    sums = lived.scores.filter(pl.col("release") == "duration")
    assert sums["n"].sum() == lived.losses.filter(pl.col("candidate") == "duration").height
    baseline = lived.losses.filter(pl.col("candidate") == "pair_mean")["pinball"].sum()
    assert sums["baseline_pinball"].sum() == pytest.approx(baseline)


def test_verification_scores_draws_as_the_backtest_did(lived: Backtest) -> None:
    given = city()
    said = lived.forecasts.filter(pl.col("candidate") == "duration").drop("candidate", "cut")
    issued = said.with_columns(release=pl.lit("minutes-duration-1"), issued_at=pl.col("origin"))
    truth = given.truth("minutes", start=CUT, end=CUT + timedelta(days=4))
    rows = verify.losses(issued, backtest.with_band(given, "minutes", truth), tz=given.tz)
    again = lived.losses.filter(pl.col("candidate") == "duration")
    for name in ("pinball", "hits_80", "absolute_error"):
        assert rows[name].sum() == pytest.approx(again[name].sum())
    sums = verify.ledger(rows, frozenset({"minutes-duration-1"}))
    assert sums["n"].sum() == rows.height
    assert sums["baseline_pinball"].sum() == pytest.approx(sums["pinball"].sum())


def test_equal_fits_give_equal_bytes_and_come_back_as_they_were() -> None:
    candidate = CANDIDATES[2]
    first, second = (backtest.fit(city(), plan(), "minutes", candidate, CUT) for _ in range(2))
    assert first.dump() == second.dump()
    again = load(first.dump())
    assert again.dump() == first.dump()


def test_counts_have_one_draw_whose_number_is_zero() -> None:
    said = pl.DataFrame({"place": ["a"], "measure": ["n"], "origin": [CUT], "time": [CUT], "mean": [2.0]})
    said = said.with_columns(**dict.fromkeys(Q, pl.lit(2.0)))
    truth = pl.DataFrame({"place": ["a"], "time": [CUT], "value": [3.0]})
    assert metrics.losses(said, truth, tz="UTC")["draw"].to_list() == [0]


def test_a_draw_of_a_place_not_forecast_and_without_a_band_is_not_scored() -> None:
    given = city()
    truth = given.truth("minutes", start=CUT, end=CUT + timedelta(hours=3))
    said = backtest.forecast(given, plan(), "minutes", backtest.fit(given, plan(), "minutes", CANDIDATES[0], CUT), CUT)
    named = metrics.losses(said, truth, tz=given.tz)
    assert 0 < named.height < truth.height
    assert metrics.losses(said, backtest.with_band(given, "minutes", truth), tz=given.tz).height == truth.height
    assert PAIRS.least_draws > 1
