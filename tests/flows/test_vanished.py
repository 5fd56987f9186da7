"""A portal gone for a month, and a release whose file was damaged: what was forecast is served, aged and told of."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from tests.flows.conftest import NOW, Open
from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.errors import PortalError
from urbancast.core.time import iso
from urbancast.flows import cycle, forecast, pull, verify, watch
from urbancast.flows.job import Job
from urbancast.lake import alerts, deliveries, observations, quarantine, runs, scores, verdicts
from urbancast.lake.store import Lake
from urbancast.monitoring.channels import Log
from urbancast.portals.session import Policy

DAY = timedelta(days=1)
RETURN = NOW + 30 * DAY
HURRIED = Policy(attempts=1, wait_initial_s=0)
P = "riverton"


@pytest.fixture
def begun(tmp_path: Path, riverton: Open) -> Lake:
    lake = Lake.open(tmp_path / "begun")
    with riverton(lake) as (job, _):
        cycle.begin(job)
    return lake


def asked(lake: Lake, now: datetime, at: datetime, *paths: str) -> list[Any]:
    """What the API says at a moment: the answer for a place and time, then other paths."""
    app = create_app(lake.url, catalog={P: products.get(P)}, clock=lambda: now, poll_seconds=0)
    with TestClient(app) as client:
        answer = client.get(f"/v1/products/{P}/forecast", params={"place": "n", "at": iso(at)})
        assert answer.status_code == 200, answer.text
        return [answer.json(), *(client.get(path).json() for path in paths)]


def seen(lake: Lake) -> pl.DataFrame:
    """Newest value of each place and time: what is known, whenever it was learnt."""
    rows = observations.versions(lake, P).sort("available_at")
    newest = rows.unique(["place", "measure", "time", "draw"], keep="last", maintain_order=True)
    return newest.select("place", "measure", "time", "draw", "value").sort("place", "time")


def test_a_portal_gone_for_30_days_is_aged_told_once_and_caught_up(begun: Lake, riverton: Open, tmp_path: Path) -> None:
    spared = Lake.open(shutil.copytree(begun.url, tmp_path / "spared"))
    with riverton(spared) as (job, _):
        for day in (10, 20, 30):
            pull.run(job.at(NOW + day * DAY))
        verify.run(job.at(RETURN), since=NOW)
    with riverton(begun) as (job, _):
        vanished = replace(job, policy=HURRIED)
    for day in range(1, 30):
        with pytest.raises(PortalError, match=r"riverton\.counts: .*ConnectError"):
            cycle.daily(vanished.at(NOW + day * DAY))
        if day in (2, 3, 15, 29):
            watch.run(vanished.at(NOW + day * DAY), to=[Log()])
    gone = NOW + 29 * DAY
    answer, ready, status = asked(begun, gone, NOW + timedelta(hours=20), "/readyz", "/v1/status")
    assert (answer["origin"], answer["median"] > 0) == (iso(NOW), True)
    assert ready["products"][P]["origin_age_hours"] == 29 * 24
    shown = next(row for row in status["products"] if row["id"] == P)
    assert shown["freshness"]["age_hours"] >= 29 * 24
    assert shown["freshness"]["is_late"]
    open_now = alerts.current(begun, P)
    assert {"stale-source:counts", "stale-forecast"} <= set(open_now["alert"])
    told = deliveries.read(begun, P).filter(alert="stale-source:counts")
    assert told.unique(["state", "since", "channel"]).height == told.height, "told more than once"
    assert sum(row["state"] == "failed" for row in runs.read(begun, P).iter_rows(named=True)) == 29
    with riverton(begun) as (job, _):
        back = job.at(RETURN)
        pull.run(back)
        verify.run(back, since=NOW)
        forecast.run(back)
        watch.run(back, to=[Log()])
    assert seen(begun).equals(seen(spared))
    rows = [quarantine.read(lake, P).drop("run").sort(pl.all()) for lake in (begun, spared)]
    assert rows[0].equals(rows[1])
    made = [scores.read(lake, P).drop("run").sort(pl.all()) for lake in (begun, spared)]
    assert made[0].equals(made[1])
    assert made[0]["n"].sum() > 0
    assert "stale-source:counts" not in alerts.current(begun, P)["alert"].to_list()
    assert asked(begun, RETURN, RETURN + timedelta(hours=3))[0]["origin"] == iso(RETURN)


def damage(job: Job) -> str:
    """Change a file of the release that serves; the release's name."""
    release = forecast.serving_releases(job)["bikes"]
    file = next(iter(release.facts["checksums"]))
    job.lake.files.put(f"{release.path}/{file}", b"{}")
    return release.name


def test_a_damaged_release_never_silences_the_map_and_is_told_of(begun: Lake, riverton: Open) -> None:
    with riverton(begun) as (job, _):
        cycle.improve(job)
        damaged = damage(job)
        answer = asked(begun, NOW, NOW + timedelta(hours=5))[0]
        assert (answer["origin"], answer["release"]) == (iso(NOW), damaged)
        watch.run(job, to=[Log()])
        assert f"corrupt-release:{damaged}" in alerts.current(begun, P)["alert"].to_list()
        cycle.daily(job.at(NOW + DAY))
        served = forecast.serving_releases(job)["bikes"]
        decided = verdicts.read(begun, P).filter(pl.col("action") == "rolled_back")
        watch.run(job.at(NOW + DAY), to=[Log()])
    assert served.name != damaged
    assert decided.select("challenger", "champion").row(0) == (served.name, damaged)
    assert "sha256" in decided["reason"][0]
    assert asked(begun, NOW + DAY, NOW + DAY + timedelta(hours=5))[0]["origin"] == iso(NOW + DAY)
    assert f"corrupt-release:{damaged}" not in alerts.current(begun, P)["alert"].to_list()
