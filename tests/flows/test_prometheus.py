"""What `deploy/` tells Prometheus and Grafana, tried with the real ones' own tools on a running server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import util
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import httpx
import polars as pl
import pytest
import uvicorn

from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.time import HOUR
from urbancast.flows import cycle, watch
from urbancast.lake import places
from urbancast.lake.store import Lake

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "urbancast.rules.yml"
READY_S = 30.0
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)  # of the fixture


def program(name: str, package: str) -> str:
    """Path of one of Debian's programs; a test that needs it skips by name, and fails where nothing may skip."""
    found = shutil.which(name)
    if found is None:
        absent = pytest.fail if os.environ.get("URBANCAST_NO_SKIP") == "1" else pytest.skip
        absent(f"needs {name}; apt-get install {package}")
    return str(found)


def dashboards() -> Any:
    spec = util.spec_from_file_location("dashboards", DEPLOY / "grafana" / "dashboards.py")
    module = util.module_from_spec(spec)
    sys.modules["dashboards"] = module
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_and_what_they_say_of_given_series():
    tool = program("promtool", "prometheus")
    assert "SUCCESS" in run(tool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    assert "rules found" in run(tool, "check", "rules", str(RULES))
    assert "SUCCESS" in run(tool, "test", "rules", str(RULES.with_suffix(".test.yml")))


def test_the_dashboards_are_as_their_code_makes_them():
    made = dashboards()
    for name in made.DASHBOARDS:
        assert (DEPLOY / "grafana" / "dashboards" / f"{name}.json").read_text("utf-8") == made.render(name)


def test_every_alert_has_its_runbook():
    pages = {path.stem for path in (DEPLOY.parent / "docs" / "runbooks").glob("*.md")}
    told = {
        line.split("/runbooks/")[1].strip() for line in RULES.read_text("utf-8").splitlines() if "/runbooks/" in line
    }
    assert told
    assert told <= pages


@contextmanager
def served(lake: Lake) -> Iterator[int]:
    """The real server over a lake, on a free port."""
    port = free_port()
    catalog = {"riverton": products.get("riverton")}
    app = create_app(lake.url, catalog=catalog, clock=lambda: NOW + HOUR, poll_seconds=0.5)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = monotonic() + READY_S
    while not server.started and monotonic() < end:
        pass
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@contextmanager
def started(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def lived(riverton: Any, tmp_path: Path) -> Lake:
    """A lake in which a product has lived its whole loop."""
    lake = Lake.open(tmp_path / "lake")
    with riverton(lake) as (job, _):
        cycle.begin(job)
        cycle.improve(job)
        cycle.show_record(job)
        watch.run(job)
    # What a product with weather, and weeks of forecasts, writes beside: this one has neither.
    told = {"product": "riverton", "measure": "bikes", "place": "", "day": NOW.date(), "score": 0.5, "threshold": 3.0,
            "is_drifted": False, "n": 30, "facts": "{}", "run": "test"}  # fmt: skip
    lake.append("drift", pl.DataFrame([told | {"kind": k, "signal": k} for k in ("input", "forecast", "residual")]))
    return lake


def asked_for(port: int, place: str) -> None:
    """Questions of every kind, often enough for the places to be told."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=READY_S) as client:
        if client.get("/readyz").status_code != 200:
            return
        for _ in range(6):
            for path in (f"forecast?place={place}", "map", "track-record"):
                assert client.get(f"/v1/products/riverton/{path}").status_code == 200
            client.get("/v1/products/riverton/forecast?place=nowhere")


def told_by(port: int, query: str) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': query})}"
    with urlopen(url, timeout=5) as answer:
        body = json.load(answer)
    assert body["status"] == "success", body
    return list(body["data"]["result"])


def until_told(port: int, queries: list[tuple[str, str]], ask: Any) -> list[str]:
    """Where queries stand that a running Prometheus still has no data for at the end of the time."""
    silent, end, pause = list(queries), monotonic() + READY_S, threading.Event()
    while silent and monotonic() < end:
        ask()
        try:
            silent = [(where, query) for where, query in silent if not is_number(told_by(port, query))]
        except OSError:  # not up yet
            pause.wait(0.2)
    return [where for where, _ in silent]


def is_number(result: list[dict[str, Any]]) -> bool:
    return any(row["value"][1] not in ("NaN", "+Inf", "-Inf") for row in result)


def test_every_panels_query_returns_data_of_a_running_instance(lived, tmp_path):
    prometheus, node = (
        program("prometheus", "prometheus"),
        program("prometheus-node-exporter", "prometheus-node-exporter"),
    )
    place = places.get(lived, "riverton")["place"][0]
    with ExitStack() as stack:
        port = stack.enter_context(served(lived))
        node_port, own_port = free_port(), free_port()
        stack.enter_context(started(node, f"--web.listen-address=127.0.0.1:{node_port}"))
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8").replace("15s", "1s")
        config = config.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace(
            "127.0.0.1:9100", f"127.0.0.1:{node_port}"
        )
        (tmp_path / "prometheus.yml").write_text(config, "utf-8")
        shutil.copy(RULES, tmp_path)
        stack.enter_context(
            started(
                prometheus,
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{own_port}",
            )
        )
        silent = until_told(own_port, dashboards().queries(), lambda: asked_for(port, place))
    assert silent == []
