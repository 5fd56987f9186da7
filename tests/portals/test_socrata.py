from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from urbancast.core.errors import ContractError, PortalError
from urbancast.core.product import Window
from urbancast.portals import read

QUERY = {"time_field": "crash_date", "tz": "America/New_York", "order": "crash_date", "limit": 100}


@pytest.fixture
def crashes(source):
    return source("socrata", "h9gi-nx95", query=QUERY)


def whole(pages) -> pl.DataFrame:
    return pl.concat([read.native(page) for page in pages], how="diagonal_relaxed")


def test_pages_hold_every_row_of_the_window_once(pull, crashes, week):
    pages = pull(crashes, week)
    rows = whole(pages)
    assert len(pages) == 6
    assert [page.rows_received for page in pages] == [page.rows_claimed for page in pages]
    assert rows["collision_id"].n_unique() == rows.height == sum(page.rows_received for page in pages)
    assert rows.height == 3 * (7 * 24 + 1)  # three an hour for seven local days, one of them of 25 hours


def test_floating_times_are_asked_in_local_time_and_whole_days(pull, crashes, emulator):
    noon = datetime(2026, 10, 20, 16, tzinfo=UTC)
    rows = whole(pull(crashes, Window(start=noon, end=noon + timedelta(hours=1))))
    assert rows["crash_date"].min() == "2026-10-20T00:00:00.000"
    assert rows["crash_date"].max() == "2026-10-20T23:40:00.000"
    assert any("crash_date+%3E%3D+%272026-10-20T00%3A00%3A00.000%27" in path for path in emulator.asked)


def test_null_fields_are_left_out_and_no_row_is_lost(pull, crashes, week):
    page = pull(crashes, week)[0]
    assert page.payload.count(b'"street"') == 50
    rows = read.native(page)
    assert rows.height == 100
    assert rows["street"].null_count() == 50
    assert rows["street"].drop_nulls()[0] == '5 "Quai" Av\\e\nnue é'


def test_csv_and_json_hold_the_same_rows(pull, source, week):
    as_csv = source("socrata", "h9gi-nx95", query={**QUERY, "format": "csv"})
    one, other = whole(pull(as_csv, week)), whole(pull(source("socrata", "h9gi-nx95", query=QUERY), week))
    assert one.select(other.columns).equals(other)


def test_rows_to_come_are_not_published(pull, crashes, week, clock):
    clock.now = datetime(2026, 10, 27, 4, tzinfo=UTC)
    rows = whole(pull(crashes, week))
    # The emulator takes a floating time as its own moment of publication.
    assert rows["crash_date"].max() == "2026-10-27T04:00:00.000"


def test_a_window_without_rows_is_one_empty_page(pull, crashes):
    start = datetime(2025, 5, 1, 4, tzinfo=UTC)
    pages = pull(crashes, Window(start=start, end=start + timedelta(days=1)))
    assert [(page.rows_claimed, page.rows_received) for page in pages] == [(0, 0)]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("injured > 1", 24),
        ("injured between 1 and 2 AND street IS NOT NULL", 24),
        ("injured = 0 OR injured = 2", 48),
        ("street IS NULL", 36),
    ],
)
def test_a_condition_is_kept_beside_the_window(pull, source, where, count):
    day = Window(start=datetime(2026, 10, 20, 4, tzinfo=UTC), end=datetime(2026, 10, 21, 4, tzinfo=UTC))
    rows = whole(pull(source("socrata", "h9gi-nx95", query={**QUERY, "where": where}), day))
    assert rows.height == count


@pytest.mark.parametrize("kind", ["repeated_page", "shuffled_page", "wrong_count", "cut_body"])
def test_a_lie_told_once_is_asked_again(pull, crashes, week, emulator, kind):
    emulator.faults.inject(kind, match="resource")
    rows = whole(pull(crashes, week))
    assert rows["collision_id"].n_unique() == rows.height > 500


@pytest.mark.parametrize("kind", ["repeated_page", "shuffled_page"])
def test_pages_that_overlap_are_refused(pull, crashes, week, emulator, kind):
    emulator.faults.inject(kind, times=99)
    with pytest.raises(PortalError, match="twice"):
        pull(crashes, week)


def test_a_wrong_count_is_refused(pull, crashes, week, emulator):
    emulator.faults.inject("wrong_count", times=99)
    with pytest.raises(PortalError, match=r"socrata: expected \d+ rows .* nothing is kept"):
        pull(crashes, week)


def test_half_a_page_is_refused(pull, crashes, week, emulator):
    emulator.faults.inject("cut_body", times=99, match="$limit=100")
    with pytest.raises(PortalError, match="expected readable application/json"):
        pull(crashes, week)


def test_an_unknown_dataset_is_named(pull, source, week):
    with pytest.raises(PortalError, match="404"):
        pull(source("socrata", "none-such", query=QUERY), week)


def test_a_condition_the_portal_cannot_read_is_not_tried_again(pull, source, week, emulator):
    with pytest.raises(PortalError, match=r"400.*check the source's query"):
        pull(source("socrata", "h9gi-nx95", query={**QUERY, "where": "no_such > 1"}), week)
    assert len(emulator.asked) == 1


def test_a_source_without_its_time_zone_is_refused(pull, source, week):
    with pytest.raises(ContractError, match="'tz'"):
        pull(source("socrata", "h9gi-nx95", query={"time_field": "crash_date"}), week)


def test_chunks_meet_at_local_midnights_and_no_row_comes_twice(pull, source, week):
    whole_week = whole(pull(source("socrata", "h9gi-nx95", query=QUERY), week))
    pages = pull(source("socrata", "h9gi-nx95", query=QUERY, chunk=timedelta(days=2)), week)
    windows = list(dict.fromkeys((page.window.start, page.window.end) for page in pages))
    assert [start for start, _ in windows] == [datetime(2026, 10, day, 4, tzinfo=UTC) for day in (26, 28, 30)] + [
        datetime(2026, 11, 1, 4, tzinfo=UTC)
    ]
    assert windows[-1][1] == week.end
    assert whole(pages)["collision_id"].to_list() == whole_week["collision_id"].to_list()
