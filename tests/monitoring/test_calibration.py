from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from urbancast.core.tables import QUANTILE_COLUMNS, QUANTILES
from urbancast.evaluation import metrics
from urbancast.lake import contract
from urbancast.monitoring import calibration, verify

START = datetime(2026, 3, 27, 23, tzinfo=UTC)  # midnight in Paris, two days before the clocks change
TZ = "Europe/Paris"
HOUR = timedelta(hours=1)


def lost(seed: int, *, shift: float = 0.0, hours: int = 96, release: str = "own") -> pl.DataFrame:
    """Losses of hourly forecasts of two places from one origin; truth drawn from what was forecast, or beside it."""
    rng = np.random.default_rng(seed)
    keys = [{"place": place, "time": START + i * HOUR} for place in ("a", "b") for i in range(hours)]
    rows = pl.DataFrame(keys).cast({"time": pl.Datetime("us", "UTC")})
    mean, spread = rng.uniform(50, 500, len(keys)), rng.uniform(5, 20, len(keys))
    levels = mean[:, None] + spread[:, None] * stats.norm.ppf(QUANTILES)[None, :]
    truth = rows.with_columns(value=pl.Series(mean + spread * rng.normal(shift, 1, len(keys))))
    said = rows.with_columns(
        measure=pl.lit("m"),
        origin=pl.lit(START).cast(pl.Datetime("us", "UTC")),
        issued_at=pl.lit(START - HOUR).cast(pl.Datetime("us", "UTC")),
        release=pl.lit(release),
        mean=pl.Series(mean),
        reach_h=pl.lit(30.0),
        **{name: pl.Series(levels[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)},
    )
    return verify.losses(said, truth, tz=TZ)


def sums(rows: pl.DataFrame, dimension: str) -> pl.DataFrame:
    found = calibration.sums(verify.beside(rows, ["own"]))
    return found.filter(pl.col("dimension") == dimension)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_every_dimension_tells_every_row_once(seed: int) -> None:
    rows = lost(seed)
    for dimension in ("lead", "decile", "pit"):
        own = sums(rows, dimension)
        assert own["n"].sum() == rows.height
        assert own["crps"].sum() == pytest.approx(rows["crps"].sum())
        assert own["baseline_crps"].sum() == pytest.approx(rows["crps"].sum())


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_the_pit_of_a_right_forecast_is_even_and_of_a_low_one_is_not(seed: int) -> None:
    right = sums(lost(seed, hours=500), "pit").group_by("bin").agg(pl.col("n").sum())
    assert right["bin"].is_between(0, 19).all()
    counts = dict(right.iter_rows())
    # between the quantiles a straight line stands for the bell: quarters are exact, twentieths nearly
    quarters = [
        sum(counts.get(at, 0) for at in part) for part in (range(5), range(5, 10), range(10, 15), range(15, 20))
    ]
    assert stats.chisquare(quarters).pvalue > 1e-5
    low = dict(sums(lost(seed, shift=1.0, hours=500), "pit").group_by("bin").agg(pl.col("n").sum()).iter_rows())
    assert sum(low.get(at, 0) for at in range(15, 20)) > 2 * sum(low.get(at, 0) for at in range(5))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(24, 96))
def test_deciles_of_a_day_are_of_one_size_and_in_order(seed: int, hours: int) -> None:
    rows = verify.beside(lost(seed, hours=hours), ["own"])
    classed = rows.with_columns(decile=metrics.decile(calibration.SET))
    for _, day in classed.group_by("day"):
        sizes = day.group_by("decile").len()["len"]
        assert sizes.max() - sizes.min() <= 1  # type: ignore[operator]
        ordered = day.sort("mean")
        assert ordered["decile"].is_sorted()


def test_a_spring_day_of_23_hours_and_its_decile_are_counted_right() -> None:
    own = sums(lost(1), "lead").group_by("day").agg(pl.col("n").sum()).sort("day")
    assert own["n"].to_list()[:3] == [2 * 24, 2 * 23, 2 * 24]


def test_leads_are_hours_to_three_days_and_days_beyond() -> None:
    rows = pl.DataFrame({"lead_h": [0.0, 0.75, 1.0, 71.99, 72.0, 95.0, 96.0, 24.0 * 60]})
    assert rows.select(metrics.lead_bin()).to_series().to_list() == [0, 0, 1, 71, 72, 72, 96, 1440]


def test_a_bin_of_the_pit_holds_its_ends() -> None:
    rows = pl.DataFrame({"pit": [0.0, 0.0499, 0.05, 0.999, 1.0]})
    assert rows.select(metrics.pit_bin()).to_series().to_list() == [0, 0, 1, 19, 19]


def test_a_rule_is_held_against_where_both_spoke_and_live_against_live() -> None:
    own, rule = lost(3, release="own"), lost(4, release="rule", hours=40)
    found = calibration.against(pl.concat([own, rule]), {"naive": ["rule"]}, judged=["own", "rule"])
    assert found["n"].sum() == rule.height
    assert set(found["release"]) == {"own"}
    assert found["baseline_crps"].sum() == pytest.approx(rule["crps"].sum())
    assert set(found["against"]) == {"naive"}
    late = rule.with_columns(kind=pl.lit("replay"))
    assert calibration.against(pl.concat([own, late]), {"naive": ["rule"]}, judged=["own", "rule"]).is_empty()


def test_the_lakes_contract_takes_the_sums() -> None:
    both = pl.concat([lost(3, release="own"), lost(4, release="rule")])
    against = calibration.against(both, {"naive": ["rule"]}, judged=["own"])
    every = pl.concat([calibration.sums(verify.beside(both, ["rule"])), against])
    checked = contract.check("calibration", every.with_columns(product=pl.lit("town"), run=pl.lit("r")))
    assert checked.height == every.height > 0
