from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from urbancast.core.product import Licence, Source, Window
from urbancast.core.time import HOUR, UTC_US, instants
from urbancast.portals import by_name
from urbancast.portals.emulator import Emulator
from urbancast.portals.emulator_data import Dataset
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Policy, Session

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
HURRIED = Policy(attempts=3, wait_initial_s=0, read_s=0.3)


def crashes(window: Window) -> pl.DataFrame:
    """Events every 20 minutes on New York clocks; every second one lacks its street."""
    times = instants(window.start, window.end, timedelta(minutes=20))
    local = pl.Series("crash_date", times, dtype=UTC_US).dt.convert_time_zone("America/New_York")
    frame = pl.DataFrame({"crash_date": local.dt.replace_time_zone(None)})
    number = pl.int_range(pl.len())
    return frame.with_columns(
        collision_id=pl.col("crash_date").dt.timestamp("ms") // 1000 + number,
        injured=number % 3,
        street=pl.when(number % 2 == 0).then(pl.lit('5 "Quai" Av\\e\nnue é')),
    )


def counts(window: Window) -> pl.DataFrame:
    """Hourly counts of three counters, field names of the API."""
    hours = pl.DataFrame({"date": instants(window.start, window.end, HOUR)}, schema={"date": UTC_US})
    sites = pl.DataFrame({"id_compteur": ["a", "b", "c"], "nom_compteur": ["Quai A", "Quai B", 'Quai "C"; bis']})
    return hours.join(sites, how="cross").select(
        "id_compteur", "nom_compteur", sum_counts=pl.col("date").dt.hour().cast(pl.Int64), date="date"
    )


def weather(window: Window) -> pl.DataFrame:
    times = instants(window.start, window.end, HOUR)
    degrees = [float(time.hour) for time in times]
    return pl.DataFrame(
        {"time": times, "temperature_2m": degrees}, schema={"time": UTC_US, "temperature_2m": pl.Float64}
    )


def forecast(window: Window, lead_days: int) -> pl.DataFrame:
    return weather(window).with_columns(pl.col("temperature_2m") + 100 * lead_days)


def next_morning(time: pl.Expr) -> pl.Expr:
    return time.dt.truncate("1d") + pl.duration(days=1, hours=6)


START = datetime(2026, 10, 1, tzinfo=UTC)
DATASETS = {
    "crashes": Dataset(protocol="socrata", id="h9gi-nx95", rows=crashes, time="crash_date", start=START),
    "counts": Dataset(
        protocol="opendatasoft",
        id="comptage",
        rows=counts,
        time="date",
        published=next_morning,
        start=START,
        labels={"id_compteur": "Identifiant du compteur", "date": "Date et heure de comptage"},
    ),
    "weather": {"protocol": "open_meteo", "id": "city", "rows": weather, "issued": forecast, "time": "time"},
    "file": Dataset(protocol="file", id="counts", rows=counts, time="date", start=START, encoding="cp1252"),
}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emulator(clock: Clock) -> Iterator[Emulator]:
    with Emulator(DATASETS, clock=lambda: clock.now) as running:
        yield running


@pytest.fixture
def session(emulator: Emulator) -> Iterator[Session]:
    with Session.of(link=emulator.url, policy=HURRIED) as opened:
        yield opened


@pytest.fixture
def source() -> Callable[..., Source]:
    """Make a source of a portal, with whatever else a test wants to say."""

    def make(portal: str, dataset: str, **fields: Any) -> Source:
        licence = Licence(source="test", name="CC0", url="https://example.org", attribution="test")
        known: dict[str, Any] = {"name": portal, "url": "https://data.example.org", "layouts": (), "schema": {}}
        return Source(portal=portal, dataset=dataset, licence=licence, **(known | fields))

    return make


@pytest.fixture
def pull(emulator: Emulator, session: Session) -> Callable[[Source, Window | None], list[Fetched]]:
    """Fetch from the emulator with the source's own portal."""

    def run(source: Source, window: Window | None) -> list[Fetched]:
        return list(by_name(source.portal).fetch(source, window, session=session, now=NOW, url=emulator.url))

    return run


@pytest.fixture
def week() -> Window:
    """One week across the end of summer time, on New York's midnights."""
    return Window(start=datetime(2026, 10, 26, 4, tzinfo=UTC), end=datetime(2026, 11, 2, 5, tzinfo=UTC))
