"""Trips to starts and net outflow by area and local day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, from_local, local_midnight
from urbancast.products.chicago_scooters.layouts import SCHEMA
from urbancast.products.chicago_scooters.observe import observe
from urbancast.products.chicago_scooters.product import TZ

NOON = datetime(2020, 9, 4, 12)
FETCHED = datetime(2021, 1, 1, tzinfo=UTC)
See = Callable[..., Observed]


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    """Canonical rows from dicts; what is not named is an ordinary trip of a quarter of an hour from 6 to 8."""
    usual = {
        "distance_m": 1500.0, "duration_s": 900.0, "vendor": "alpha", "from_area": "6", "to_area": "8",
        "fetched_at": FETCHED, "start": NOON, "stop": None,
    }  # fmt: skip
    named = [{"id": f"t{n}", **usual, **row} for n, row in enumerate(given)]
    frame = pl.DataFrame(named, schema={**{k: v for k, v in SCHEMA.items() if k not in ("time", "end")},
                                        "start": pl.Datetime("us"), "stop": pl.Datetime("us"),
                                        "fetched_at": UTC_US})  # fmt: skip
    stop = pl.coalesce("stop", "start")
    frame = frame.with_columns(time=from_local(pl.col("start"), TZ), end=from_local(stop, TZ))
    return frame.select(*SCHEMA, "fetched_at")


@pytest.fixture
def see() -> See:
    """Observe trips given as dicts, in a city of three areas."""
    places = pl.DataFrame({"place": ["6", "8", "32"]})

    def seen(*given: dict[str, Any]) -> Observed:
        context = ObserveContext(tz=TZ, grain=timedelta(days=1), places=places, is_schematic=True, provenance="sample")
        return observe({"trips": rows(*given)}, context)

    return seen


def of(seen: Observed, measure: str, *, at: datetime | None = None) -> dict[tuple[str, int], float]:
    """Newest values (known at an instant) by area and local day of the month."""
    found = seen.observations.filter(pl.col("measure") == measure)
    found = found if at is None else found.filter(pl.col("available_at") <= at)
    newest = found.sort("available_at").unique(["place", "time"], keep="last")
    days = newest.with_columns(day=pl.col("time").dt.convert_time_zone(TZ).dt.day().cast(pl.Int64))
    return {(place, day): value for place, day, value in days.select("place", "day", "value").iter_rows()}


def test_a_trip_starts_once_and_moves_one_scooter(see: See) -> None:
    seen = see({}, {"from_area": "8", "to_area": "32"}, {"from_area": "6", "to_area": "6"})
    assert of(seen, "starts") == {("6", 4): 2.0, ("8", 4): 1.0, ("32", 4): 0.0}
    assert of(seen, "net_outflow") == {("6", 4): 1.0, ("8", 4): 0.0, ("32", 4): -1.0}


def test_every_area_has_a_value_on_every_published_day_and_a_day_without_a_trip_none(see: See) -> None:
    starts = of(see({}, {"start": NOON + timedelta(days=2)}), "starts")
    assert {day for _, day in starts} == {4, 6}
    assert len(starts) == 6
    assert [starts["32", day] for day in (4, 6)] == [0.0, 0.0]


def test_days_begin_at_local_midnight_and_are_known_the_next_one_at_six(see: See) -> None:
    found = see({"start": datetime(2020, 11, 1, 23, 30)}).observations  # the day that has 25 hours
    assert found["time"].unique().to_list() == [local_midnight(date(2020, 11, 1), TZ)]
    assert found["available_at"].unique().to_list() == [datetime(2020, 11, 2, 12, tzinfo=UTC)]


def test_a_trip_over_midnight_arrives_on_its_second_day_and_not_before_that_is_known(see: See) -> None:
    over = {"start": datetime(2020, 9, 4, 23), "stop": datetime(2020, 9, 5, 1), "duration_s": 5000.0}
    seen = see(over, {"start": datetime(2020, 9, 5, 12), "to_area": "6"})
    assert of(seen, "net_outflow") == {
        ("6", 4): 1.0, ("8", 4): 0.0, ("32", 4): 0.0, ("6", 5): 0.0, ("8", 5): -1.0, ("32", 5): 0.0,
    }  # fmt: skip
    eve = datetime(2020, 9, 5, 12, tzinfo=UTC)  # the fourth is published, the fifth is not over
    assert {day for _, day in of(seen, "net_outflow", at=eve)} == {4}


def test_an_arrival_on_a_day_not_published_is_counted_as_such(see: See) -> None:
    seen = see({"start": datetime(2020, 9, 4, 23), "stop": datetime(2020, 9, 5, 0)})
    assert {day for _, day in of(seen, "net_outflow")} == {4}
    assert seen.notes["ends_outside_published_days"] == 1


def test_what_leaves_arrives_unless_an_end_is_unknown(see: See) -> None:
    seen = see({}, {"to_area": None}, {"from_area": None})
    assert sum(of(seen, "net_outflow").values()) == pytest.approx(0.0)  # one unknown end, one unknown start
    assert of(seen, "starts")["6", 4] == 2.0
    assert of(seen, "net_outflow")["8", 4] == -2.0
    assert seen.notes["trips_with_unknown_end_area"] == 1
    assert seen.notes["trips_with_unknown_start_area"] == 1
    assert seen.used["trips"] == 3


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"id": None}, "no_id"),
        ({"start": None}, "no_time"),
        ({"vendor": "Test vendor"}, "test_vendor"),
        ({"duration_s": -60.0}, "negative_duration"),
        ({"stop": NOON - timedelta(hours=1)}, "negative_duration"),
        ({"duration_s": 90_000.0, "distance_m": 100.0}, "too_long"),
        ({"distance_m": -1.0}, "absurd_distance"),
        ({"distance_m": 70_000.0, "duration_s": 20_000.0}, "absurd_distance"),
        ({"distance_m": 20_000.0, "duration_s": 600.0}, "absurd_distance"),
        ({"from_area": None, "to_area": None}, "no_area"),
        ({"from_area": "99"}, "strange_area"),
    ],
)
def test_dirt_is_kept_out_by_name(see: See, row: dict[str, Any], rule: str) -> None:
    seen = see(row, {"id": "good"})
    assert seen.quarantine["rule"].to_list() == [rule]
    assert "is_known" not in seen.quarantine["row"][0]
    assert (seen.used["trips"], seen.repeated["trips"]) == (1, 0)
    assert of(seen, "starts")["6", 4] == 1.0


def test_a_contest_of_a_vendor_is_no_test(see: See) -> None:
    assert see({"vendor": "greatest"}).used["trips"] == 1


def test_a_trip_said_twice_is_repeated(see: See) -> None:
    seen = see({"id": "a"}, {"id": "a"})
    assert (seen.used["trips"], seen.repeated["trips"]) == (1, 1)
    assert of(seen, "starts")["6", 4] == 1.0


def test_a_trip_that_came_late_counts_from_its_fetch_on(see: See) -> None:
    late = FETCHED + timedelta(days=2)
    seen = see({}, {"fetched_at": late})
    assert of(seen, "starts", at=FETCHED)["6", 4] == 1.0
    assert of(seen, "starts", at=late)["6", 4] == 2.0


def test_a_changed_trip_moves_from_its_fetch_on(see: See) -> None:
    later = FETCHED + timedelta(days=2)
    seen = see({"id": "a"}, {"id": "a", "to_area": "32", "fetched_at": later})
    assert of(seen, "net_outflow", at=FETCHED) == {("6", 4): 1.0, ("8", 4): -1.0, ("32", 4): 0.0}
    assert of(seen, "net_outflow", at=later) == {("6", 4): 1.0, ("8", 4): 0.0, ("32", 4): -1.0}
