"""Missed updates are counted as the source publishes: by the day, the quarter, the rhythm; history is never late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast import products
from urbancast.core.product import Product, Source
from urbancast.core.time import local_clock
from urbancast.monitoring import freshness

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def of(product: str, *, rhythm: timedelta | None = None) -> tuple[Source, Product]:
    recipe = products.recipe(product)
    source = next(one for one in recipe.sources if one.role == "observations")
    return replace(source, rhythm=rhythm or source.rhythm), products.get(product)


@pytest.mark.parametrize(
    ("newest", "now", "missed", "is_late"),
    [
        (utc(2026, 6, 9, 21), utc(2026, 6, 10, 8), 0, False),  # all of yesterday came at nine
        (utc(2026, 6, 9, 21), utc(2026, 6, 11, 8), 1, False),  # an hour after nine: not yet overdue
        (utc(2026, 6, 9, 21), utc(2026, 6, 11, 20), 1, True),
        (utc(2026, 6, 9, 12), utc(2026, 6, 10, 20), 0, False),  # part of the day is there: nothing of it is missed
        (utc(2026, 5, 11, 21), utc(2026, 6, 10, 20), 29, True),
    ],
)
def test_a_daily_source_misses_one_update_a_day(newest: datetime, now: datetime, missed: int, is_late: bool) -> None:
    source, product = of("paris_bikes")
    found = freshness.of_source(source, product, newest=newest, now=now)
    assert (found.missed_updates, found.is_late) == (missed, is_late)


def test_a_quarterly_source_is_fresh_for_months_and_misses_one_update_a_quarter() -> None:
    source, product = of("madrid_parking", rhythm=timedelta(days=91))
    newest = utc(2026, 3, 31, 18)  # first quarter, to be read from 30 May on
    early, late = utc(2026, 8, 28), utc(2026, 9, 20)
    assert freshness.of_source(source, product, newest=newest, now=early).missed_updates == 0
    found = freshness.of_source(source, product, newest=newest, now=late)
    assert (found.missed_updates, found.is_late, found.rhythm_hours) == (1, True, 91 * 24)
    assert found.since is not None
    assert utc(2026, 8, 28) < found.since < utc(2026, 9, 1)
    assert freshness.of_source(source, product, newest=newest, now=utc(2027, 3, 20)).missed_updates == 3


def test_a_monthly_source_without_a_rule_goes_by_its_rhythm() -> None:
    source, product = of("paris_bikes", rhythm=timedelta(days=30))
    source = replace(source, publication=None)
    newest = utc(2026, 1, 31, 22)
    assert freshness.of_source(source, product, newest=newest, now=newest + timedelta(days=29)).missed_updates == 0
    found = freshness.of_source(source, product, newest=newest, now=newest + timedelta(days=95))
    assert (found.missed_updates, found.is_late) == (3, True)


def test_what_has_ended_or_was_never_heard_is_not_late() -> None:
    source, product = of("paris_bikes")
    ended = freshness.of_source(source, product, newest=utc(2021, 8, 9), now=utc(2026, 6, 1), has_ended=True)
    assert (ended.missed_updates, ended.is_late, ended.has_ended) == (0, False, True)
    never = freshness.of_source(source, product, newest=None, now=utc(2026, 6, 1))
    assert (never.missed_updates, never.is_late, never.newest) == (0, False, None)


def test_closed_hours_are_not_missed() -> None:
    source, product = of("madrid_parking")
    source = replace(source, publication=lambda time: local_clock(time, product.tz, days=1, hour=6))
    saturday = utc(2026, 6, 13, 12)  # the last regulated hour before Monday
    assert freshness.of_source(source, product, newest=saturday, now=utc(2026, 6, 15, 12)).missed_updates == 0
    assert freshness.of_source(source, product, newest=saturday, now=utc(2026, 6, 16, 12)).missed_updates == 1


@given(days=st.integers(1, 300), late=st.integers(1, 60), hour=st.integers(8, 23))
def test_across_the_clock_s_changes_a_day_is_one_update(days: int, late: int, hour: int) -> None:
    source, product = of("paris_bikes")
    local = pl.Series([utc(2025, 12, 1) + (days + ahead) * DAY for ahead in (0, late)])
    newest = local.to_list()[0] + 20 * HOUR  # in the evening of a local day
    now = local.to_list()[1].replace(hour=hour) + DAY
    found = freshness.of_source(source, product, newest=newest, now=now)
    assert found.missed_updates == late


def test_weather_is_known_by_its_answers() -> None:
    recipe = products.recipe("paris_bikes")
    weather = next(one for one in recipe.sources if one.role == "weather")
    newest = utc(2026, 6, 9, 6)
    assert freshness.of_answers(weather, newest=newest, now=newest + 30 * HOUR).is_late is False
    found = freshness.of_answers(weather, newest=newest, now=newest + 60 * HOUR)
    assert (found.missed_updates, found.is_late, found.is_required) == (2, True, False)


def test_a_forecast_s_age_is_told_in_missed_issues() -> None:
    origin = utc(2026, 6, 9, 6)
    day = freshness.of_forecast(origin, issue_step=DAY, now=origin + 35 * HOUR)
    assert (day.missed_issues, day.is_late, day.expected_hours) == (1, False, 24)
    assert freshness.of_forecast(origin, issue_step=DAY, now=origin + 50 * HOUR).is_late
    hourly = freshness.of_forecast(origin, issue_step=HOUR, now=origin + 5 * HOUR)
    assert (hourly.missed_issues, hourly.is_late) == (5, True)
