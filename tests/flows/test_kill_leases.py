"""One run of a product at a time, by real processes: the second is refused, and who stood still cannot write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import NOW, Open, riverton_zygote
from tests.flows.process import Zygote, state
from tests.flows.tables import assert_equal, contents, served
from urbancast.flows import cycle
from urbancast.lake import runs
from urbancast.lake.store import Lake

TOMORROW = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=2)


@pytest.fixture
def begun(tmp_path: Path, riverton: Open) -> Lake:
    lake = Lake.open(tmp_path / "begun")
    with riverton(lake) as (job, _):
        cycle.begin(job)
    return lake


@pytest.fixture(scope="module")
def other(tracking: str) -> Iterator[Zygote]:
    """A second one, whose process stands still while those of the first go on."""
    with riverton_zygote(tracking) as one:
        yield one


@contextmanager
def stopped(other: Zygote, lake: Lake, at: str, *, lease_s: float = 0.6) -> Iterator[int]:
    """A run of a day, by its number, that stands still at a boundary of its steps; it goes on at the end."""
    environment = {"URBANCAST_LEASE_SECONDS": str(lease_s)}
    run = other.begin("day", lake.url, TOMORROW, stop=at, environment=environment)
    while state(run) != "T":
        assert other.is_at_work(run), other.end().said
        time.sleep(0.01)
    try:
        yield run
    finally:
        os.kill(run, signal.SIGCONT)


def urbancast(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "urbancast", *words], capture_output=True, text=True, check=False)


def test_of_two_runs_at_once_one_is_refused_in_one_line(begun: Lake, other: Zygote) -> None:
    with stopped(other, begun, "pull: fetch done", lease_s=60) as first:
        before = contents(begun)
        second = urbancast("pull", "riverton", "--as-of", LATER.isoformat(), "--lake", begun.url)
        assert (second.returncode, second.stdout) == (1, "")
        lines = [line for line in second.stderr.splitlines() if line.strip()]
        assert len(lines) == 1
        assert lines[0].startswith("BusyError lease of riverton: expected it free, found it held by process")
        assert f"process {first} on" in lines[0]
        assert lines[0].endswith("wait, or stop that run")
        assert all(rows.equals(before[table]) for table, rows in contents(begun).items())
        beside = urbancast("status", "--json", "--lake", begun.url)
        assert beside.returncode == 0, beside.stderr
    assert other.end().code == 0
    assert served(begun)["riverton"][0] == TOMORROW  # type: ignore[index]


@pytest.mark.parametrize("at", ["pull: observe started"])
def test_a_run_that_stood_still_while_another_took_over_writes_nothing_more(
    begun: Lake, tmp_path: Path, at: str, forked: Zygote, other: Zygote
) -> None:
    with stopped(other, begun, at):
        time.sleep(0.7)  # its lease runs out; nobody can know whether it wakes up
        shutil.copytree(begun.url, tmp_path / "alone")
        taker = forked.run("day", begun.url, LATER)
        assert taker.code == 0, taker.said
        before, ran = contents(begun), runs.read(begun, "riverton")
    sleeper = other.end()
    assert sleeper.code == 1
    assert "FencedError: lease of riverton: expected token" in sleeper.said
    assert "another run took over while this one stood still: nothing was written, run again" in sleeper.said
    lake = Lake.open(begun.url)
    assert [table for table, rows in contents(lake).items() if not rows.equals(before[table])] == []
    assert runs.read(lake, "riverton").equals(ran)
    assert served(lake)["riverton"][0] == LATER  # type: ignore[index]
    alone = Lake.open(tmp_path / "alone")
    done = forked.run("day", alone.url, LATER)
    assert done.code == 0, done.said
    assert_equal(lake, alone)
