"""Forecasters made of others: means of several, one by reach; limits of their ranges; what they keep on disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.models import Fitted, blend, linear, load, make, reach
from urbancast.models.conformal import Conformal

MEAN = {"model": "climatology", "params": {"rule": "mean4w"}}
LAST = {"model": "seasonal_naive"}
SMALL = {"model": "gbm", "params": {"rounds": 5, "min_data_in_leaf": 20}}


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Shares of car parks: near, the newest value says most; far, the mean does."""
    rng = np.random.default_rng(1)
    n = 4000
    usual = rng.uniform(0.1, 0.9, n)
    miss = rng.normal(0, 0.08, n)
    far = rng.random(n) < 0.5
    value = np.clip(usual + np.where(far, 0, miss) + rng.normal(0, 0.02, n), 0, 1)
    return pl.DataFrame(
        {
            "place": ["a", "b"] * (n // 2),
            "origin": [datetime(2026, 1, 1, tzinfo=UTC)] * n,
            "time": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=i) for i in range(n)],
            "reach_h": np.where(far, 48.0, 1.0),
            "value": value,
            "weight": 1.0,
            "is_calibration": np.arange(n) >= n // 2,
            "profile": usual,
            "rule_mean4w": usual,
            "rule_seasonal_naive": usual + rng.normal(0, 0.05, n),
            "lag_newest": usual + miss,
        }
    )


def fitted(frame: pl.DataFrame, model: str, params: Mapping[str, Any]) -> Fitted:
    return make(Candidate(name=model, model=model, params=params)).fit(frame, 3)


def error(frame: pl.DataFrame, one: Fitted) -> float:
    return float(np.abs(one.predict(frame)["q50"].to_numpy() - frame["value"].to_numpy()).mean())


def test_a_blend_is_the_weighted_mean_of_its_parts(frame: pl.DataFrame) -> None:
    point = blend.fit(frame, {"of": [{**MEAN, "weight": 3.0}, LAST]}, 0)
    mean, last = frame["rule_mean4w"].to_numpy(), frame["rule_seasonal_naive"].to_numpy()
    assert point.predict(frame) == pytest.approx((3 * mean + np.maximum(last, 0)) / 4)


def test_a_part_that_cannot_say_leaves_it_to_the_others(frame: pl.DataFrame) -> None:
    point = blend.fit(frame, {"of": [MEAN, LAST]}, 0)
    blind = frame.with_columns(rule_seasonal_naive=pl.lit(None, dtype=pl.Float64))
    assert point.predict(blind) == pytest.approx(frame["rule_mean4w"].to_numpy())
    nothing = blind.with_columns(rule_mean4w=pl.lit(None, dtype=pl.Float64))
    assert np.isnan(point.predict(nothing)).all()


def test_each_reach_has_the_forecaster_of_its_own_rows(frame: pl.DataFrame) -> None:
    near, far = {"to_h": 6, "model": "linear"}, {"model": "climatology", "params": {"rule": "mean4w"}}
    point = reach.fit(frame, {"of": [near, far]}, 0)
    is_far = frame["reach_h"].to_numpy() > 6
    assert point.predict(frame)[is_far] == pytest.approx(frame["rule_mean4w"].to_numpy()[is_far])
    alone = linear.fit(frame.filter(pl.col("reach_h") <= 6), {}, 0).predict(frame)
    assert point.predict(frame)[~is_far] == pytest.approx(alone[~is_far])
    unknown = frame.with_columns(reach_h=pl.lit(None, dtype=pl.Float64))
    assert point.predict(unknown) == pytest.approx(frame["rule_mean4w"].to_numpy())


def test_a_forecaster_by_reach_beats_one_for_all_where_reach_matters(frame: pl.DataFrame) -> None:
    one = {"ridge": 0.005, "without": ["rule_"]}
    by_reach = {"of": [{"to_h": 6, "model": "linear", "params": one}, {"model": "linear", "params": one}]}
    assert error(frame, fitted(frame, "reach", by_reach)) < 0.8 * error(frame, fitted(frame, "linear", one))


@pytest.mark.parametrize("bounds", [[{"model": "linear"}, {"to_h": 6, "model": "linear"}], []])
def test_bands_that_do_not_rise_are_refused(frame: pl.DataFrame, bounds: list[dict[str, Any]]) -> None:
    with pytest.raises(ContractError, match="rising"):
        reach.fit(frame, {"of": bounds}, 0)


