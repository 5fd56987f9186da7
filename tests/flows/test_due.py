"""What is owed: decided from data at rest, once for each day of any length, never while paused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, strategies as st

from tests.flows.conftest import Open
from urbancast import products
from urbancast.core.time import DAY, HOUR
from urbancast.flows import cycle, due
from urbancast.lake import observations, requests, runs, serving
from urbancast.lake.store import Lake

NINE = datetime(2026, 3, 31, 7, tzinfo=UTC)  # nine in the morning in Riverton, when the day before is published
MINUTE = timedelta(minutes=1)
OPEN = ("window_start", "window_end", "rows_claimed")  # of a page that is a file


def ran(lake: Lake, flow: str, step: str, at: datetime, *, state: runs.State = "done", **facts: Any) -> None:
    runs.record(lake, "riverton", f"{flow}-{at}", flow=flow, step=step, state=state, at=at, facts=facts)


def pulled(lake: Lake, at: datetime, *, added: int) -> None:
    ran(lake, "pull", "fetch", at, asked={"counts": at.isoformat()}, new_pages=1)
    ran(lake, "pull", "observe", at, added=added)
    ran(lake, "pull", "complete", at, asked={"counts": at.isoformat()}, window_end=at.isoformat())


def saw(lake: Lake, *, until: datetime) -> None:
    """Observations of one counter, every hour of the day before ``until``."""
    times = pl.datetime_range(until - DAY, until, "1h", closed="left", eager=True, time_zone="UTC", time_unit="us")
    frame = pl.DataFrame({"time": times}).select(
        "time", place=pl.lit("a"), measure=pl.lit("bikes"), draw=pl.lit(0, pl.Int64), value=pl.lit(1.0),
        available_at=pl.col("time") + pl.duration(hours=1),
    )  # fmt: skip
    observations.add(lake, "riverton", frame, run="seen", fetched_at=until + HOUR)


def issued(lake: Lake, origin: datetime, *, moved_at: datetime) -> None:
    serving.move(
        lake, product="riverton", origin=origin, releases={"bikes": "one"}, versions={}, provenance="sample",
        data_to=None, moved_at=moved_at, run="forecast",
    )  # fmt: skip


@pytest.fixture
def settled(lake: Lake) -> Lake:
    """A lake in which all of the day before was done, from nine to a quarter past."""
    yesterday = NINE - DAY
    saw(lake, until=datetime(2026, 3, 29, 22, tzinfo=UTC))  # up to local midnight
    pulled(lake, yesterday, added=24)
    issued(lake, yesterday, moved_at=yesterday + 5 * MINUTE)
    for minute, flow, step in ((10, "verify", "show"), (11, "watch", "tell"), (12, "retrain", "decide")):
        ran(lake, flow, step, yesterday + minute * MINUTE)
    return lake


def stages(lake: Lake, now: datetime) -> list[str]:
    return [one.stage for one in due.owed(lake, "riverton", now)]


def test_a_new_product_owes_its_beginning_alone(lake: Lake) -> None:
    assert stages(lake, NINE) == ["begin"]


def test_nothing_is_owed_once_all_is_done(settled: Lake) -> None:
    assert stages(settled, NINE - DAY + 20 * MINUTE) == []


def test_a_source_is_asked_when_its_publication_falls_due_and_not_before(settled: Lake) -> None:
    assert "pull" not in stages(settled, NINE - MINUTE)
    first = due.owed(settled, "riverton", NINE)[0]
    assert (first.stage, first.since) == ("pull", NINE)
    assert list(due.sources(settled, "riverton", NINE)) == ["counts"]


def test_one_asked_just_before_its_publication_is_asked_again_after_it(settled: Lake) -> None:
    pulled(settled, NINE - HOUR, added=0)
    told = due.owed(settled, "riverton", NINE)[0]
    assert (told.stage, told.since) == ("pull", NINE)
    assert told.reason == "counts misses 1 updates, last asked at 2026-03-31T06:00:00Z"


def test_a_late_portal_is_asked_again_every_hour_and_no_oftener(settled: Lake) -> None:
    pulled(settled, NINE, added=0)
    asked = [minute for minute in range(1, 121) if "pull" in stages(settled, NINE + minute * MINUTE)]
    assert asked == list(range(60, 121))


def test_portals_are_asked_hourly_whether_they_have_anything_new_unless_a_pull_is_due(settled: Lake) -> None:
    yesterday = NINE - DAY
    asked = [minute for minute in range(0, 90, 10) if "probe" in stages(settled, yesterday + minute * MINUTE)]
    assert asked == [60, 70, 80]
    ran(settled, "probe", "portals", yesterday + HOUR, modified={"counts": yesterday.isoformat()})
    asked = [minute for minute in range(60, 180, 10) if "probe" in stages(settled, yesterday + minute * MINUTE)]
    assert asked == [120, 130, 140, 150, 160, 170]
    assert [stage for stage in stages(settled, NINE) if stage in ("probe", "pull")] == ["pull"]


def test_what_changed_at_its_portal_is_asked_for(settled: Lake) -> None:
    changed, seen = NINE - 5 * HOUR, NINE - 4 * HOUR
    ran(settled, "probe", "portals", seen, modified={"counts": changed.isoformat()})
    first = due.owed(settled, "riverton", seen)[0]
    assert (first.stage, first.since) == ("pull", changed)
    assert first.reason == "counts changed at its portal at 2026-03-31T02:00:00Z, last asked at 2026-03-30T07:00:00Z"
    pulled(settled, seen, added=0)
    assert "pull" not in stages(settled, seen + 2 * HOUR)


def test_files_are_not_asked_again(lake: Lake) -> None:
    page = dict.fromkeys(("sha256", "query", "layout", "url", "path", "licence", "run"), "file")
    fetched = {"product": "riverton", "source": "counts", "provenance": "extract", "rows_received": 9}
    lake.append("raw", pl.DataFrame([{**page, **fetched, "fetched_at": NINE, **dict.fromkeys(OPEN)}]))
    pulled(lake, NINE - 9 * DAY, added=9)
    issued(lake, NINE, moved_at=NINE)
    assert "pull" not in stages(lake, NINE)
    assert due.sources(lake, "riverton", NINE) == {}


def test_new_observations_owe_a_score_and_the_days_forecast(settled: Lake) -> None:
    at = NINE - 2 * HOUR  # earlier than a day after the last forecast
    assert "forecast" not in stages(settled, at + MINUTE)
    pulled(settled, at, added=5)
    assert [stage for stage in stages(settled, at + MINUTE) if stage in ("forecast", "verify")] == [
        "forecast",
        "verify",
    ]
    issued(settled, at, moved_at=at + 2 * MINUTE)
    pulled(settled, at + HOUR, added=5)
    assert "forecast" not in stages(settled, at + HOUR + MINUTE)  # today's is there


def test_a_repeated_pull_owes_no_score(settled: Lake) -> None:
    pulled(settled, NINE, added=0)
    assert "verify" not in stages(settled, NINE + MINUTE)


def test_a_decision_about_training_is_owed_daily_and_a_watch_hourly(settled: Lake) -> None:
    watched, decided = NINE - DAY + 11 * MINUTE, NINE - DAY + 12 * MINUTE
    assert "watch" not in stages(settled, watched + 59 * MINUTE)
    assert "watch" in stages(settled, watched + 60 * MINUTE)
    ran(settled, "watch", "tell", decided + DAY - 2 * MINUTE)
    assert "watch" not in stages(settled, decided + DAY - MINUTE)
    assert "retrain" in stages(settled, decided + DAY)


def test_a_training_that_became_due_is_owed_with_the_reason_of_its_rules(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
    now = datetime.now(UTC)  # what ran is told by the clock on the wall
    ran(lake, "retrain", "decide", now - HOUR)
    assert "retrain" not in stages(lake, now)
    ran(lake, "verify", "show", now - MINUTE)
    told = {one.stage: one.reason for one in due.owed(lake, "riverton", now)}["retrain"]
    assert told.startswith(("never trained, and the history is enough", "too little history"))


@pytest.mark.parametrize(("failures", "rest_min"), [(1, 5), (2, 10), (3, 20), (5, 60), (9, 60)])
def test_what_failed_rests_the_longer_the_oftener(settled: Lake, failures: int, rest_min: int) -> None:
    for turn in range(failures):
        at = NINE - (failures - 1 - turn) * MINUTE
        ran(settled, "pull", "fetch", at, state="failed", error="PortalError")
    rest = rest_min * MINUTE
    assert "pull" not in stages(settled, NINE + rest - MINUTE)
    assert "pull" in stages(settled, NINE + rest)


def test_what_was_stopped_from_outside_does_not_rest(settled: Lake) -> None:
    ran(settled, "pull", "fetch", NINE, state="failed", error="KeyboardInterrupt")
    assert "pull" in stages(settled, NINE + MINUTE)


def ask(lake: Lake, verb: str, at: datetime) -> None:
    requests.ask(lake, "riverton", f"{verb}-{at}", verb=verb, arguments={}, by="ana", at=at)


def test_a_request_comes_first_and_while_paused_nothing_else(settled: Lake) -> None:
    ask(settled, "pause", NINE)
    told = due.owed(settled, "riverton", NINE)
    assert (told[0].stage, told[0].reason) == ("request", "ana asks to pause")
    assert len(told) > 1
    for state in ("taken", "done"):
        requests.mark(settled, "riverton", f"pause-{NINE}", state=state, at=NINE + MINUTE)  # type: ignore[arg-type]
    assert stages(settled, NINE + DAY) == []
    ask(settled, "resume", NINE + DAY)
    assert stages(settled, NINE + DAY) == ["request"]


def test_upkeep_is_owed_once_a_night_also_where_the_machine_slept(lake: Lake) -> None:
    night = datetime(2026, 3, 31, 3, tzinfo=UTC)

    def kept(at: datetime) -> None:
        runs.record(lake, due.EVERY, f"maintain-{at}", flow="maintain", step="upkeep", state="done", at=at)

    kept(night - DAY)
    assert due.owed(lake, due.EVERY, night - MINUTE) == []
    assert [one.stage for one in due.owed(lake, due.EVERY, night)] == ["maintain"]
    kept(night + 9 * HOUR)
    assert due.owed(lake, due.EVERY, night + DAY - MINUTE) == []
    assert [one.since for one in due.owed(lake, due.EVERY, night + 3 * DAY + HOUR)] == [night + 3 * DAY]


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += HOUR


# Weeks in which the clocks change, in spring and in autumn.
CHANGES: Mapping[str, tuple[datetime, datetime]] = {
    "Europe/Paris": (datetime(2026, 3, 25, tzinfo=UTC), datetime(2026, 10, 21, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC)),
}


@given(tz=st.sampled_from(list(CHANGES)), season=st.integers(0, 1), begun=st.integers(0, 23))
def test_days_of_23_and_25_hours_have_one_forecast_each(tz: str, season: int, begun: int) -> None:
    start = CHANGES[tz][season]
    origin, zone = start + begun * HOUR, ZoneInfo(tz)
    made = [origin]
    for now in hours(origin, start + 9 * DAY):
        if due.elapsed(made[-1], now, tz, step=DAY) >= DAY:
            made.append(now)
    days = [at.astimezone(zone).date() for at in made]
    assert days == [days[0] + n * DAY for n in range(len(days))]
    lengths = {at.astimezone(zone).date(): 0 for at in hours(start, start + 9 * DAY)}
    for at in hours(start, start + 9 * DAY):
        lengths[at.astimezone(zone).date()] += 1
    assert (25 if season else 23) in lengths.values()


def test_work_begun_within_an_hour_is_about_its_start(lake: Lake) -> None:
    assert due.moment(products.get("riverton"), NINE + 59 * MINUTE) == NINE
