"""The real interfaces of MLflow and Dagster, through the gate."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from urbancast.api.gate import Gate
from urbancast.api.targets import Target

HOME = "http://testserver"
OWN = {"Origin": HOME, "Sec-Fetch-Site": "same-origin"}
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
START_S = 90


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def started(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended with all its children."""
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    """Until it answers; its log where it does not."""
    limit = time.monotonic() + START_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail((folder / "log.txt").read_text("utf-8", "replace")[-3000:])


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Both interfaces on loopback, each under its prefix; started at once."""
    pytest.importorskip("dagster_webserver", reason="needs urbancast[orchestrator]")
    ports = {"mlflow": free_port(), "dagster": free_port()}
    folders = {name: tmp_path_factory.mktemp(name) for name in ports}
    mlflow = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(ports["mlflow"])),
        *("--workers", "1", "--static-prefix", "/ops/mlflow"),
        *("--backend-store-uri", f"sqlite:///{folders['mlflow']}/m.db"),
    ]
    dagster = [
        *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(ports["dagster"])),
        *("--path-prefix", "/ops/dagster", "--empty-workspace"),
    ]
    home = {"DAGSTER_HOME": str(folders["dagster"]), "DAGSTER_DISABLE_TELEMETRY": "1"}
    with ExitStack() as stack:
        first = stack.enter_context(started(mlflow, folders["mlflow"], QUIET))
        second = stack.enter_context(started(dagster, folders["dagster"], home))
        wait_for(first, f"http://127.0.0.1:{ports['mlflow']}/ops/mlflow/", folders["mlflow"])
        wait_for(second, f"http://127.0.0.1:{ports['dagster']}/ops/dagster/server_info", folders["dagster"])
        yield Gate({name: Target(name=name, host="127.0.0.1", port=port) for name, port in ports.items()})


@pytest.fixture
def guest(door: Any, behind: Gate) -> Iterator[TestClient]:
    with door.open() as client:
        client.app.state.gate = behind
        door.log_in(client, "operator")
        yield client


@pytest.mark.parametrize("name", ["mlflow", "dagster"])
def test_the_page_of_each_interface_loads_with_all_its_parts(guest: TestClient, name: str) -> None:
    page = guest.get(f"/ops/{name}/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text)
    assert len(parts) >= 2
    for part in parts[:4]:
        path = part if part.startswith("/") else f"/ops/{name}/{part.removeprefix('./')}"
        assert path.startswith(f"/ops/{name}/")
        found = guest.get(path)
        assert (found.status_code, bool(found.content)) == (200, True), path


@pytest.mark.parametrize("name", ["mlflow", "dagster"])
def test_neither_interface_is_seen_by_anyone_else(door: Any, behind: Gate, name: str) -> None:
    with door.open() as client:
        client.app.state.gate = behind
        assert client.get(f"/ops/{name}/").status_code == 401
        door.log_in(client, "reader")
        assert client.get(f"/ops/{name}/").status_code == 403


def test_experiments_are_read_and_written_through_the_gate(guest: TestClient) -> None:
    api = "/ops/mlflow/ajax-api/2.0/mlflow/experiments"
    made = guest.post(f"{api}/create", json={"name": "through the gate"}, headers=OWN)
    assert made.status_code == 200, made.text
    found = guest.get(f"{api}/get", params={"experiment_id": made.json()["experiment_id"]})
    assert found.json()["experiment"]["name"] == "through the gate"
    refused = guest.post(f"{api}/create", json={"name": "by another"}, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert guest.post(f"{api}/search", json={"max_results": 10}, headers=OWN).text.count("by another") == 0


def test_what_mlflow_keeps_for_its_own_host_stays_there(guest: TestClient) -> None:
    said = guest.post("/ops/mlflow/ajax-api/3.0/mlflow/assistant/message", json={"message": "x"}, headers=OWN)
    assert said.status_code == 403
    assert "same host" in said.text


def test_assets_are_asked_for_through_the_gate(guest: TestClient) -> None:
    question = {"query": "{ assetNodes { id } instance { hasInfo } }"}
    found = guest.post("/ops/dagster/graphql", json=question, headers=OWN)
    assert found.json()["data"] == {"assetNodes": [], "instance": {"hasInfo": True}}
    assert guest.post("/ops/dagster/graphql", json=question).status_code == 403


def test_a_subscription_of_dagster_goes_through_the_gate(guest: TestClient) -> None:
    with guest.websocket_connect("/ops/dagster/graphql", subprotocols=["graphql-ws"], headers={"Origin": HOME}) as ws:
        assert ws.accepted_subprotocol == "graphql-ws"
        ws.send_text(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(ws.receive_text()) == {"type": "connection_ack"}