def test_parts_nobody_wrote_are_refused_by_name(frame: pl.DataFrame) -> None:
    with pytest.raises(ContractError, match="oracle"):
        blend.fit(frame, {"of": [{"model": "oracle"}]}, 0)
    with pytest.raises(ContractError, match="two models"):
        blend.fit(frame, {}, 0)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("blend", {"of": [MEAN, SMALL, {"model": "linear"}]}),
        ("reach", {"most": 1.0, "of": [{"to_h": 6, **SMALL}, {"model": "blend", "params": {"of": [MEAN, LAST]}}]}),
    ],
)
def test_parts_are_the_same_after_a_round_trip(frame: pl.DataFrame, model: str, params: Mapping[str, Any]) -> None:
    one = fitted(frame, model, params)
    again = load(one.dump())
    assert again.dump() == one.dump()
    assert_frame_equal(again.predict(frame), one.predict(frame))


def test_no_quantile_passes_what_the_measure_can_be(frame: pl.DataFrame) -> None:
    full = frame.with_columns(rule_mean4w=pl.lit(0.99))
    free = fitted(frame, "climatology", {"rule": "mean4w"}).predict(full)
    bounded = fitted(frame, "climatology", {"rule": "mean4w", "most": 1.0}).predict(full)
    assert free["q95"].max() > 1
    assert bounded["q95"].max() == 1
    assert bounded["mean"].max() <= 1


def test_ranges_follow_the_bands_of_the_forecaster(frame: pl.DataFrame) -> None:
    bands = {"of": [{"to_h": 6, **MEAN}, MEAN]}
    told = fitted(frame, "reach", bands).predict(frame)
    width = (told["q90"] - told["q10"]).to_numpy()
    is_far = frame["reach_h"].to_numpy() > 6
    # The mean misses what is new: near, where it matters in these rows, its range must be the wider one.
    assert width[~is_far].mean() > 2 * width[is_far].mean()


def test_a_band_with_too_few_rows_joins_the_next() -> None:
    rng = np.random.default_rng(0)
    reach_h = np.concatenate([np.full(50, 1.0), np.full(3000, 20.0), np.full(3000, 100.0)])
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=i) for i in range(len(reach_h))]
    rows = pl.DataFrame({"time": times, "value": rng.random(len(reach_h)), "reach_h": reach_h})
    found = Conformal.fit(np.full(len(reach_h), 0.5), rows, edges_h=[4.0, 36.0])
    assert found.edges.tolist() == [36.0, np.inf]


def test_what_is_small_goes_with_the_size_and_never_beyond_that_of_large_counts() -> None:
    assert linear.small(np.full(10, 60.0), 3.0) == 3.0
    assert linear.small(np.full(10, 0.5), 3.0) == pytest.approx(0.04)


def test_columns_left_out_are_not_read(frame: pl.DataFrame) -> None:
    point = linear.fit(frame, {"without": ["lag_", "rule_seasonal"]}, 0)
    assert point.names == ("rule_mean4w",)
    wrong = frame.with_columns(lag_newest=pl.lit(1e9), rule_seasonal_naive=pl.lit(1e9))
    assert (point.predict(wrong) == point.predict(frame)).all()


def test_a_base_of_several_columns_is_their_mean_as_far_as_known(frame: pl.DataFrame) -> None:
    half = frame.with_columns(rule_seasonal_naive=pl.when(pl.col("place") == "a").then("rule_seasonal_naive"))
    point = linear.fit(half, {"base": "rule_mean4w+rule_seasonal_naive", "ridge": 1e9}, 0)
    a, b = (half.filter(pl.col("place") == place) for place in "ab")
    mean = (a["rule_mean4w"] + a["rule_seasonal_naive"]).to_numpy() / 2
    scale = 1 + point.coefficients[0]
    assert point.predict(a) == pytest.approx(np.maximum(mean * scale, 0), rel=1e-6)
    assert point.predict(b) == pytest.approx(b["rule_mean4w"].to_numpy() * scale, rel=1e-6)


def test_calibration_by_blocks_is_judged_by_fits_on_all_rows_before(frame: pl.DataFrame) -> None:
    # The level moved half way through the calibration rows: a fit that has seen it errs less after.
    moved = frame.with_columns(value=pl.when(pl.int_range(pl.len()) < 2500).then(0.5).otherwise(1.0) * pl.col("value"))
    line = {"ridge": 0.005, "without": ["rule_"], "passes": 1}
    one, many = (fitted(moved, "linear", {**line, "calibration_blocks": blocks}) for blocks in (1, 5))
    assert many.point.state() == one.point.state()
    assert isinstance(one.interval, Conformal)
    assert isinstance(many.interval, Conformal)
    width = [float((i.levels[:, :, -2] - i.levels[:, :, 2]).mean()) for i in (one.interval, many.interval)]
    assert width[1] < width[0]
    assert fitted(moved, "linear", line).interval.state() == one.interval.state()
