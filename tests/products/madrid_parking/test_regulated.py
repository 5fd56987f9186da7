from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.core.time import UTC_US
from urbancast.products.madrid_parking.product import PRODUCT
from urbancast.products.madrid_parking.regulated import hours_of, is_open, next_regulated

EPOCH = date(1970, 1, 1)
MADRID = ZoneInfo("Europe/Madrid")


def hours(day: date) -> tuple[int, int]:
    opens, closes = hours_of(np.array([(day - EPOCH).days]))
    return int(opens[0]) // 3600, int(closes[0]) // 3600


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2024, 3, 6), (9, 21)),  # a Wednesday
        (date(2024, 3, 9), (9, 15)),  # a Saturday
        (date(2024, 3, 10), (0, 0)),  # a Sunday
        (date(2024, 8, 7), (9, 15)),  # August
        (date(2024, 8, 10), (9, 15)),  # a Saturday in August
        (date(2024, 8, 15), (0, 0)),  # Assumption
        (date(2024, 12, 24), (9, 15)),
        (date(2024, 12, 31), (9, 15)),
        (date(2023, 12, 24), (0, 0)),  # a Sunday before it is Christmas Eve
        (date(2024, 5, 2), (0, 0)),  # day of the region
        (date(2024, 5, 15), (0, 0)),  # San Isidro
        (date(2023, 11, 9), (0, 0)),  # La Almudena
        (date(2024, 3, 29), (0, 0)),  # Good Friday
    ],
)
def test_regulated_hours_are_those_of_the_city(day: date, expected: tuple[int, int]) -> None:
    assert hours(day) == expected


@given(st.datetimes(datetime(2020, 1, 1), datetime(2029, 12, 31)))
def test_every_hour_is_open_as_a_plain_reading_of_the_rules_says(at: datetime) -> None:
    instant = at.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    local = instant.astimezone(MADRID)
    first, last = hours(local.date())
    found = is_open(pl.Series("time", [instant], dtype=UTC_US))
    assert found.name == "time"
    assert found[0] == (first <= local.hour < last)
    if local.weekday() == 6:
        assert not found[0]
    if local.hour < 9 or local.hour >= 21:
        assert not found[0]


@given(st.integers(18_262, 21_900))
def test_the_next_regulated_day_is_the_first_one_with_hours(day: int) -> None:
    found = int(next_regulated(np.array([day]))[0])
    _, closes = hours_of(np.arange(day + 1, found + 1))
    assert (closes[:-1] == 0).all()
    assert closes[-1] > 0


def test_clock_changes_fall_on_free_days() -> None:
    for year in range(2020, 2030):
        days = [date(year, 1, 1) + timedelta(days=i) for i in range(365)]
        changes = [d for d in days if _offset(d) != _offset(d + timedelta(days=1))]
        assert len(changes) == 2
        assert all(hours(day) == (0, 0) for day in changes)


def test_the_product_promises_exactly_the_regulated_hours() -> None:
    assert PRODUCT.is_open is is_open
    week = pl.datetime_range(
        datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC), "1h", closed="left", eager=True
    ).alias("time")
    assert is_open(week.cast(UTC_US)).sum() == 5 * 12 + 6
    assert is_open(pl.Series("time", [], dtype=UTC_US)).len() == 0


def _offset(day: date) -> timedelta | None:
    return datetime(day.year, day.month, day.day, tzinfo=MADRID).utcoffset()
