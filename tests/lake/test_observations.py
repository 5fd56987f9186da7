from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.lake import Lake, observations, raw

P = "paris_bikes"


def history(lake: Lake) -> list[tuple[object, ...]]:
    rows = observations.versions(lake, P)
    return rows.select("place", pl.col("time").dt.hour(), "value", "available_at", "availability").rows()


@pytest.fixture
def add(lake, at):
    """Add a frame as fetched after some days; first contact is ten days after the Monday."""

    def put(frame, *, days, run="r", **options):
        options = {"first_contact": at(10)} | options
        return observations.add(lake, P, frame, run=run, fetched_at=at(days), **options)

    return put


def test_history_older_than_first_contact_is_declared(lake, at, told, add):
    assert add(told(("a", 1, 5.0, 2)), days=10) == 1
    assert history(lake) == [("a", 1, 5.0, at(2), "declared")]


def test_what_is_published_after_first_contact_is_seen_when_fetched(lake, at, told, add):
    add(told(("a", 1, 5.0, 10)), days=12)
    assert history(lake) == [("a", 1, 5.0, at(12), "seen")]


def test_a_second_pull_changes_nothing(lake, told, add):
    frame = told(("a", 1, 5.0, 2), ("b", 1, None, 2), ("b", 2, 7.0, 11))
    assert add(frame, days=12) == 3
    version = lake.version("observations")
    assert add(frame, days=12) == 0
    assert add(frame, days=13) == 0
    assert lake.version("observations") == version


def test_a_value_that_differs_is_a_revision_seen_at_its_fetch(lake, at, told, add):
    add(told(("a", 1, 5.0, 2)), days=10)
    assert add(told(("a", 1, 6.0, 2)), days=12) == 1
    assert add(told(("a", 1, 6.0, 2)), days=13) == 0
    assert history(lake) == [("a", 1, 5.0, at(2), "declared"), ("a", 1, 6.0, at(12), "seen")]


def test_a_value_that_returns_is_a_revision_again(lake, told, add):
    for day, value in [(10, 5.0), (11, 6.0), (12, 5.0)]:
        assert add(told(("a", 1, value, 2)), days=day) == 1
    assert [row[2] for row in history(lake)] == [5.0, 6.0, 5.0]


def test_null_withdraws_a_value_once(lake, at, told, add):
    add(told(("a", 1, 5.0, 2)), days=10)
    assert add(told(("a", 1, None, 2)), days=11) == 1
    assert add(told(("a", 1, None, 2)), days=12) == 0
    assert observations.known_at(lake, P, at(10.5)).height == 1
    assert observations.known_at(lake, P, at(11)).height == 0


def test_a_value_that_was_null_at_first_is_known_from_its_fetch_on(lake, at, told, add):
    add(told(("a", 1, None, 2)), days=10)
    assert add(told(("a", 1, 5.0, 2)), days=12) == 1
    assert observations.known_at(lake, P, at(11)).height == 0
    assert observations.known_at(lake, P, at(12))["value"].to_list() == [5.0]


def test_versions_in_one_frame_are_kept_in_their_order(lake, at, told, add):
    frame = told(("a", 1, 0.0, 2), ("a", 1, None, 4), ("a", 1, None, 5), ("a", 1, 3.0, 6))
    assert add(frame, days=12) == 3
    assert [row[2:4] for row in history(lake)] == [(0.0, at(2)), (None, at(4)), (3.0, at(6))]
    assert add(frame, days=13) == 0


def test_a_mask_learned_later_is_a_revision_of_its_own_time(lake, at, told, add):
    add(told(("a", 1, 0.0, 2)), days=10)
    assert add(told(("a", 1, 0.0, 2), ("a", 1, None, 4)), days=11) == 1
    assert history(lake) == [("a", 1, 0.0, at(2), "declared"), ("a", 1, None, at(4), "declared")]


def test_a_mask_of_a_seen_value_is_available_when_both_are(lake, at, told, add):
    add(told(("a", 1, 0.0, 11)), days=12)
    add(told(("a", 1, 0.0, 11), ("a", 1, None, 14)), days=15)
    assert history(lake) == [("a", 1, 0.0, at(12), "seen"), ("a", 1, None, at(15), "seen")]


def test_a_mask_that_names_a_later_time_keeps_it(lake, at, told, add):
    frame = told(("a", 1, 0.0, 11), ("a", 1, None, 20))
    add(frame, days=12)
    assert history(lake) == [("a", 1, 0.0, at(12), "seen"), ("a", 1, None, at(20), "declared")]
    assert add(frame, days=13) == 0


def test_a_mask_given_up_restores_the_value(lake, at, told, add):
    add(told(("a", 1, 0.0, 2), ("a", 1, None, 4)), days=10)
    assert add(told(("a", 1, 0.0, 2)), days=12) == 1
    assert observations.known_at(lake, P, at(12))["value"].to_list() == [0.0]


def test_two_answers_to_one_fetch_leave_the_last_word(lake, at, told, add):
    add(told(("a", 1, 5.0, 11)), days=12)
    assert add(told(("a", 1, 6.0, 11)), days=12) == 1
    assert add(told(("a", 1, 6.0, 11)), days=12) == 0
    assert observations.known_at(lake, P, at(12.1))["value"].to_list() == [6.0]
    assert [row[4] for row in history(lake)] == ["seen", "seen"]


