"""Forecasts of measures that may lie below zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.models import load, make

ORIGIN = datetime(2025, 1, 1, tzinfo=UTC)


def frame(rows: int = 4000, *, seed: int = 1) -> pl.DataFrame:
    """Values about a weekday mean of either sign, as uncertain as each place's past weeks vary."""
    rng = np.random.default_rng(seed)
    usual, spread = rng.normal(0, 6, rows), rng.choice([0.5, 4.0, 15.0], rows)
    days = np.arange(rows) // 40
    return pl.DataFrame(
        {
            "place": [f"p{i % 40}" for i in range(rows)],
            "time": [ORIGIN + timedelta(days=int(day)) for day in days],
            "value": np.rint(0.8 * usual + spread * rng.normal(size=rows)),
            "weight": np.ones(rows, dtype=np.float32),
            "rule_mean4w": usual + 0.2 * spread * rng.normal(size=rows),
            "rule_seasonal_naive": usual + spread * rng.normal(size=rows),
            "profile_spread": spread,
            "reach_h": np.full(rows, 30.0),
            "signed": np.ones(rows, dtype=bool),
            "is_calibration": days >= 60,
        }
    ).with_columns(origin=pl.col("time") - timedelta(hours=9))


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(name="additive", model="additive"),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="naive", model="seasonal_naive"),
    ],
    ids=lambda one: one.name,
)
def test_ranges_are_of_either_sign_and_hold_at_every_size_of_spread(candidate: Candidate) -> None:
    fitted = make(candidate).fit(frame(), seed=1)
    new = frame(seed=2)
    said = fitted.predict(new)
    assert (said["q50"] < -3).sum() > 500
    assert (np.diff(said.select(QUANTILE_COLUMNS).to_numpy(), axis=1) >= 0).all()
    inside = ((new["value"] >= said["q10"]) & (new["value"] <= said["q90"])).to_numpy()
    for spread in (4.0, 15.0):
        assert 0.74 < inside[(new["profile_spread"] == spread).to_numpy()].mean() < 0.86


def test_a_fitted_one_says_the_same_after_it_was_kept() -> None:
    fitted = make(Candidate(name="additive", model="additive")).fit(frame(), seed=1)
    again = load(fitted.dump())
    assert again.predict(frame(seed=3)).equals(fitted.predict(frame(seed=3)))
    assert again.dump() == fitted.dump()


def test_the_sum_leans_on_what_says_most() -> None:
    point = make(Candidate(name="additive", model="additive")).fit(frame(), seed=1).point
    weights = dict(zip(point.state()["names"], point.state()["coefficients"], strict=True))
    assert weights["rule_mean4w"] > 2 * abs(weights["rule_seasonal_naive"])
    assert 0.6 < sum(weights.values()) < 0.9  # truth keeps 0.8 of what was usual


def test_where_nothing_is_known_nothing_is_said() -> None:
    fitted = make(Candidate(name="additive", model="additive")).fit(frame(), seed=1)
    blind = frame(100).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("rule_mean4w", "rule_seasonal_naive")
    )
    assert fitted.predict(blind).is_empty()


def test_a_frame_without_rules_is_refused() -> None:
    with pytest.raises(ContractError, match="add feature rules to the recipe"):
        make(Candidate(name="additive", model="additive")).fit(
            frame().drop("rule_mean4w", "rule_seasonal_naive"), seed=1
        )
