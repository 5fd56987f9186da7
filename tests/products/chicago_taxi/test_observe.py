from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.core.product import Observed
from urbancast.products.trips import draws_of

See = Callable[..., Observed]
FETCHED = datetime(2022, 7, 1, tzinfo=UTC)
HOUR = datetime(2022, 6, 1, 22, tzinfo=UTC)
PUBLISHED = datetime(2022, 6, 22, 11, tzinfo=UTC)


def stamps(start: str, end: str, seconds: float) -> dict[str, Any]:
    return {
        "trip_start_timestamp": f"{start}:00.000",
        "trip_end_timestamp": f"{end}:00.000",
        "trip_seconds": str(seconds),
    }


def test_a_trip_is_a_draw_of_minutes_at_its_hour_of_departure(see: See) -> None:
    found = see({}, {"trip_seconds": "600"}).observations
    assert found.select("place", "measure", "time", "value", "available_at").rows() == [
        ("8>32", "minutes", HOUR, minutes, PUBLISHED) for minutes in found["value"]
    ]
    assert sorted(found["value"]) == [10.0, 15.0]
    assert set(found["draw"]) == set(draws_of(["t0", "t1"]))


def test_an_end_that_is_not_known_is_a_category(see: See) -> None:
    found = see(
        {"pickup_community_area": None},
        {"dropoff_community_area": None},
        {"pickup_community_area": None, "dropoff_community_area": None},
        {},
    )
    assert set(found.observations["place"]) == {">32", "8>", ">", "8>32"}
    assert found.notes["share_with_unknown_end"] == 0.75


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"trip_id": ""}, "no_id"),
        ({"trip_end_timestamp": None}, "no_time"),
        ({"trip_seconds": None}, "no_time"),
        ({"trip_start_timestamp": "yesterday"}, "no_time"),
        ({"fare": "-11.25", "trip_total": "-13.25"}, "refund"),
        ({"trip_seconds": "0", "trip_end_timestamp": "2022-06-01T17:15:00.000"}, "too_short"),
        ({"trip_seconds": "60", "trip_end_timestamp": "2022-06-01T17:15:00.000"}, "too_short"),
        ({"dropoff_community_area": "78"}, "no_such_area"),
        (stamps("2022-06-01T17:15", "2022-06-01T17:00", 900), "ends_before_start"),
        (stamps("2022-06-01T17:15", "2022-06-01T19:15", 900), "times_disagree"),
        ({"trip_miles": "60"}, "too_fast"),
        ({"trip_miles": None, "pickup_community_area": "76", "trip_seconds": "300"}, "too_fast"),
        ({"trip_miles": "1", **stamps("2022-06-01T17:15", "2022-06-02T05:15", 43_200)}, "too_slow"),
    ],
)
def test_a_trip_that_tells_no_honest_duration_is_kept_out_by_name(see: See, row: dict[str, Any], rule: str) -> None:
    found = see(row, *({"trip_id": f"o{n}"} for n in range(6)))
    assert found.quarantine["rule"].to_list() == [rule]
    assert found.observations["value"].to_list() == [15.0] * 6
    assert found.used["trips"] == 6


@pytest.mark.parametrize("seconds", [61, 3_700, 9_000])
def test_short_and_long_trips_are_kept_whole(see: See, seconds: int) -> None:
    end = datetime(2022, 6, 1, 17, 15) + timedelta(seconds=seconds)
    end -= timedelta(minutes=end.minute % 15, seconds=end.second)
    found = see({"trip_miles": "9", **stamps("2022-06-01T17:15", f"{end:%Y-%m-%dT%H:%M}", seconds)})
    if seconds == 61:  # nine miles in a minute
        assert found.quarantine["rule"].to_list() == ["too_fast"]
    else:
        assert found.observations["value"].to_list() == [round(seconds / 60, 4)]


def test_a_trip_beyond_four_hours_counts_as_one_of_four_hours(see: See) -> None:
    found = see({"trip_miles": "90", **stamps("2022-06-01T17:15", "2022-06-01T23:15", 21_600)}, {})
    assert sorted(found.observations["value"]) == [15.0, 240.0]
    assert found.notes["trips_censored"] == 1