def test_an_older_page_read_late_never_outlives_newer_knowledge(lake, at, told, add):
    add(told(("a", 1, 5.0, 2)), days=10)
    add(told(("a", 1, 7.0, 2)), days=14)
    assert add(told(("a", 1, 6.0, 2)), days=12) == 1
    assert add(told(("a", 1, 6.0, 2)), days=12) == 0
    assert [observations.known_at(lake, P, at(d))["value"].item() for d in (10, 12, 14)] == [5.0, 6.0, 7.0]


def test_a_value_is_never_available_before_its_interval(lake, at, told, add):
    add(told(("a", 300, 5.0, 20)), days=12)
    assert history(lake) == [("a", 12, 5.0, at(20), "declared")]


def test_first_contact_is_the_first_fetch_in_raw(lake, at, told, page, kept):
    raw.keep(lake, page(days=3), **kept)
    raw.keep(lake, page(b"later", days=9), **kept)
    observations.add(lake, P, told(("a", 1, 5.0, 2), ("a", 2, 5.0, 4)), run="r", fetched_at=at(9))
    assert [row[3:] for row in history(lake)] == [(at(2), "declared"), (at(9), "seen")]


def test_an_extract_is_known_only_as_declared(lake, at, told, page, kept):
    raw.keep(lake, page(days=12), **(kept | {"provenance": "extract"}))
    frame = told(("a", 1, 5.0, 2), ("a", 280, 6.0, 13), ("a", 340, 7.0, 15), ("b", 1, 0.0, 2), ("b", 1, None, 14))
    for day in (12, 13, 16):
        observations.add(lake, P, frame, run="r", fetched_at=at(day))
    rows = observations.versions(lake, P)
    assert rows["available_at"].to_list() == [at(2), at(13), at(15), at(2), at(14)]
    assert rows["availability"].unique().to_list() == ["declared"]
    observations.add(lake, P, told(("a", 340, 8.0, 15)), run="r", fetched_at=at(14.5))
    assert observations.known_at(lake, P, at(14.9)).filter(pl.col("value") > 6).height == 0
    assert observations.known_at(lake, P, at(15.1))["value"].max() == 8.0


def test_a_sparse_value_that_vanishes_from_a_covered_hour_becomes_zero(lake, at, told, add):
    covered = [("", 1, 1.0, 2, "covered"), ("", 2, 1.0, 2, "covered")]
    add(told(("a", 1, 2.0, 2), ("b", 1, 1.0, 2), ("b", 3, 1.0, 2), *covered), days=10)
    again = told(("b", 1, 1.0, 2), *covered)
    assert add(again, days=11) == 0
    assert add(again, days=12, sparse=("bikes",)) == 1
    assert add(again, days=13, sparse=("bikes",)) == 0
    assert [row for row in history(lake) if row[0] == "a"][-1] == ("a", 1, 0.0, at(12), "seen")
    assert add(told(("a", 1, 2.0, 2), ("b", 1, 1.0, 2), *covered), days=14, sparse=("bikes",)) == 1


def test_versions_are_cut_by_time(lake, at, told, add):
    add(told(*[("a", h, float(h), 3) for h in range(48)]), days=10)
    rows = observations.versions(lake, P, since=at(1), until=at(1, 3))
    assert rows["value"].to_list() == [24.0, 25.0, 26.0]


def test_data_to_is_the_newest_interval_with_a_value(lake, at, told, add):
    assert observations.data_to(lake, P) is None
    add(told(("a", 1, 5.0, 2), ("a", 2, 5.0, 11), ("b", 30, None, 2)), days=12)
    assert observations.data_to(lake, P) == at(0, 2)
    assert observations.data_to(lake, P, at=at(11)) == at(0, 1)


def test_a_kill_between_raw_and_observations_leaves_equal_tables(tmp_path, at, told, page, kept):
    def pull(lake: Lake, *, is_killed: bool = False) -> None:
        raw.keep(lake, page(days=12), **kept)
        if is_killed:
            return
        fetched_at = raw.read(lake, P, "counts")[-1].fetched_at
        frame = told(("a", 1, 5.0, 2), ("a", 2, None, 3), ("b", 2, 4.0, 12))
        observations.add(lake, P, frame, run="r", fetched_at=fetched_at)

    clean, torn = Lake.open(tmp_path / "clean"), Lake.open(tmp_path / "torn")
    pull(clean)
    pull(torn, is_killed=True)
    pull(torn)
    pull(torn)
    for table in ("raw", "observations"):
        assert clean.scan(table).collect().equals(torn.scan(table).collect())


def test_writers_of_one_frame_at_once_write_it_once(lake, at, told):
    frame = told(*[(f"c{i}", h, 1.0, 3) for i in range(5) for h in range(24)])
    other = Lake.open(lake.url)
    lakes = [lake, lake, other, other]
    with ThreadPoolExecutor(4) as pool:
        written = pool.map(lambda one: observations.add(one, P, frame, run="r", fetched_at=at(4)), lakes)
    assert sum(written) == 120
    assert observations.versions(lake, P).height == 120


def test_a_version_named_twice_in_a_frame_is_refused(told, add):
    with pytest.raises(ContractError, match="one row a key"):
        add(told(("a", 1, 5.0, 2), ("a", 1, 6.0, 2)), days=10)


def test_a_frame_without_a_declared_time_is_refused(told, add):
    with pytest.raises(ContractError, match=r"observations.available_at: expected columns"):
        add(told(("a", 1, 5.0, 2)).drop("available_at"), days=10)
