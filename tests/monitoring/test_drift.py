"""Planted shifts are reported in time, and a season without any raises next to nothing: counters as simulated."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast import products
from urbancast.core.product import Window
from urbancast.core.time import local_midnight
from urbancast.monitoring import draws, drift, inputs, reference
from urbancast.monitoring.drift import Signal
from urbancast.monitoring.reference import Cube
from urbancast.products.paris_bikes import sample

PRODUCT = products.get("paris_bikes")
FIRST = date(2026, 5, 28)  # of 60 days with a public holiday, storms and heat
DAYS = 60
DAY = timedelta(days=1)


class Still(sample.City):
    """The simulated counters without what is planted in them: no break, no closure, no dead sensor."""

    def _step(self, hours: np.ndarray, block: np.ndarray) -> np.ndarray:
        return np.zeros((len(hours), len(self.sites)))

    def _is_closed(self, hours: np.ndarray) -> np.ndarray:
        return np.zeros((len(hours), len(self.sites)), dtype=np.bool_)

    _is_dead = _is_closed


@cache
def counters(seed: int) -> Cube:
    start, end = FIRST - timedelta(days=drift.NEEDED + 1), FIRST + DAYS * DAY
    window = Window(start=local_midnight(start, PRODUCT.tz), end=local_midnight(end, PRODUCT.tz))
    rows = Still(seed).rows(window).filter(pl.col("sum_counts") <= 3000)
    values = rows.select(place="id_compteur", time="date", value=pl.col("sum_counts").cast(pl.Float64))
    values = values.unique(["place", "time"], keep="last", maintain_order=True)
    return reference.cube(PRODUCT, values, start=start, end=end)


def on(grid: Cube, day: date) -> Cube:
    """What a watch looks at on a day."""
    past, count = grid.until(day), drift.NEEDED + 1
    return replace(
        past, days=past.days[-count:], values=past.values[:, -count:], expected=past.expected[-count:],
        unusual=past.unusual[-count:],
    )  # fmt: skip


def judged(grid: Cube, day: date) -> dict[str, tuple[Signal, bool]]:
    found = drift.target("bikes", on(grid, day), is_sparse=False, groups={})
    limit = drift.threshold(found)
    return {one.signal: (one, one.score > (one.own_threshold or limit)) for one in found}


def alarms(flags: list[bool], *, enough: int, kept: int = 7) -> int:
    """How often an alert opens: enough of three days, and closed only after a week without."""
    opened, is_open = 0, False
    for day in range(len(flags)):
        confirmed = flags[day] and sum(flags[max(0, day - 2) : day + 1]) >= enough
        if confirmed and not is_open:
            opened, is_open = opened + 1, True
        is_open = is_open and any(flags[max(0, day - kept + 1) : day + 1])
    return opened


@pytest.mark.parametrize("seed", [1, 2])
def test_a_season_without_a_shift_raises_at_most_two_alarms(seed: int) -> None:
    days = [judged(counters(seed), FIRST + i * DAY) for i in range(DAYS)]
    names = {name for day in days for name in day}
    assert names == {"level-shift", "level", "hours", "scatter"}
    opened = {
        name: alarms([name in day and day[name][1] for day in days], enough=1 if name == "level-shift" else 2)
        for name in names
    }
    assert sum(opened.values()) <= 2, opened


@pytest.mark.parametrize(("seed", "factor"), [(1, 0.8), (1, 1.2), (2, 0.8), (3, 1.2)])
def test_a_fifth_of_the_places_moved_by_a_fifth_is_reported_within_three_days(seed: int, factor: float) -> None:
    grid, begins = counters(seed), FIRST + 20 * DAY
    moved = np.random.default_rng(seed).choice(len(grid.places), len(grid.places) // 5, replace=False)
    values = grid.values.copy()
    values[moved, grid.days.index(begins) :] *= factor
    planted = replace(grid, values=np.round(values))
    assert not judged(planted, begins - DAY)["level-shift"][1]
    told = [judged(planted, begins + i * DAY)["level-shift"] for i in range(3)]
    first = next(signal for signal, is_drifted in told if is_drifted)
    assert first.facts["direction"] == ("up" if factor > 1 else "down")
    named = set(first.facts["places"])
    assert len(named & {grid.places[i] for i in moved}) >= 0.5 * len(named)
    assert abs(first.facts["change"] - (factor - 1)) < 0.1


def test_an_hour_of_the_clock_moved_is_seen_in_the_course_of_the_day() -> None:
    grid, begins = counters(1), FIRST + 20 * DAY
    values = grid.values.copy()
    at = grid.days.index(begins)
    values[:, at:] = np.roll(values[:, at:], 1, axis=2)
    planted = replace(grid, values=values)
    assert not judged(planted, begins - DAY)["hours"][1]
    assert judged(planted, begins + 2 * DAY)["hours"][1]


def test_a_holiday_is_compared_with_nothing() -> None:
    grid = counters(1)
    holiday = next(day for day, flag in zip(grid.days, grid.unusual, strict=True) if flag and day > FIRST - 40 * DAY)
    found = drift.target("bikes", on(grid, holiday), is_sparse=False, groups={})
    assert {one.signal for one in found} <= {"level-shift"}
    logs, _ = drift.units(on(grid, holiday), is_sparse=False, groups={})
    assert np.isnan(logs[:, -1]).all()


def test_rare_counts_are_judged_in_groups_and_stay_quiet() -> None:
    rng = np.random.default_rng(5)
    days = tuple(FIRST + i * DAY for i in range(-drift.NEEDED - 1, 60))
    rate = rng.gamma(1.0, 0.02, 200)
    grid = Cube(
        places=tuple(f"z{i:03d}" for i in range(200)), days=days,
        values=rng.poisson(rate[:, None, None], (200, len(days), 24)).astype(float),
        expected=np.ones((len(days), 24), dtype=np.bool_), unusual=np.zeros(len(days), dtype=np.bool_),
    )  # fmt: skip
    _, names = drift.units(grid, is_sparse=True, groups={place: place[:2] for place in grid.places})
    assert 3 <= len(names) <= 8
    assert all("more" in name for name in names)
    flags = []
    for i in range(60):
        found = drift.target("c", on(grid, FIRST + i * DAY), is_sparse=True, groups={})
        limit = drift.threshold(found)
        flags.append(any(one.score > (one.own_threshold or limit) for one in found))
    assert alarms(flags, enough=1) <= 1


def test_weather_in_another_unit_drifts_within_a_week_and_its_own_changes_do_not() -> None:
    rng = np.random.default_rng(6)
    days = [FIRST + i * DAY for i in range(-120, 60)]
    wander = np.zeros(len(days))
    for i in range(1, len(days)):
        wander[i] = 0.75 * wander[i - 1] + 2 * rng.normal()
    celsius = 12 + 9 * np.sin(2 * np.pi * np.arange(len(days)) / 365) + wander
    told = [drifts(celsius, days, i) for i in range(120, 180)]
    assert alarms(told, enough=2) <= 1
    kelvin = celsius.copy()
    kelvin[150:] += 273.15
    assert any(drifts(kelvin, days, i) for i in range(150, 157))


def drifts(values: np.ndarray, days: list[date], last: int) -> bool:
    rows = pl.DataFrame({"variable": "temperature", "day": days[: last + 1], "value": values[: last + 1]})
    found = inputs.signals(rows, days[: last + 1])
    limit = drift.threshold(found)
    return any(one.score > limit for one in found)


def test_trips_that_take_longer_from_a_fifth_of_the_areas_are_reported_within_three_days() -> None:
    rng = np.random.default_rng(7)
    start, end, begins = FIRST - timedelta(days=drift.NEEDED), FIRST + 4 * DAY, FIRST
    n = 30 * 60 * (end - start).days
    area = rng.integers(0, 30, n)
    day = np.repeat(np.arange((end - start).days), 30 * 60)
    minutes = np.exp(2.5 + 0.02 * area + 0.35 * rng.normal(size=n))
    minutes = np.where((area < 6) & (day >= (begins - start).days), minutes * 1.2, minutes)
    at = pl.Series([local_midnight(start, "UTC")]).dt.cast_time_unit("us")
    rows = pl.DataFrame({"place": [f"{a}>{(a + 1) % 30}" for a in area], "day": day, "value": minutes})
    rows = rows.with_columns(time=pl.lit(at[0]) + pl.duration(days=pl.col("day"), hours=12))
    trips = draws.daily(rows, tz="UTC", start=start, end=end)
    assert len(trips.names) == 30
    before, after = (draws.signals("minutes", trips, day) for day in (begins - DAY, begins + 2 * DAY))
    shift = {one.signal: one for one in after}["level-shift"]
    assert shift.score > (shift.own_threshold or 0)
    assert shift.facts["direction"] == "up"
    assert len(set(shift.facts["places"]) & {str(a) for a in range(6)}) >= 4
    quiet = {one.signal: one for one in before}["level-shift"]
    assert quiet.score < (quiet.own_threshold or 0)


@given(st.lists(st.floats(0, 12), min_size=1, max_size=30))
def test_more_signals_never_lower_the_bar_for_one(scores: list[float]) -> None:
    signals = [
        Signal(measure="m", kind="target", signal=str(i), day=FIRST, score=score, n=1) for i, score in enumerate(scores)
    ]
    limit = drift.threshold(signals)
    most = -np.log10(drift.RATE / len(scores))
    assert -np.log10(drift.RATE) - 1e-9 <= limit <= most + 1e-9
    said = sum(score > limit for score in scores)
    assert all(score > -np.log10(drift.RATE * said / len(scores)) - 1e-9 for score in scores if score > limit)


@given(
    st.lists(st.floats(0.01, 1e3), min_size=3, max_size=24),
    st.lists(st.floats(0.01, 1e3), min_size=24, max_size=24),
)
def test_the_distance_of_two_courses_is_a_divergence(one: list[float], other: list[float]) -> None:
    p, q = np.array(one), np.array(other[: len(one)])
    assert 0 <= drift.jensen_shannon(p, q) + 1e-12 <= np.log(2) + 2e-12
    assert drift.jensen_shannon(p, 7 * p) == pytest.approx(0, abs=1e-12)
    assert drift.jensen_shannon(p, q) == pytest.approx(drift.jensen_shannon(q, p))
