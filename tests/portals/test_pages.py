from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.core.errors import ContractError, PortalError
from urbancast.core.product import Layout, Licence, Source, Window
from urbancast.core.time import local_clock
from urbancast.portals import files, layouts, media, pages, read
from urbancast.portals.emulator import Emulator
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session

NOW = datetime(2024, 9, 10, tzinfo=UTC)
TZ = "Europe/Madrid"


def as_fetched(page: pages.Page) -> Fetched:
    return Fetched(url="file:///x.csv", query=page.query, payload=page.payload, media=media.CSV, fetched_at=NOW,
                   rows_claimed=None, rows_received=page.lines, window=None)  # fmt: skip


def cut(path: Path, payload: bytes, most: int) -> list[pages.Page]:
    path.write_bytes(payload)
    return list(pages.of_file(path, most=most))


_FIELD = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zl", "Zp")), max_size=12)
_TABLE = st.lists(st.tuples(_FIELD, _FIELD), min_size=1, max_size=40)


@given(_TABLE, st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]), st.integers(80, 400), st.booleans())
def test_pages_joined_are_the_file_and_read_alone_they_hold_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], encoding: str, most: int, is_quoted: bool
) -> None:
    said = [(a, f"{b}\nand more" if is_quoted else b) for a, b in rows]
    table = pl.DataFrame(said, schema={"año": pl.String, "name": pl.String}, orient="row")
    text = table.write_csv(separator=";", quote_style="always" if is_quoted else "necessary")
    payload = text.encode(encoding)
    found = cut(tmp_path_factory.mktemp("pages") / "t.csv", payload, most)
    assert b"".join(page.payload for page in found) == payload
    assert [page.first_byte for page in found] == [sum(len(p.payload) for p in found[:i]) for i in range(len(found))]
    assert pages.is_whole([page.query for page in found])
    assert len(found) == 1 or not pages.is_whole([page.query for page in found[:-1]])
    if is_quoted:
        one = pl.concat([read.native(as_fetched(page)) for page in found])
        assert one.equals(read.frame(payload, media.CSV))


def test_no_page_is_cut_in_a_quoted_field(tmp_path: Path) -> None:
    rows = [f'{i};"a text\nof two lines; and more"\n' for i in range(200)]
    found = cut(tmp_path / "t.csv", ("id;text\n" + "".join(rows)).encode(), 500)
    assert len(found) > 5
    for page in found:
        assert read.native(as_fetched(page))["text"].unique().to_list() == ["a text\nof two lines; and more"]
        assert len(page.payload) <= 500


def test_a_stray_quote_spoils_no_other_row(tmp_path: Path) -> None:
    lines = [f"{i};plain\n" for i in range(300)]
    lines[40] = '40;5" pipe\n'
    found = cut(tmp_path / "t.csv", ("id;text\n" + "".join(lines)).encode(), 700)
    ids = pl.concat([read.native(as_fetched(page)) for page in found])["id"].cast(pl.Int64)
    assert ids.to_list() == list(range(300))


def test_the_header_and_the_encoding_stand_beside_each_page(tmp_path: Path) -> None:
    body = "".join(f"{i};CHAMBERÍ\n" for i in range(100))
    found = cut(tmp_path / "t.csv", ("id,barrio\r\n" + body).encode("cp1252"), 300)
    assert {page.query["header"] for page in found} == {"id,barrio"}
    assert sum(page.lines for page in found) == 100
    assert all(read.native(as_fetched(page))["barrio"].unique().to_list() == ["CHAMBERÍ"] for page in found)


def test_bytes_without_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PortalError, match="line end"):
        cut(tmp_path / "t.csv", b"x" * 1000, 100)


def parse(native: pl.DataFrame) -> pl.DataFrame:
    return native.select(
        time=pl.col("at").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC", strict=False),
        value=pl.col("value").cast(pl.Float64, strict=False),
    )


SOURCE = Source(
    name="tickets",
    portal="files",
    url="https://example.org/{name}",
    dataset="tickets",
    layouts=(Layout(name="plain", columns=("at", "value"), parse=parse),),
    schema={"time": pl.Datetime("us", "UTC"), "value": pl.Float64},
    licence=Licence(source="tickets", name="CC0", url="https://example.org", attribution="nobody"),
    time="time",
    publication=lambda time: local_clock(time.dt.truncate("1q").dt.offset_by("1q"), TZ, days=60, hour=0),
    query={"every": "quarter", "tz": TZ},
    is_streamed=True,
)


def rows(window: Window) -> pl.DataFrame:
    hours = pl.datetime_range(window.start, window.end, "6h", closed="left", eager=True)
    return pl.DataFrame({"at": hours.dt.strftime("%Y-%m-%d %H:%M:%S"), "value": [str(i) for i in range(hours.len())]})


DATASET = {"protocol": "file", "id": "tickets", "every": "quarter", "tz": TZ, "time": "at", "rows": rows}


def test_quarters_come_once_they_are_declared_to_be_published() -> None:
    window = Window(start=NOW - timedelta(days=300), end=NOW)
    with Emulator([DATASET], clock=lambda: NOW) as emulator, Session.of(SOURCE, link=emulator.url) as session:
        found = list(files.fetch(SOURCE, window, session=session, now=NOW, url=emulator.url))
    names = [page.url.rsplit("/", 1)[1] for page in found]
    assert names == ["tickets-2023-Q4", "tickets-2024-Q1", "tickets-2024-Q2"]
    assert found[0].window is not None
    assert found[0].window.start == datetime(2023, 9, 30, 22, tzinfo=UTC)
    frames = [layouts.parse(SOURCE, page) for page in found]
    assert all(frame.height == page.rows_received for frame, page in zip(frames, found, strict=True))


def test_a_quarter_that_is_late_is_no_error_but_none_at_all_is() -> None:
    late = {**DATASET, "published": lambda time: time + pl.duration(days=120)}
    window = Window(start=NOW - timedelta(days=300), end=NOW)
    with Emulator([late], clock=lambda: NOW) as emulator, Session.of(SOURCE, link=emulator.url) as session:
        found = list(files.fetch(SOURCE, window, session=session, now=NOW, url=emulator.url))
        assert [page.url[-2:] for page in found] == ["Q4", "Q1"]
        recent = Window(start=NOW - timedelta(days=150), end=NOW)
        with pytest.raises(PortalError, match="404"):
            list(files.fetch(SOURCE, recent, session=session, now=NOW, url=emulator.url))


def test_a_source_by_period_needs_a_rule_of_publication() -> None:
    from dataclasses import replace

    window = Window(start=NOW - timedelta(days=9), end=NOW)
    with Session.of(SOURCE) as session, pytest.raises(ContractError, match="quarter"):
        list(files.fetch(replace(SOURCE, publication=None), window, session=session, now=NOW))


def test_a_streamed_file_needs_memory_for_a_page_not_for_the_file(tmp_path: Path) -> None:
    line = b"2024-03-06 10:00:00;1234567890;" + b"x" * 200 + b"\n"
    with (tmp_path / "large.csv").open("wb") as file:
        file.write(b"at;value;text\n")
        for _ in range(90):
            file.write(line * 5000)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom urbancast.portals import pages\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "total = sum(len(page.payload) for page in pages.of_file(Path(sys.argv[1])))\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "assert total == Path(sys.argv[1]).stat().st_size, total\nassert grown < 150_000, grown\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.csv")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
