"""One run of a product at a time, by real processes: the second is refused, and who stood still cannot write."""

from __future__ import annotations

import json
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

from tests.flows.conftest import NOW, Open
from tests.flows.process import command
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


@contextmanager
def stopped(lake: Lake, at: str, *, lease_s: float = 0.6) -> Iterator[subprocess.Popen[str]]:
    """A run of a day that stands still at a boundary of its steps."""
    given = {"verb": "day", "lake": lake.url, "now": TOMORROW.isoformat(), "stop": at}
    environment = {**os.environ, "URBANCAST_LEASE_SECONDS": str(lease_s)}
    with subprocess.Popen(command(json.dumps(given)), stderr=subprocess.PIPE, text=True, env=environment) as run:
        while Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert run.poll() is None, run.stderr.read() if run.stderr else ""
            time.sleep(0.01)
        try:
            yield run
        finally:
            run.send_signal(signal.SIGCONT)


def urbancast(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "urbancast", *words], capture_output=True, text=True, check=False)


def test_of_two_runs_at_once_one_is_refused_in_one_line(begun: Lake) -> None:
    with stopped(begun, "pull: fetch done", lease_s=60) as first:
        before = contents(begun)
        second = urbancast("pull", "riverton", "--as-of", LATER.isoformat(), "--lake", begun.url)
        assert (second.returncode, second.stdout) == (1, "")
        lines = [line for line in second.stderr.splitlines() if line.strip()]
        assert len(lines) == 1
        assert lines[0].startswith("BusyError lease of riverton: expected it free, found it held by process")
        assert f"process {first.pid} on" in lines[0]
        assert lines[0].endswith("wait, or stop that run")
        assert all(rows.equals(before[table]) for table, rows in contents(begun).items())
        beside = urbancast("status", "--json", "--lake", begun.url)
        assert beside.returncode == 0, beside.stderr
        first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=60) == 0
    assert served(begun)["riverton"][0] == TOMORROW  # type: ignore[index]


@pytest.mark.parametrize("at", ["pull: observe started"])
def test_a_run_that_stood_still_while_another_took_over_writes_nothing_more(
    begun: Lake, tmp_path: Path, riverton: Open, at: str
) -> None:
    with stopped(begun, at) as sleeper:
        time.sleep(0.7)  # its lease runs out; nobody can know whether it wakes up
        shutil.copytree(begun.url, tmp_path / "alone")
        again = json.dumps({"verb": "day", "lake": begun.url, "now": LATER.isoformat()})
        taker = subprocess.run(command(again), capture_output=True, text=True, check=False)
        assert taker.returncode == 0, taker.stderr
        before, ran = contents(begun), runs.read(begun, "riverton")
        sleeper.send_signal(signal.SIGCONT)
        said = sleeper.stderr.read() if sleeper.stderr else ""
        assert sleeper.wait(timeout=60) == 1
    assert "FencedError: lease of riverton: expected token" in said
    assert "another run took over while this one stood still: nothing was written, run again" in said
    lake = Lake.open(begun.url)
    assert [table for table, rows in contents(lake).items() if not rows.equals(before[table])] == []
    assert runs.read(lake, "riverton").equals(ran)
    assert served(lake)["riverton"][0] == LATER  # type: ignore[index]
    alone = Lake.open(tmp_path / "alone")
    done = subprocess.run(command(again.replace("begun", "alone")), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_equal(lake, alone)
