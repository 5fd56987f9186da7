from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import QueryError
from urbancast.flows.guess import Given, guess
from urbancast.products import instants

ZONE = "Europe/Berlin"
START, END = datetime(2024, 3, 20, tzinfo=UTC), datetime(2024, 4, 20, tzinfo=UTC)  # holds the change of the clock


def table(form: str = "%Y-%m-%d %H:%M:%S", *, step: str = "1h", tz: str = ZONE, **columns: Any) -> pl.DataFrame:
    """Two stations, one row a step, local times written in a form."""
    at = pl.datetime_range(START, END, step, closed="left", eager=True, time_zone="UTC", time_unit="us")
    texts = at.dt.convert_time_zone(tz).dt.strftime(form)
    parts = [
        pl.DataFrame({"station": [name] * len(at), "when": texts, "count": [(i * 7 + n) % 50 for i in range(len(at))]})
        for n, name in enumerate(("North", "South"))
    ]
    return pl.concat(parts).with_columns(**{name: pl.lit(value) for name, value in columns.items()})


def test_a_plain_table_needs_no_question() -> None:
    found = guess(table(), Given())
    assert (found.place, found.time, found.value) == ("station", "when", "count")
    assert (found.grain, found.kind, found.is_mean) == ("1h", "count", False)
    assert found.tz == ZONE  # read off the hour that the clock skips


@pytest.mark.parametrize("tz", ["Europe/London", "Europe/Berlin", "Europe/Athens"])
def test_the_clock_gives_its_zone_away_where_it_skips_an_hour(tz: str) -> None:
    assert guess(table(tz=tz), Given()).tz == tz


def test_offsets_written_beside_the_times_name_the_zone() -> None:
    found = guess(table("%Y-%m-%dT%H:%M:%S%:z"), Given())
    assert found.tz == ZONE
    assert instants.has_offset(found.form)


def test_a_clock_without_a_skipped_hour_is_asked_about() -> None:
    with pytest.raises(QueryError, match="--tz"):
        guess(table(tz="UTC"), Given())


@pytest.mark.parametrize(("step", "grain"), [("15m", "15m"), ("30m", "30m"), ("1h", "1h"), ("1d", "1d"), ("5m", "15m")])
def test_the_grain_is_the_smallest_that_holds_the_usual_step(step: str, grain: str) -> None:
    assert guess(table(step=step), Given(tz=ZONE)).grain == grain


def test_days_before_months_are_told_from_months_before_days() -> None:
    assert guess(table("%d/%m/%Y %H:%M"), Given(tz=ZONE)).form == "%d/%m/%Y %H:%M"
    assert guess(table("%m/%d/%Y %H:%M"), Given(tz=ZONE)).form == "%m/%d/%Y %H:%M"


def test_a_date_that_could_be_either_is_asked_about() -> None:
    at = [f"0{month}/0{day}/2024 {hour:02d}:00" for month in range(1, 9) for day in range(1, 9) for hour in range(24)]
    rows = pl.DataFrame({"when": at, "count": [i % 40 for i in range(len(at))]})
    with pytest.raises(QueryError, match="day and month"):
        guess(rows, Given(tz=ZONE))


def test_two_columns_of_numbers_are_asked_about_and_settled_by_a_flag() -> None:
    rows = table().with_columns(north=pl.col("count") * 2, south=pl.col("count") * 3).drop("count")
    with pytest.raises(QueryError) as refused:
        guess(rows, Given())
    assert "--value" in str(refused.value)
    assert "north" in str(refused.value)
    assert guess(rows, Given(value="south")).value == "south"


def test_readings_with_decimal_commas_are_averaged() -> None:
    rows = table().with_columns(count=(pl.col("count").cast(pl.String) + ",5"))
    found = guess(rows, Given())
    assert (found.kind, found.is_mean) == ("amount", True)


def test_coordinates_are_known_by_name_and_range() -> None:
    found = guess(table(latitude=52.5, lng=13.4), Given())
    assert (found.lat, found.lon) == ("latitude", "lng")
    assert guess(table(lat=95000.0, lon=3.0), Given()).lat is None


def test_a_table_of_one_place_has_no_column_of_places() -> None:
    assert guess(table().filter(pl.col("station") == "North").drop("station"), Given()).place is None


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (Given(place="nowhere"), "unknown-column"),
        (Given(grain="2h"), "unknown-grain"),
        (Given(tz="Mars/Olympus"), "unknown-zone"),
        (Given(time="station"), "unreadable-time"),
    ],
)
def test_a_flag_that_cannot_be_is_refused_by_name(given: Given, state: str) -> None:
    with pytest.raises(QueryError) as refused:
        guess(table(), given)
    assert refused.value.state == state


def test_a_table_without_times_asks_for_them() -> None:
    with pytest.raises(QueryError, match="--time"):
        guess(pl.DataFrame({"a": ["x", "y", "z"], "b": [1, 2, 3]}), Given())


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.integers(1_000_000_000, 1_900_000_000),
    form=st.sampled_from([form for form in instants.FORMS if "%H" in form and "%S" in form]),
)
def test_a_time_written_in_a_form_is_read_back(seconds: int, form: str) -> None:
    at = pl.Series("at", [datetime.fromtimestamp(seconds, UTC)]).cast(pl.Datetime("us", "UTC"))
    texts = at.dt.convert_time_zone("Asia/Tokyo").dt.strftime(form)  # no hour there comes twice
    assert instants.read(texts, form, "Asia/Tokyo").to_list() == at.to_list()


def test_an_hour_that_the_clock_repeats_is_the_first_and_one_it_skips_an_hour_later() -> None:
    texts = pl.Series("at", ["2024-10-27 02:30:00", "2024-03-31 02:30:00"])
    read = instants.read(texts, "%Y-%m-%d %H:%M:%S%.f", ZONE)
    assert read.to_list() == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]
