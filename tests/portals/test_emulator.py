from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.product import Layout, Window
from urbancast.core.time import UTC_US
from urbancast.portals import by_name, layouts, read
from urbancast.portals.emulator import Emulator
from urbancast.portals.emulator_data import Dataset, bounds
from urbancast.portals.session import Session

DAY = Window(start=datetime(2026, 10, 20, tzinfo=UTC), end=datetime(2026, 10, 21, tzinfo=UTC))
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("date >= '2026-10-01T00:00:00' AND date < '2026-10-03'", ("2026-10-01", "2026-10-04")),
        ("(a > 1 OR b > 1) AND date >= date'2026-10-01'", ("2026-10-01", None)),
        ("date between '2026-10-01T00:00:00' and '2026-10-03T00:00:00'", ("2026-10-01", "2026-10-04")),
        ("date >= '2026-10-01' OR a > 1", (None, None)),
        ("NOT date >= '2026-10-01'", (None, None)),
        ("street IS NOT NULL AND date < '2026-10-03'", (None, "2026-10-04")),
        ("", (None, None)),
    ],
)
def test_only_a_plain_conjunction_narrows_the_days_made(where, expected):
    assert bounds("date", where) == tuple(day(text) if text else None for text in expected)


@pytest.mark.parametrize("kind", ["dropped_column", "renamed_column", "retyped_column"])
@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_a_column_that_changes_is_refused_by_name(pull, source, emulator, kind, form):
    def parse(native: pl.DataFrame) -> pl.DataFrame:
        return native.select(
            time=pl.col("date").cast(pl.String), value=pl.col("sum_counts").cast(pl.Float64, strict=False)
        )

    fields = Layout(name="fields", columns=("id_compteur", "nom_compteur", "sum_counts", "date"), parse=parse)
    schema = {"time": pl.String, "value": pl.Float64}
    query = {"time_field": "date", "format": form, "use_labels": False}
    counts = source("opendatasoft", "comptage", query=query, layouts=(fields,), schema=schema)
    (before,) = pull(counts, DAY)
    assert layouts.parse(counts, before)["value"].sum() == 3 * sum(range(24))
    emulator.faults.inject(kind, match="exports", column="sum_counts")
    (after,) = pull(counts, DAY)
    with pytest.raises(ContractError, match="sum_counts"):
        layouts.parse(counts, after)


def test_the_same_clock_gives_the_same_bytes(pull, source, week):
    crashes = source("socrata", "h9gi-nx95", query={"time_field": "crash_date", "tz": "America/New_York"})
    assert [page.payload for page in pull(crashes, week)] == [page.payload for page in pull(crashes, week)]


def test_a_rows_id_does_not_move_as_days_are_added(pull, source, week, clock):
    crashes = source("socrata", "h9gi-nx95", query={"time_field": "crash_date", "tz": "America/New_York"})
    ids = {}
    for now in (NOW - timedelta(days=3), NOW):
        clock.now = now
        rows = pl.concat([read.native(page) for page in pull(crashes, week)])
        ids[now] = rows.select(":id", "collision_id")
    early, late = ids.values()
    assert early.height < late.height
    assert early.join(late, on=[":id", "collision_id"], how="anti").is_empty()


def test_rows_are_shown_as_they_were_before_their_revision(source):
    def rows(window: Window) -> pl.DataFrame:
        times = [time for time in (DAY.start, DAY.start + timedelta(hours=1)) if window.start <= time < window.end]
        return pl.DataFrame({"date": times, "n": [7] * len(times)}, schema={"date": UTC_US, "n": pl.Int64})

    def revised(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        return frame if at >= DAY.end else frame.with_columns(n=pl.lit(5, dtype=pl.Int64))

    fields = {"protocol": "opendatasoft", "id": "n", "rows": rows, "time": "date", "revised": revised}
    now = DAY.start + timedelta(hours=2)
    with Emulator([fields], clock=lambda: now) as emulator, Session.of(link=emulator.url) as session:
        counts = source("opendatasoft", "n", query={"format": "parquet"})
        fetch = by_name("opendatasoft").fetch
        (early,) = fetch(counts, None, session=session, now=now, url=emulator.url)
        now = DAY.end
        (late,) = fetch(counts, None, session=session, now=now, url=emulator.url)
    assert [read.native(page)["n"].to_list() for page in (early, late)] == [[5, 5], [7, 7]]


def test_the_nearest_city_answers_for_the_weather(source):
    def climate(degrees: float):
        def rows(window: Window) -> pl.DataFrame:
            return pl.DataFrame({"time": [DAY.start], "temperature_2m": [degrees]}).with_columns(
                pl.col("time").cast(UTC_US)
            )

        return rows

    north = Dataset(protocol="open_meteo", id="north", rows=climate(-5.0), time="time", latitude=60, longitude=10)
    south = replace(north, id="south", rows=climate(35.0), latitude=37, longitude=-5)
    with Emulator([north, south], clock=lambda: NOW) as emulator:
        query = {"latitude": 40, "longitude": -3, "hourly": "temperature_2m"}
        query |= {"start_date": "2026-10-20", "end_date": "2026-10-20"}
        hourly = httpx.get(f"{emulator.url}/v1/archive", params=query).json()["hourly"]
    assert hourly["temperature_2m"][:2] == [35.0, None]


def test_only_the_names_of_portals_are_portals():
    for name in ("session", "no_such_portal", "../socrata"):
        with pytest.raises(ContractError, match=r"has fetch\(\)"):
            by_name(name)


def test_an_unknown_fault_is_refused(emulator):
    with pytest.raises(ContractError, match="'plague'"):
        emulator.faults.inject("plague")