def test_a_trip_through_the_hour_that_comes_twice_is_read_so_that_it_fits(see: See) -> None:
    # 6 November 2022, 02:00 becomes 01:00: 01:45 → 01:15 is half an hour, 00:45 → 01:15 is half or one and a half.
    found = see(
        stamps("2022-11-06T01:45", "2022-11-06T01:15", 1_800),
        {"trip_miles": "20", **stamps("2022-11-06T00:45", "2022-11-06T01:15", 5_400)},
        stamps("2022-11-06T00:45", "2022-11-06T01:15", 1_800),
        stamps("2022-11-06T01:45", "2022-11-06T02:15", 1_800),
    )
    assert found.quarantine.is_empty()
    by_draw = dict(found.observations.select("draw", "time").iter_rows())
    hours = [by_draw[draw].hour for draw in draws_of(["t0", "t1", "t2", "t3"])]
    assert hours == [6, 5, 5, 7]  # 01:45 the first time, 00:45, 00:45, and 01:45 the second time


@pytest.mark.parametrize(
    "trip",
    [
        stamps("2022-11-06T00:30", "2022-11-06T03:30", 1_800),
        stamps("2022-03-13T01:45", "2022-03-13T05:45", 1_800),
    ],
)
def test_a_night_of_the_clock_that_no_reading_fits_is_named(see: See, trip: dict[str, Any]) -> None:
    assert see(trip, {}).quarantine["rule"].to_list() == ["clock_change"]


def test_a_trip_over_the_hour_that_is_skipped_keeps_its_minutes(see: See) -> None:
    found = see(stamps("2022-03-13T01:45", "2022-03-13T03:15", 1_800)).observations
    assert found.select("time", "value").rows() == [(datetime(2022, 3, 13, 7, tzinfo=UTC), 30.0)]


@given(
    minute=st.integers(0, 525_600 * 2), seconds=st.integers(61, 4 * 3600), start=st.integers(0, 899),
)  # fmt: skip
def test_every_plausible_trip_of_any_night_is_kept_with_its_seconds(
    rows: Callable[..., pl.DataFrame], see: See, minute: int, seconds: int, start: int
) -> None:
    begun = datetime(2021, 6, 1, tzinfo=UTC) + timedelta(minutes=15 * (minute // 15))
    ended = begun + timedelta(seconds=start + seconds)
    ended -= timedelta(minutes=ended.minute % 15, seconds=ended.second)
    local = pl.Series([begun, ended]).dt.convert_time_zone("America/Chicago").dt.strftime("%Y-%m-%dT%H:%M")
    found = see(rows({"trip_miles": str(seconds / 120), **stamps(local[0], local[1], seconds)}))
    assert found.quarantine.is_empty()
    assert found.observations["value"].to_list() == [round(seconds / 60, 4)]
    off = (found.observations["time"][0] - begun.replace(minute=0)).total_seconds() / 3600
    assert off in (0, -1)  # both readings of the hour that comes twice may fit: then it is the first


def test_a_trip_that_came_late_counts_from_its_fetch_on(see: See) -> None:
    late = FETCHED + timedelta(days=2)
    found = see({}, {"fetched_at": late}).observations
    assert sorted(found["available_at"]) == [PUBLISHED, late]


def test_a_trip_that_moved_is_withdrawn_where_it_was(see: See) -> None:
    late = FETCHED + timedelta(days=2)
    found = see({"trip_id": "a"}, {"trip_id": "a", "dropoff_community_area": "33", "fetched_at": late}).observations
    assert found.select("place", "value", "available_at").rows() == [
        ("8>32", 15.0, PUBLISHED),
        ("8>32", None, late),
        ("8>33", 15.0, late),
    ]


def test_a_repeated_id_is_one_trip_and_one_that_differs_is_in_conflict(see: See) -> None:
    found = see({"trip_id": "a"}, {"trip_id": "a"}, {"trip_id": "a", "trip_seconds": "1200"})
    assert (found.used["trips"], found.repeated["trips"]) == (1, 1)
    assert found.quarantine["rule"].to_list() == ["conflict"]


def test_the_share_removed_is_told_of_all_and_of_the_busiest_pairs(see: See) -> None:
    still = {"trip_seconds": "0", "trip_end_timestamp": "2022-06-01T17:15:00.000", "dropoff_community_area": "8"}
    found = see(*([{}] * 150), *([still] * 50), *([{"dropoff_community_area": "8"}] * 50))
    assert found.notes["share_removed"] == 0.2
    assert found.notes["share_removed 8>32"] == 0.0
    assert found.notes["share_removed 8>8"] == 0.5
