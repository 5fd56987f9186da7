"""kill -9 at every boundary of every step of every flow: the next run completes, and nothing can be told from it.

Real processes, killed by SIGKILL just before a step's start is recorded, or when its work is done and its end is not.
"""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import NOW
from tests.flows.process import Zygote
from tests.flows.tables import assert_equal, contents, served
from urbancast.lake import requests, runs
from urbancast.lake.store import Lake

TOMORROW = NOW + timedelta(days=1)
# Flow → the state of the lake it begins from, and the moment it runs at.
FLOWS = {
    "pull": ("empty", NOW),
    "probe": ("begun", TOMORROW),
    "baselines": ("pulled", NOW),
    "forecast": ("begun", TOMORROW),
    "retraining": ("begun", NOW),  # decides, backtests, trains, promotes
    "replay": ("begun", NOW),
    "verify": ("a day on", TOMORROW),
    "rollback": ("improved", NOW),
    "probation": ("improved", TOMORROW),
    "watch": ("a day on", TOMORROW),
    "asked": ("asked", TOMORROW),
    "maintain": ("a day on", TOMORROW),
    "backup": ("begun", TOMORROW),
}
# Of these, the run that is killed at a boundary is what follows the kill at the one before.
SLOW = ("retraining", "replay", "pull", "asked")
# State → the one before it and what was run since.
STATES = {
    "pulled": ("empty", [("pull", NOW)]),
    "begun": ("empty", [("begin", NOW)]),
    "improved": ("begun", [("improve", NOW)]),
    "a day on": ("begun", [("pull", TOMORROW), ("forecast", TOMORROW)]),
    "asked": ("improved", []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


def prepared(state: str, folder: Path, forked: Zygote) -> Path:
    """Folder of a lake in a state, made once; tests copy it."""
    place = folder / state.replace(" ", "-")
    if place.exists() or state == "empty":
        return place
    before, ran = STATES[state]
    draft = folder / f"draft-{place.name}"
    copied(prepared(before, folder, forked), draft)
    for verb, now in ran:
        ended = forked.run(verb, draft, now)
        assert ended.code == 0, ended.said
    if state == "asked":
        for number, verb in enumerate(("pause", "rollback", "resume")):
            at = NOW + timedelta(minutes=number)
            requests.ask(Lake.open(draft), "riverton", f"q{number}", verb=verb, arguments={}, by="ana", at=at)
    draft.rename(place)
    return place


def copied(source: Path, to: Path) -> Lake:
    if source.exists():
        shutil.copytree(source, to)
    return Lake.open(to)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_kill_at_any_step_boundary_leaves_what_the_next_run_completes(
    flow: str, folder: Path, tmp_path: Path, forked: Zygote
) -> None:
    state, now = FLOWS[flow]
    start = prepared(state, folder, forked)
    spared = copied(start, tmp_path / "spared")
    before = served(spared)
    undisturbed = forked.run(flow, spared.url, now, to=str(tmp_path / "spared-away"))
    assert undisturbed.code == 0, undisturbed.said
    boundaries = 2 * steps(spared, start)
    assert boundaries >= 2
    killed = copied(start, tmp_path / "killed")
    for number, boundary in enumerate(told(spared, start) if flow in SLOW else range(boundaries)):
        ended = forked.run(flow, killed.url, now, to=str(tmp_path / "away"), kill=boundary)
        if flow in SLOW and ended.code == 0:  # the runs before had come further: this one from the beginning
            finish(flow, killed, spared, forked, now, tmp_path / "away")
            killed = copied(start, tmp_path / f"killed{number}")
            ended = forked.run(flow, killed.url, now, to=str(tmp_path / "away"), kill=boundary)
        assert ended.code == -9, ended.said
        assert re.search(r"killed as .+ was (started|done)$", ended.said)
        assert served(killed) in (before, served(spared)), ended.said
        if flow not in SLOW:
            finish(flow, killed, spared, forked, now, tmp_path / "away")
            killed = copied(start, tmp_path / f"killed{number}")
    finish(flow, killed, spared, forked, now, tmp_path / "away")


def finish(flow: str, killed: Lake, spared: Lake, forked: Zygote, now: datetime, away: Path) -> None:
    """The next run completes, and all is as if nothing had been killed."""
    ended = forked.run(flow, killed.url, now, to=str(away))
    assert ended.code == 0, ended.said
    # What a person asked for is done by the clock on the wall, and the run is named by it.
    assert_equal(killed, spared, apart=("run",) if flow == "asked" else ())
    assert not any(rows.is_duplicated().any() for rows in contents(killed).values())


def steps(lake: Lake, start: Path) -> int:
    """How many steps have been done since a state."""
    done = [runs.read(each).filter(state="done").height for each in (lake, Lake.open(start))]
    return done[0] - done[1]


def told(lake: Lake, start: Path) -> list[str]:
    """Every boundary of the steps since a state, by name, each once."""
    rows = runs.read(lake)[runs.read(Lake.open(start)).height :]
    return list(dict.fromkeys(f"{row['flow']}: {row['step']} {row['state']}" for row in rows.iter_rows(named=True)))
