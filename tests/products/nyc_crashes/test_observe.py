from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.product import COVERED, Observed

NOON = datetime(2022, 6, 3, 12, 30)
HOUR_OF_NOON = datetime(2022, 6, 3, 16, tzinfo=UTC)
FETCHED = datetime(2023, 1, 1, tzinfo=UTC)
PUBLISHED = datetime(2022, 6, 7, 10, tzinfo=UTC)
See = Callable[..., Observed]


def of(seen: Observed, measure: str) -> pl.DataFrame:
    return seen.observations.filter(pl.col("measure") == measure).sort("place", "time", "available_at")


def test_a_crash_counts_once_and_its_people_each(see: See) -> None:
    seen = see({"local": NOON, "injured": 2, "killed": 1}, {"local": NOON + timedelta(minutes=20)})
    assert of(seen, "crashes").select("place", "time", "value").rows() == [("west", HOUR_OF_NOON, 2.0)]
    assert of(seen, "casualties")["value"].to_list() == [4.0]
    assert of(seen, "crashes")["available_at"].to_list() == [PUBLISHED]


def test_every_hour_of_a_published_day_is_covered_and_no_other(see: See) -> None:
    covered = of(see({"local": NOON}, {"local": NOON + timedelta(days=2)}), COVERED)
    assert covered.height == 48
    assert covered["time"].min() == datetime(2022, 6, 3, 4, tzinfo=UTC)
    assert covered.filter(pl.col("time").dt.convert_time_zone("America/New_York").dt.day() == 4).height == 0


@pytest.mark.parametrize(("day", "hours"), [(datetime(2022, 3, 13, 12), 23), (datetime(2022, 11, 6, 12), 25)])
def test_a_day_of_23_or_25_hours_is_covered_whole(see: See, day: datetime, hours: int) -> None:
    assert of(see({"local": day}), COVERED).height == hours


def test_an_hour_skipped_in_spring_is_an_hour_later_and_one_that_came_twice_is_the_first(see: See) -> None:
    seen = see({"local": datetime(2022, 3, 13, 2, 30)}, {"local": datetime(2022, 11, 6, 1, 30)})
    assert of(seen, "crashes")["time"].to_list() == [
        datetime(2022, 3, 13, 7, tzinfo=UTC),
        datetime(2022, 11, 6, 5, tzinfo=UTC),
    ]
    assert seen.notes["reports_in_hour_that_was_skipped"] == 1
    assert seen.notes["reports_in_hour_that_came_twice"] == 1


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"lat": None}, "no_coordinates"),
        ({"lat": 0.0, "lon": 0.0}, "no_coordinates"),
        ({"lon": float("nan")}, "no_coordinates"),
        ({"lat": 40.5}, "no_zone"),
        ({"injured": 0}, "nobody_hurt"),
        ({"injured": None, "killed": None}, "nobody_hurt"),
        ({"injured": -1}, "negative"),
        ({"local": None}, "no_time"),
        ({"id": None}, "no_id"),
    ],
)
def test_a_report_that_cannot_count_is_kept_out_by_name(see: See, row: dict[str, Any], rule: str) -> None:
    seen = see({"local": NOON, **row}, {"local": NOON, "id": "other"})
    assert seen.quarantine["rule"].to_list() == [rule]
    assert of(seen, "crashes")["value"].to_list() == [1.0]
    assert (seen.used["crashes"], seen.repeated["crashes"]) == (1, 0)


def test_someone_killed_counts_though_the_portal_left_out_the_injured(see: See) -> None:
    assert of(see({"local": NOON, "injured": None, "killed": 1}), "casualties")["value"].to_list() == [1.0]


def test_the_share_without_coordinates_is_told_with_the_factor_it_means(see: See) -> None:
    seen = see({"local": NOON, "lat": None}, *({"local": NOON} for _ in range(3)))
    assert seen.notes["reports_without_coordinates_share"] == 0.25
    assert seen.notes["scale_for_missing_coordinates"] == pytest.approx(4 / 3, abs=1e-4)


def test_a_point_just_off_a_zone_belongs_to_it(see: See) -> None:
    seen = see({"local": NOON, "lat": 40.5985}, {"local": NOON, "lat": 40.5975})  # 170 and 280 m
    assert of(seen, "crashes")["value"].to_list() == [1.0]
    assert seen.notes["reports_in_nearest_zone"] == 1
    assert seen.quarantine["rule"].to_list() == ["no_zone"]


def test_real_reports_need_real_boundaries(see: See) -> None:
    for provenance in ("extract", "live"):
        with pytest.raises(ContractError, match="needs real boundaries: pass --source places="):
            see({"local": NOON}, is_schematic=True, provenance=provenance)
    assert see({"local": NOON}, is_schematic=True, provenance="sample").used["crashes"] == 1


def test_a_report_that_came_late_counts_from_its_fetch_on(see: See) -> None:
    late = FETCHED + timedelta(days=2)
    seen = see({"local": NOON}, {"local": NOON, "fetched_at": late})
    assert of(seen, "crashes").select("value", "available_at").rows() == [(1.0, PUBLISHED), (2.0, late)]


def test_a_changed_report_moves_from_its_fetch_on(see: See) -> None:
    later = FETCHED + timedelta(days=2)
    seen = see({"id": "a", "local": NOON}, {"id": "a", "local": NOON, "lon": -73.85, "injured": 3, "fetched_at": later})
    assert of(seen, "crashes").select("place", "value", "available_at").rows() == [
        ("east", 1.0, later),
        ("west", 1.0, PUBLISHED),
        ("west", 0.0, later),
    ]
    assert of(seen, "casualties")["value"].to_list() == [3.0, 1.0, 0.0]
    assert seen.used["crashes"] == 2


def test_pages_of_one_pull_are_not_late_to_each_other(see: See) -> None:
    seen = see({"local": NOON}, {"local": NOON, "fetched_at": FETCHED + timedelta(minutes=3)})
    assert of(seen, "crashes").select("value", "available_at").rows() == [(2.0, PUBLISHED)]


def test_a_live_day_is_covered_when_its_reports_are_due(see: See) -> None:
    soon = datetime(2022, 6, 5, 12, tzinfo=UTC)
    early = {"local": NOON, "fetched_at": soon}
    assert of(see(early, provenance="live"), COVERED).height == 0
    assert of(see(early, {**early, "fetched_at": PUBLISHED}, provenance="live"), COVERED).height == 24
