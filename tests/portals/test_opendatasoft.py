from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from urbancast.core.errors import PortalError
from urbancast.core.product import Window
from urbancast.portals import read

DAY = Window(start=datetime(2026, 10, 20, tzinfo=UTC), end=datetime(2026, 10, 21, tzinfo=UTC))


@pytest.fixture
def counts(source):
    def make(**query):
        return source("opendatasoft", "comptage", query={"time_field": "date", **query})

    return make


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_an_export_holds_the_hours_of_the_window(pull, counts, form):
    (page,) = pull(counts(format=form, use_labels=False), DAY)
    rows = read.native(page)
    assert page.rows_claimed == page.rows_received == rows.height == 72
    assert rows.columns == ["id_compteur", "nom_compteur", "sum_counts", "date"]
    assert set(rows["nom_compteur"]) == {"Quai A", "Quai B", 'Quai "C"; bis'}
    assert rows["sum_counts"].cast(pl.Int64).to_list() == [hour for hour in range(24) for _ in range(3)]


def test_json_times_carry_their_offset(pull, counts):
    (page,) = pull(counts(format="json"), DAY)
    assert read.native(page)["date"][0] == "2026-10-20T00:00:00+00:00"


def test_csv_has_the_portals_labels(pull, counts):
    (page,) = pull(counts(format="csv"), DAY)
    assert read.native(page).columns == [
        "Identifiant du compteur",
        "nom_compteur",
        "sum_counts",
        "Date et heure de comptage",
    ]


def test_select_where_order_and_limit_are_passed_on(pull, counts):
    query = {"select": "date, sum_counts", "where": "sum_counts >= 5", "order_by": "date desc", "limit": 4}
    (page,) = pull(counts(format="parquet", **query), DAY)
    rows = read.native(page)
    assert rows.columns == ["date", "sum_counts"]
    assert rows["sum_counts"].to_list() == [23, 23, 23, 22]


def test_yesterday_is_published_next_morning(pull, counts, clock):
    yesterday = Window(start=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2026, 11, 2, tzinfo=UTC))
    clock.now = datetime(2026, 11, 2, 5, 59, tzinfo=UTC)
    assert pull(counts(format="parquet"), yesterday)[0].rows_received == 0
    clock.now += timedelta(minutes=1)
    assert pull(counts(format="parquet"), yesterday)[0].rows_received == 72


def test_a_wrong_count_is_asked_again_then_refused(pull, counts, emulator):
    emulator.faults.inject("wrong_count")
    assert pull(counts(format="parquet"), DAY)[0].rows_received == 72
    emulator.faults.inject("wrong_count", times=99)
    with pytest.raises(PortalError, match="expected 79 rows"):
        pull(counts(format="parquet"), DAY)


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_half_an_export_is_refused(pull, counts, emulator, form):
    emulator.faults.inject("cut_body", times=9, match="exports")
    with pytest.raises(PortalError, match="ask again"):
        pull(counts(format=form), DAY)


def test_half_a_csv_is_refused_by_its_count(pull, counts, emulator):
    emulator.faults.inject("cut_body", times=9, match="exports")
    with pytest.raises(PortalError, match="expected 72 rows"):
        pull(counts(format="csv"), DAY)


def test_records_are_paged_by_at_most_a_hundred(emulator):
    address = f"{emulator.url}/api/explore/v2.1/catalog/datasets/comptage/records"
    page = httpx.get(address, params={"limit": 100, "offset": 50, "order_by": "date"}).json()
    assert len(page["results"]) == 100
    assert page["results"][0]["date"] == "2026-10-01T16:00:00+00:00"
    assert page["total_count"] == 72 * 32
    assert httpx.get(address, params={"limit": 101}).status_code == 400


def test_a_chunk_is_an_export_of_its_own(pull, source):
    query = {"time_field": "date", "format": "parquet", "order_by": "date, id_compteur"}
    fortnight = Window(start=datetime(2026, 10, 3, 7, tzinfo=UTC), end=datetime(2026, 10, 17, tzinfo=UTC))
    pages = pull(source("opendatasoft", "comptage", query=query, chunk=timedelta(days=5)), fortnight)
    (whole,) = pull(source("opendatasoft", "comptage", query=query), fortnight)
    assert [page.window.start.day for page in pages] == [3, 8, 13]
    assert pl.concat([read.native(page) for page in pages]).equals(read.native(whole))
