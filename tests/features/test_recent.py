"""The newest values beside the usual; means over more weeks; leads drawn more often where they are short."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.features.panels import HOUR, counts, hours, panel, utc
from urbancast.core.product import Feature
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan

START, CUT = utc(2026, 1, 5), utc(2026, 3, 2)
RECENT = Feature(name="recent")
PLAN = Plan(features=(RECENT,), horizon=timedelta(days=7), issue_step=HOUR, calibration=timedelta(days=7))


def known(value: np.ndarray) -> Panel:
    """One place whose hours are known an hour after they begin."""
    rows = pl.DataFrame({"place": "a", "measure": "count", "time": hours(START, CUT), "value": value})
    rows = rows.with_columns(draw=pl.lit(0, pl.Int64), available_at=pl.col("time") + HOUR)
    return panel(rows.select("place", "measure", "time", "draw", "value", "available_at"), tz="UTC")


def asked(origin_hours: int, ahead: int) -> pl.DataFrame:
    """One row: an origin so many hours after the start, a target so many after the newest known hour."""
    origin = START + origin_hours * HOUR
    row = pl.DataFrame({"place": ["a"], "origin": [origin], "time": [origin + (ahead - 1) * HOUR]})
    return row.cast({pl.Datetime: pl.Datetime("us", "UTC")})


def usual(weeks: int = 8) -> np.ndarray:
    return np.tile(20 + 10 * np.sin(np.arange(168) * 2 * np.pi / 24), weeks)


def built(values: np.ndarray, rows: pl.DataFrame) -> dict[str, float]:
    return frames.build(known(values), features=[RECENT], measure="count", rows=rows).row(0, named=True)


def test_nothing_is_above_the_usual_where_every_week_is_the_same() -> None:
    told = built(usual(), asked(5 * 168 + 30, 3))
    assert told["lag_newest"] == pytest.approx(usual()[29])
    assert all(abs(told[name]) < 1e-3 for name in told if "_miss_" in name or "_gain_" in name)


def test_what_is_new_is_told_whole_and_fades_with_reach() -> None:
    value, at = usual(), 5 * 168 + 30
    value[at - 3 : at] += 6.0
    near, far = built(value, asked(at, 1)), built(value, asked(at, 30))
    assert near["lag_gain_now"] == pytest.approx(6.0, abs=1e-3)
    assert far["lag_gain_now"] == near["lag_gain_now"]
    assert near["lag_gain_2h"] == pytest.approx(6 * np.exp(-1 / 2), rel=1e-3)
    assert far["lag_gain_2h"] < 1e-3 < far["lag_gain_40h"] == pytest.approx(6 * np.exp(-30 / 40), rel=1e-3)
    assert near["lag_gain_day"] == pytest.approx(6 * 3 / 24, abs=1e-3)
    assert near["lag_gain_city"] == pytest.approx(6 * np.exp(-1 / 8), rel=1e-3)
    assert near["lag_gain_turn"] == pytest.approx(0, abs=1e-3)


def test_what_is_not_yet_known_changes_nothing() -> None:
    at = 5 * 168 + 30
    poisoned = usual()
    poisoned[at:] = 1e9
    assert built(poisoned, asked(at, 1)) == built(usual(), asked(at, 1))


def test_a_mean_over_more_weeks_is_one_of_the_rules() -> None:
    value = np.repeat(np.arange(1.0, 9.0), 168)
    feature = Feature(name="rules", params={"weeks": (8,)})
    rows = asked(8 * 168, 1)
    told = frames.build(known(value), features=[feature], measure="count", rows=rows).row(0, named=True)
    assert told["rule_mean4w"] == pytest.approx(6.5)
    assert told["rule_mean8w"] == pytest.approx(4.5)
    assert "rule_mean8w" in frames.columns([feature])
    assert "rule_mean8w" not in frames.columns([Feature(name="rules")])


def test_short_leads_are_drawn_more_often_and_none_twice() -> None:
    whole = panel(counts(START, CUT, tz="UTC"), tz="UTC")
    few, many = (
        frames.training_rows(whole, CUT, replace(PLAN, lead_power=power, leads_each=each), measure="count")
        for power, each in ((1.0, 1), (3.0, 3))
    )
    lead = (pl.col("time") - pl.col("origin")).dt.total_hours()
    short = [rows.select((lead < 12).mean()).item() for rows in (few, many)]
    assert short[0] == pytest.approx(12 / 168, abs=0.02)
    assert short[1] == pytest.approx((12 / 168) ** (1 / 3), abs=0.04)
    assert 2 * few.height < many.height <= 3 * few.height
    assert not many.select("place", "origin", "time").is_duplicated().any()
    assert many.select(lead.is_between(0, 167).all()).item()
