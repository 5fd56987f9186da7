"""`urbancast status`: how every product stands, in a terminal of 100 columns and as JSON."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.flows.conftest import NOW, Open
from urbancast.cli import app
from urbancast.core.errors import PortalError
from urbancast.flows import asked, cycle, retraining, standing, watch
from urbancast.flows.job import step
from urbancast.lake import alerts, leases, requests
from urbancast.lake.store import Lake

P = "riverton"


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that lived one first day when the first test asks."""
    return tmp_path_factory.mktemp("standing") / "lake"


@pytest.fixture
def lake(first_day: Path, riverton: Open, tmp_path: Path) -> Lake:
    """A lake of this test alone after a first day: begun, watched, and asked whether a training is due."""
    if not first_day.exists():
        with riverton(Lake.open(str(first_day))) as (job, _):
            cycle.begin(job)
            watch.run(job, to=())
            with step(job, job.run_id(retraining.FLOW), retraining.FLOW, "decide") as facts:
                need = retraining.decide(job)
                facts.update({**need.facts, "is_due": need.is_due, "reason": need.reason})
    shutil.copytree(first_day, tmp_path / "own")
    return Lake.open(str(tmp_path / "own"))


def row(lake: Lake, product: str = P, **at: Any) -> dict[str, Any]:
    return next(one for one in standing.read(lake, **at) if one["product"] == product)


def shown(lake: Lake, *, width: int = 100) -> str:
    out = Console(file=StringIO(), width=width, color_system=None)
    for table in standing.tables([row(lake)]):
        out.print(table)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_it_says_what_serves_from_which_data_and_how_late_each_source_is(lake: Lake) -> None:
    found = row(lake, now=NOW)
    assert found["provenance"] == "sample"
    assert found["origin"] == "2026-03-31T10:00:00Z"
    assert found["serving"]["measures"][0]["candidate"] == "seasonal_naive"
    assert found["releases"] == {"bikes": found["serving"]["measures"][0]["release"]}
    assert [(one["source"], one["missed_updates"], one["is_late"]) for one in found["freshness"]] == [
        ("counts", 0, False)
    ]


def test_freshness_is_counted_at_this_moment_not_at_the_last_watch(lake: Lake) -> None:
    late = row(lake, now=NOW + timedelta(days=5))["freshness"][0]
    assert (late["missed_updates"], late["is_late"]) == (5, True)


def test_it_says_whether_a_training_is_due_and_why(lake: Lake) -> None:
    found = row(lake)["retraining"]
    assert isinstance(found["is_due"], bool)
    assert found["reason"]
    due = "due" if found["is_due"] else "not due"
    assert f"{due}: {found['reason']}"[:40] in " ".join(shown(lake, width=400).split())


def test_a_failed_run_an_alert_and_a_pause_are_seen_at_100_columns(lake: Lake, riverton: Open) -> None:
    reason = "counts: expected rows, found status 503 four times; the portal is down, and it was asked with patience"
    with riverton(lake) as (job, _):
        with pytest.raises(PortalError), step(job, job.run_id("pull", "again"), "pull", "fetch"):
            raise PortalError(reason)
        requests.ask(lake, P, "q1", verb="pause", arguments={}, by="ana", at=NOW)
        asked.run(job)
    alerts.open_alert(
        lake, P, alert="disk-full", severity="critical", message="2 GB are left.", action="", at=NOW, run="w"
    )
    requests.ask(lake, P, "q2", verb="retrain", arguments={}, by="ben", at=NOW + timedelta(minutes=1))
    text = shown(lake)
    assert all(len(line) <= 100 for line in text.splitlines())
    flat = " ".join(text.split())
    for told in ("riverton", "critical", "paused", "simulated", "2 GB are left.", "retrain by ben, asked", reason):
        assert told in flat, (told, text)
    assert standing.read(lake)[0]["product"] == P  # the worst comes first


def test_who_is_at_work_is_named(lake: Lake) -> None:
    assert row(lake)["doing"] is None
    with leases.hold(lake, P):
        assert row(lake)["doing"]["by"] == shown_holder(lake)
    assert row(lake)["doing"] is None


def shown_holder(lake: Lake) -> str:
    held = leases.current(lake, P)
    assert held is not None
    who = json.loads(held.holder)
    return f"process {who['pid']} on {who['host']}"


def test_the_command_prints_the_same_as_json(lake: Lake) -> None:
    done = CliRunner().invoke(app, ["status", "--json", "--lake", lake.url], catch_exceptions=False)
    assert done.exit_code == 0
    told = {one["product"]: one for one in json.loads(done.stdout)}
    mine = row(lake)
    assert told[P]["releases"] == mine["releases"]
    assert told[P]["retraining"] == mine["retraining"]
    assert {one["state"] for name, one in told.items() if name != P} == {"waiting"}
    plain = CliRunner().invoke(app, ["status", "--lake", lake.url], catch_exceptions=False)
    assert mine["releases"]["bikes"].split("-")[1] in plain.stdout


def test_the_page_that_explains_it_shows_what_is_there(lake: Lake) -> None:
    with leases.hold(lake, P):
        alerts.open_alert(lake, P, alert="drift", severity="warning", message="m", action="a", at=NOW, run="w")
        real = row(lake)
    page = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "see-how-it-stands.md").read_text("utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example
    assert missing(json.loads(example[1]), real, "") == []


def missing(example: Any, real: Any, where: str) -> list[str]:
    """Names in the example that the real payload does not have."""
    if isinstance(example, list):
        return missing(example[0], real[0], f"{where}[0]")
    if not isinstance(example, dict) or where.endswith((".releases", ".inputs")):
        return []
    gone = [f"{where}.{name}" for name in example if name not in real]
    return gone + [
        each for name in example if name in real for each in missing(example[name], real[name], f"{where}.{name}")
    ]


def test_a_lake_that_holds_nothing_is_waited_for(tmp_path: Path) -> None:
    found = standing.read(Lake.open(str(tmp_path / "empty")))
    assert {one["state"] for one in found} == {"waiting"}
    assert all(one["serving"] is None and one["last_step"] is None for one in found)
