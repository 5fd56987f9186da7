"""One command: the map at once, a verdict and a record soon, a clean end, and a quick second start."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import CITIES
from urbancast.flows import up as flow
from urbancast.lake import scores, serving, verdicts
from urbancast.lake.store import Lake

STOP_S, AGAIN_S, READY_S = 10, 10, 150  # the last is patience with a busy machine, not a promise


@pytest.mark.e2e
def test_up_does_what_it_owes_stops_cleanly_and_starts_again_at_once(tmp_path: Path, tracking: str) -> None:
    folder, port = tmp_path / "lake", free_port()
    lake = Lake.open(str(folder))
    with up(folder, port, tracking) as process:
        until(process, lambda: "riverton" in serving.current(lake), seconds=READY_S)
        stop(process)  # after the first forecast: neither improved nor replayed
    assert scores.read(lake, "riverton", kind="replay").is_empty()
    assert nobody_listens(port)

    with up(folder, port, tracking) as process:
        until(process, lambda: is_settled(port), seconds=READY_S)
        product = riverton(port)
        stop(process)
    assert (product["provenance"], product["simulated"]) == ("sample", True)
    decided = verdicts.read(lake, "riverton")
    assert decided["action"].to_list() == ["promoted"]
    assert product["serving"]["releases"]["bikes"] == decided["challenger"][0]
    assert nobody_listens(port)

    begun = time.monotonic()
    with up(folder, port, tracking) as process:
        until(process, lambda: riverton(port).get("serving") is not None, seconds=30)
        took_s = time.monotonic() - begun
        again = riverton(port)
        stop(process)
    assert took_s < AGAIN_S
    assert again["serving"]["releases"] == product["serving"]["releases"]
    assert verdicts.read(lake, "riverton").height == 1
    assert nobody_listens(port)


@pytest.mark.e2e
def test_a_port_that_is_taken_ends_the_run_with_its_number(tmp_path: Path, tracking: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with up(tmp_path / "lake", port, tracking) as process:
            assert process.wait(timeout=READY_S) == 1
    told = (tmp_path / "lake.log").read_text()
    assert f"port {port}" in told.replace("\n", " ")
    assert "Traceback" not in told


def test_a_failure_is_told_on_one_line_whatever_brackets_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    message = "counts: expected [bikes], found b'[/records]' " + "and more " * 20
    flow._teller(threading.Event())("riverton", "pull: fetch", "failed", {"message": message})
    told = capsys.readouterr().err
    assert message.strip() in told
    assert len(told.strip().splitlines()) == 1


def test_once_stopped_no_further_step_begins() -> None:
    stopped = threading.Event()
    tell = flow._teller(stopped)
    tell("riverton", "pull: fetch", "started", {})
    stopped.set()
    tell("riverton", "pull: fetch", "done", {"seconds": 0.1})
    with pytest.raises(flow.StoppedError):
        tell("riverton", "pull: observe", "started", {})


def is_settled(port: int) -> bool:
    """Whether Riverton is ready, with a verdict and a replayed record."""
    record = ask(port, "/v1/products/riverton/track-record")
    if record is None or not record.get("verdicts"):
        return False
    return bool((record["kinds"].get("replay") or {}).get("n")) and riverton(port).get("state") == "ready"


def riverton(port: int) -> dict[str, Any]:
    found = ask(port, "/v1/products") or []
    return next((row for row in found if row["id"] == "riverton"), {})


def ask(port: int, path: str) -> Any:
    """JSON of an answer with status 200; None for any other, or where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except OSError:
        return None
    finally:
        connection.close()
    return json.loads(body) if response.status == 200 else None


def until(process: subprocess.Popen[bytes], is_so: Callable[[], bool], *, seconds: float) -> None:
    """Ask every tenth of a second; fails where the process ends first or time is up."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"expected within {seconds} s"
        try:
            status = process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"urbancast up ended with status {status}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the command alone: its server must not outlive it."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=STOP_S) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@contextmanager
def up(lake: Path, port: int, tracking: str) -> Iterator[subprocess.Popen[bytes]]:
    """`urbancast up` in a group of its own; whatever a failing test leaves of it is killed."""
    command = [sys.executable, "-m", "urbancast", "up", "--only", "riverton", "--lake", str(lake), "--port", str(port)]
    environment = os.environ | {"URBANCAST_PRODUCTS": str(CITIES), "MLFLOW_TRACKING_URI": tracking}
    with Path(f"{lake}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
