"""Watch on a small town: measured once, told once, resolved by itself; nobody listening fails nothing."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from pytest_httpserver import HTTPServer

from tests.flows.conftest import NOW, Open
from urbancast.flows import cycle, forecast, pull, watch
from urbancast.flows.job import Job, step
from urbancast.lake import alerts, deliveries, drift, observations, serving
from urbancast.lake.store import Lake
from urbancast.monitoring.channels import Log, Webhook
from urbancast.registry import release as registry

DAY = timedelta(days=1)
P = "riverton"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the one lake that begins once for all tests here."""
    return tmp_path_factory.mktemp("begun") / "lake"


@pytest.fixture
def begun(kept: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake that has begun: pulled, forecast by its baseline."""
    if not serving.current(Lake.open(kept)):
        with riverton(Lake.open(kept)) as (job, _):
            cycle.begin(job)
    shutil.copytree(kept, tmp_path / "own")
    return Lake.open(tmp_path / "own")


def told(server: HTTPServer) -> list[tuple[str, str, str]]:
    """What arrived: alert, state, severity; then forgotten."""
    found = [json.loads(request.get_data()) for request, _ in server.log]
    server.clear_log()
    return [(one["alert"], one["state"], one["severity"]) for one in found]


def test_a_sound_day_raises_nothing_and_a_second_watch_changes_nothing(begun: Lake, riverton: Open) -> None:
    with riverton(begun) as (job, _):
        seen = watch.run(job)
        rows = drift.read(begun, P)
        again = watch.run(job)
    assert (seen.opened, seen.found) == ((), ())
    assert seen.days == ((NOW - DAY).date(),)
    assert set(zip(rows["kind"], rows["signal"], strict=True)) >= {("target", "level-shift"), ("missing", "share")}
    assert (again.rows, again.days) == (0, ())
    assert drift.read(begun, P).equals(rows)
    assert alerts.read(begun, P).is_empty()


def test_a_late_source_is_told_once_and_ends_by_itself(begun: Lake, riverton: Open, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    to = [Webhook(url=httpserver.url_for("/hook"))]
    with riverton(begun) as (job, _):
        late = watch.run(job.at(NOW + 2 * DAY), to=to)
        assert set(late.opened) == {"stale-source:counts", "stale-forecast"}
        assert set(told(httpserver)) == {
            ("stale-source:counts", "open", "warning"), ("stale-forecast", "open", "critical"),
        }  # fmt: skip
        watch.run(job.at(NOW + 2 * DAY + timedelta(hours=1)), to=to)
        assert told(httpserver) == []
        watch.run(job.at(NOW + 4 * DAY), to=to)
        assert told(httpserver) == [("stale-source:counts", "open", "critical")]
        since = alerts.current(begun, P).filter(pl.col("alert") == "stale-source:counts")["since"].item()
        assert since == NOW + 2 * DAY
        mended = job.at(NOW + 5 * DAY)
        pull.run(mended)
        forecast.run(mended)
        ended = watch.run(mended, to=to)
    assert set(ended.resolved) == {"stale-source:counts", "stale-forecast"}
    assert ended.days[-1] == (NOW + 4 * DAY).date()
    assert set(told(httpserver)) == {
        ("stale-source:counts", "resolved", "critical"), ("stale-forecast", "resolved", "critical"),
    }  # fmt: skip
    assert alerts.current(begun, P).is_empty()


def test_a_receiver_that_is_down_is_told_when_it_is_back(begun: Lake, riverton: Open) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    to = [Log(), Webhook(url=f"http://127.0.0.1:{port}/hook", wait_s=0)]
    with riverton(begun) as (job, _):
        down = watch.run(job.at(NOW + 2 * DAY), to=to)
        assert down.told == {"log": 2, "webhook": 0}
        assert "ConnectError" in down.undelivered["webhook"]
        with HTTPServer(port=port) as server:
            server.expect_request("/hook").respond_with_data("")
            back = watch.run(job.at(NOW + 2 * DAY + timedelta(hours=1)), to=to)
            assert sorted(alert for alert, _, _ in told(server)) == ["stale-forecast", "stale-source:counts"]
    assert back.told == {"log": 0, "webhook": 2}
    assert back.undelivered == {}
    outcomes = deliveries.read(begun, P).filter(pl.col("channel") == "webhook")["outcome"].cast(pl.String)
    assert outcomes.to_list() == ["failed", "sent", "sent"]


def test_a_sensor_that_falls_silent_is_told_within_a_day_and_ends_when_it_is_heard(begun: Lake, riverton: Open) -> None:
    with riverton(begun) as (job, _):
        pull.run(job.at(NOW + DAY))
        rows = observations.versions(begun, P, since=NOW - DAY).filter(pl.col("place") == "m")
        silent = rows.filter(pl.col("time").dt.convert_time_zone("Europe/Brussels").dt.date() == NOW.date())
        assert silent.height == 24
        columns = ["place", "measure", "time", "draw", "value", "available_at"]
        lost = silent.with_columns(value=pl.lit(None, pl.Float64)).select(columns)
        observations.add(begun, P, lost, run="fault", fetched_at=NOW + DAY + timedelta(minutes=1))
        seen = watch.run(job.at(NOW + DAY + timedelta(hours=1)), to=[])
        assert "dead-sensor:m" in seen.opened
        assert "missing-data:bikes" in seen.opened
        message = alerts.current(begun, P).filter(pl.col("alert") == "dead-sensor:m")["message"].item()
        assert "has sent nothing for 24 hours" in message
        pull.run(job.at(NOW + 2 * DAY))
        ended = watch.run(job.at(NOW + 2 * DAY + timedelta(hours=1)), to=[])
    assert "dead-sensor:m" in ended.resolved


def test_a_failed_run_is_told_until_it_succeeds(begun: Lake, riverton: Open) -> None:
    def fail(job: Job) -> None:
        with step(job, "run-1", "train", "fit"):
            raise MemoryError("no room for the frame")

    with riverton(begun) as (job, _):
        with pytest.raises(MemoryError):
            fail(job)
        failed = watch.run(job, to=[])
        assert failed.opened == ("failed-run:train",)
        assert "no room for the frame" in failed.found[0].message
        with step(job, "run-2", "train", "fit"):
            pass
        assert watch.run(job.at(NOW + timedelta(hours=1)), to=[]).resolved == ("failed-run:train",)


def test_a_release_that_was_changed_on_disk_is_told(begun: Lake, riverton: Open) -> None:
    served = serving.current(begun)[P]["releases"]["bikes"]
    release = registry.get(begun, P, served)
    file = next(iter(release.facts["checksums"]))
    begun.files.put(f"{release.path}/{file}", begun.files.get(f"{release.path}/{file}") + b" ")
    with riverton(begun) as (job, _):
        seen = watch.run(job, to=[])
    assert seen.opened == (f"corrupt-release:{served}",)
    assert seen.found[0].severity == "critical"


def test_a_replayed_day_is_measured_and_tells_nobody(begun: Lake, riverton: Open) -> None:
    with riverton(begun) as (job, _):
        seen = watch.run(job.at(NOW + 3 * DAY), is_replay=True)
    assert {one.kind for one in seen.found} == {"stale-source", "stale-forecast"}
    assert alerts.read(begun, P).is_empty()
    assert deliveries.read(begun, P).is_empty()
    assert drift.read(begun, P).height == seen.rows > 0


def test_a_group_that_moved_is_told_and_stays_open_until_a_week_says_no_more(begun: Lake, riverton: Open) -> None:
    day = (NOW - DAY).date()
    facts = json.dumps({"units": 2, "change": -0.2, "places": ["m", "n"], "direction": "down"})
    row = {"measure": "bikes", "kind": "target", "signal": "level-shift", "place": "", "day": day, "score": 5.0,
           "threshold": 2.6, "is_drifted": True, "n": 4, "facts": facts}  # fmt: skip
    drift.add(begun, P, pl.DataFrame([row]), run="planted")
    with riverton(begun) as (job, _):
        seen = watch.run(job, to=[])
        assert (seen.days, seen.opened) == ((), ("level-shift:bikes",))
        assert "2 places of bikes moved about -20 %" in seen.found[0].message
        pull.run(job.at(NOW + 2 * DAY))
        later = watch.run(job.at(NOW + 2 * DAY), to=[])
        assert "level-shift:bikes" not in later.resolved
        pull.run(job.at(NOW + 8 * DAY))
        ended = watch.run(job.at(NOW + 8 * DAY), to=[])
    assert "level-shift:bikes" in ended.resolved
