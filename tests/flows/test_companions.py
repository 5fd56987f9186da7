"""Companions: kept running, told where they stand, and gone with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from urbancast.flows import companions
from urbancast.flows.companions import Companion

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
WITH_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
OUTSIDE = """
import sys, time
from urbancast.flows import companions
one = companions.Companion(name="one", command=[sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
with companions.started([one], tell=print):
    time.sleep(600)
"""


def test_a_companion_listens_on_loopback_while_the_block_lasts_and_not_after(tmp_path: Path) -> None:
    port = companions.free_port()
    one = Companion(name="one", command=[sys.executable, "-c", LISTEN, str(port)], port=port)
    with companions.started([one], tell=print):
        until(lambda: one.is_listening)
    assert not one.is_listening


def test_the_server_is_told_of_those_that_listen() -> None:
    shown = Companion(name="dagster", command=["true"], port=4000, path_prefix="/ops/dagster")
    unseen = Companion(name="daemon", command=["true"])
    assert companions.behind([shown, unseen]) == {"URBANCAST_BEHIND_DAGSTER": "http://127.0.0.1:4000"}


def test_one_that_ends_is_started_again_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "REST_S", 0.01)
    told: list[str] = []
    log = tmp_path / "logs" / "one.log"
    one = Companion(name="one", command=[sys.executable, "-c", "print('here'); raise SystemExit(3)"], log=log)
    with companions.started([one], tell=told.append):
        until(lambda: len(told) >= 2)
    assert told[0] == f"one ended with status 3, is started again; see {log}"
    assert log.read_text().startswith("here\nhere\n")


def test_what_a_companion_started_ends_with_it() -> None:
    before = {process.pid for process in psutil.process_iter()}
    with companions.started([Companion(name="one", command=[sys.executable, "-c", WITH_CHILD])], tell=print):
        until(lambda: len(sleepers(before)) >= 1)
        mine = sleepers(before)
    assert not [process for process in mine if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_companion_does_not_outlive_one_that_is_killed(tmp_path: Path) -> None:
    mark = f"mark-{tmp_path.name}"
    outside = subprocess.Popen([sys.executable, "-c", OUTSIDE, mark])
    until(lambda: len(marked(mark)) >= 3)  # the one outside, the keeper and the companion
    os.kill(outside.pid, signal.SIGKILL)
    outside.wait()
    until(lambda: not marked(mark))


def marked(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def sleepers(before: set[int]) -> list[psutil.Process]:
    """Processes that came since and sleep, children of a companion of this test."""
    own = psutil.Process().children(recursive=True)
    return [p for p in own if p.pid not in before and p.cmdline()[-1:] == ["import time; time.sleep(600)"]]


def until(is_so: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"expected within {seconds} s"
        time.sleep(0.05)
