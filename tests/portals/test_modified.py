"""When a portal's content last changed: by its own word, without a row being sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pytest_httpserver import HTTPServer

from tests.portals.conftest import HURRIED, NOW, START, Clock, counts
from urbancast import portals
from urbancast.core.errors import PortalError
from urbancast.core.product import Source
from urbancast.portals.emulator import Emulator
from urbancast.portals.emulator_data import Dataset
from urbancast.portals.session import Session

Make = Callable[..., Source]
Ask = Callable[[Source], datetime | None]
SIX = datetime(2026, 11, 2, 6, tzinfo=UTC)


@pytest.fixture
def ask(emulator: Emulator, session: Session) -> Ask:
    def modified(source: Source) -> datetime | None:
        return portals.modified(source, session=session, now=NOW, url=emulator.url)

    return modified


def test_explore_tells_when_the_records_were_processed(
    ask: Ask, source: Make, emulator: Emulator, clock: Clock
) -> None:
    known = source("opendatasoft", "comptage")
    assert ask(known) == SIX  # every morning
    clock.now = SIX - timedelta(minutes=1)
    assert ask(known) == SIX - timedelta(days=1)
    assert set(emulator.asked) == {"/api/explore/v2.1/catalog/datasets/comptage"}


def test_soda_tells_when_rows_were_updated(ask: Ask, source: Make, emulator: Emulator) -> None:
    assert ask(source("socrata", "h9gi-nx95")) == datetime(2026, 11, 2, 6, 20, tzinfo=UTC)
    assert emulator.asked == ["/api/views/h9gi-nx95.json"]


def test_a_file_tells_by_its_headers_alone(ask: Ask, source: Make, emulator: Emulator) -> None:
    assert ask(source("files", "counts")) == SIX
    assert (emulator.asked, emulator.sent_bytes) == (["/files/counts"], 0)


def test_of_files_by_quarter_the_newest_that_is_there_tells(source: Make, session: Session, clock: Clock) -> None:
    def a_month_later(time: pl.Expr) -> pl.Expr:
        return time.dt.truncate("1h") + pl.duration(days=30)

    tickets = Dataset(
        protocol="file", id="tickets", rows=counts, time="date", every="quarter", published=a_month_later, start=START
    )
    known = source("files", "tickets", publication=a_month_later, query={"every": "quarter", "tz": "UTC"})
    last_hour = datetime(2026, 9, 30, 23, tzinfo=UTC)
    with Emulator([tickets], clock=lambda: clock.now) as running:
        clock.now = NOW
        assert portals.modified(known, session=session, now=NOW, url=running.url) == last_hour + timedelta(days=30)
        clock.now = before = datetime(2026, 10, 29, tzinfo=UTC)
        found = portals.modified(known, session=session, now=before, url=running.url)
    assert found == datetime(2026, 6, 30, 23, tzinfo=UTC) + timedelta(days=30)


def test_a_table_without_time_never_changes(source: Make, session: Session, clock: Clock) -> None:
    def zones(_: Any) -> pl.DataFrame:
        return pl.DataFrame({"zone": ["a"]})

    with Emulator([Dataset(protocol="file", id="zones", rows=zones, start=START)], clock=lambda: clock.now) as running:
        found = portals.modified(source("files", "zones"), session=session, now=NOW, url=running.url)
    assert found == START


def test_a_local_file_has_the_time_of_the_file_system(source: Make, session: Session, tmp_path: Path) -> None:
    for number, name in enumerate(("a.csv", "b.csv")):
        (tmp_path / name).write_text("x\n1\n")
        os.utime(tmp_path / name, (0, 1_000_000 + number))
    found = portals.modified(source("files", "a"), session=session, now=NOW, url=str(tmp_path))
    assert found == datetime.fromtimestamp(1_000_001, UTC)


def test_weather_tells_nothing(ask: Ask, source: Make) -> None:
    known = source("open_meteo", "city")
    assert not portals.tells(known)
    assert ask(known) is None


@pytest.mark.parametrize(
    ("portal", "path", "key"),
    [
        ("opendatasoft", "/api/explore/v2.1/catalog/datasets/x", "data_processed"),
        ("socrata", "/api/views/x.json", "rowsUpdatedAt"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"metas": {"default": {"data_processed": "soon"}}, "rowsUpdatedAt": "soon"}',
        '{"metas": {"default": {"data_processed": "2026-11-02T06:00:00"}}}',
        "[",
    ],
)
def test_an_answer_that_does_not_say_it_is_refused(
    source: Make, httpserver: HTTPServer, portal: str, path: str, key: str, body: str
) -> None:
    httpserver.expect_request(path).respond_with_data(body, content_type="application/json")
    url = httpserver.url_for("").rstrip("/")
    with Session.of(link=url, policy=HURRIED) as session, pytest.raises(PortalError, match=key):
        portals.modified(source(portal, "x"), session=session, now=NOW, url=url)


def test_a_date_that_cannot_be_read_is_refused(source: Make, httpserver: HTTPServer) -> None:
    headers = {"Last-Modified": "soon"}
    httpserver.expect_request("/x.csv", method="HEAD").respond_with_data("", content_type="text/csv", headers=headers)
    url = httpserver.url_for("/x.csv")
    with (
        Session.of(link=url, policy=HURRIED) as session,
        pytest.raises(PortalError, match="Last-Modified, found 'soon'"),
    ):
        portals.modified(source("files", "x"), session=session, now=NOW, url=url)


def test_a_file_whose_server_does_not_say_is_of_no_known_time(source: Make, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x.csv", method="HEAD").respond_with_data("", content_type="text/csv")
    url = httpserver.url_for("/x.csv")
    with Session.of(link=url, policy=HURRIED) as session:
        assert portals.modified(source("files", "x"), session=session, now=NOW, url=url) is None
