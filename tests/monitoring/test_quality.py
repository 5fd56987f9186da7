"""What is missing is held against what usually is; a sensor is dead when its own past makes silence implausible."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from urbancast.monitoring import quality
from urbancast.monitoring.reference import Cube

FIRST = date(2026, 1, 5)  # a Monday
DAYS = 60


def grid(values: Any, *, closed: Any = None) -> Cube:
    places, days, cells = values.shape
    expected = np.ones((days, cells), dtype=np.bool_)
    if closed is not None:
        expected &= ~closed
    return Cube(
        places=tuple(f"p{i:02d}" for i in range(places)),
        days=tuple(FIRST + timedelta(days=i) for i in range(days)),
        values=np.where(expected[None], values, np.nan),
        expected=expected,
        unusual=np.zeros(days, dtype=np.bool_),
    )


def counters(places: int = 12, *, seed: int = 0, level: float = 60.0) -> Any:
    """Hourly counts, quiet at night, a twentieth of the hours missing at random; shape (places, days, 24)."""
    rng = np.random.default_rng(seed)
    hour = np.exp(-(((np.arange(24) - 14) / 5) ** 2))
    scatter = rng.gamma(5, 1 / 5, (places, DAYS, 24))
    counts = rng.poisson(level * hour * scatter).astype(float)
    return np.where(rng.random(counts.shape) < 0.05, np.nan, counts)


def test_a_usual_share_of_missing_values_says_nothing_and_a_lost_third_speaks() -> None:
    values = counters()
    sound = quality.missing(grid(values))
    assert not sound.is_high
    assert 0.03 < sound.usual < 0.07
    values[:4, -1] = np.nan
    lost = quality.missing(grid(values))
    assert lost.is_high
    assert lost.share > 0.33
    assert lost.n == 12 * 24


def test_closed_hours_are_not_missing() -> None:
    closed = np.zeros((DAYS, 24), dtype=np.bool_)
    closed[6::7] = True  # Sundays
    closed[:, :9] = True
    share = quality.missing(grid(counters(), closed=closed))
    assert share.share < 0.12
    assert not share.is_high


def test_a_place_that_came_later_or_left_long_ago_is_not_expected() -> None:
    values = counters()
    values = np.concatenate([values, np.full((1, DAYS, 24), np.nan)])
    values[-1, :2] = 5.0  # heard two days, more than eight weeks ago
    assert quality.missing(grid(values)).n == 12 * 24


@pytest.mark.parametrize(("now", "is_high"), [((11, 1000), False), ((60, 1000), True)])
def test_quarantine_speaks_when_it_takes_more_than_usual(now: tuple[int, int], is_high: bool) -> None:
    past = [(10 + i % 3, 1000) for i in range(10)]
    found = quality.refused([*past, now])
    assert found is not None
    assert found.is_high is is_high
    assert quality.refused([]) is None
    assert quality.refused([(900, 1000)]) is not None  # nothing before it: no judgement
    assert not quality.refused([(900, 1000)]).is_high  # type: ignore[union-attr]


@pytest.mark.parametrize(("fault", "how"), [(np.nan, "silent"), (0.0, "zero"), (37.0, "frozen")])
def test_a_dead_sensor_is_named_within_a_day(fault: float, how: str) -> None:
    values = counters()
    values[7, -1] = fault
    found = quality.dead(grid(values), grain_h=1.0)
    assert [(one.place, one.how) for one in found] == [("p07", how)]
    assert found[0].hours >= 24


@pytest.mark.parametrize("seed", range(3))
def test_sound_sensors_are_not_called_dead_on_any_day(seed: int) -> None:
    whole = grid(counters(40, seed=seed, level=8.0))  # a few an hour at noon: nights of zeros
    called = [one for day in whole.days[30:] for one in quality.dead(whole.until(day), grain_h=1.0)]
    assert called == []


def test_a_place_that_rests_every_sunday_is_not_dead_on_one() -> None:
    values = counters()
    values[3, 6::7] = 0.0
    sunday = grid(values).until(FIRST + timedelta(days=55))
    assert quality.dead(sunday, grain_h=1.0) == []
    values[3, 49:] = 0.0  # silent since Monday
    assert [one.place for one in quality.dead(grid(values).until(FIRST + timedelta(days=50)), grain_h=1.0)] == ["p03"]


def test_an_outage_long_past_is_no_habit() -> None:
    values = counters()
    values[5, 20:28] = np.nan
    assert quality.dead(grid(values), grain_h=1.0) == []
    values[5, -1] = np.nan
    assert [one.place for one in quality.dead(grid(values), grain_h=1.0)] == ["p05"]


def test_rare_counts_are_silent_for_days_without_being_dead() -> None:
    rng = np.random.default_rng(3)
    crashes = rng.poisson(0.01, (80, DAYS, 24)).astype(float)
    whole = grid(crashes)
    assert [one for day in whole.days[40:] for one in quality.dead(whole.until(day), grain_h=1.0)] == []


def test_a_daily_count_that_falls_from_a_hundred_to_nothing_is_dead_at_once() -> None:
    rng = np.random.default_rng(4)
    daily = rng.poisson(100 * rng.gamma(30, 1 / 30, (77, DAYS, 1))).astype(float)
    assert quality.dead(grid(daily), grain_h=24.0) == []
    daily[11, -1] = 0.0
    assert [one.place for one in quality.dead(grid(daily), grain_h=24.0)] == ["p11"]
