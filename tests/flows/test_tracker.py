"""MLflow's real pages beside `up`: over the lake's database, below /ops/mlflow/, gone with their parent."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from urbancast.core.errors import ContractError
from urbancast.flows import companions, tracker
from urbancast.flows.companions import Companion
from urbancast.lake.store import Lake
from urbancast.registry import tracking

START_S, END_S = 90, 15


def test_the_real_pages_show_what_was_mirrored_and_end_with_the_block(lake: Lake) -> None:
    client = tracking._client(lake)
    experiment = tracking._experiment(client, lake, "riverton")
    run = client.create_run(experiment, run_name="bikes-gbm-1", tags={"release": "bikes-gbm-1"})
    client.log_text(run.info.run_id, "# bikes-gbm-1", "card.md")
    client.set_terminated(run.info.run_id)
    shown = tracker.companion(lake)
    with companions.started([shown], tell=pytest.fail):
        wait_for(shown)
        own = [one for one in psutil.Process().children(recursive=True) if str(shown.port) in " ".join(one.cmdline())]
        assert "text/html" in get(shown, "/").headers["Content-Type"]
        body = {"experiment_ids": [experiment], "filter": "tags.release = 'bikes-gbm-1'"}
        found = json.load(get(shown, "/ajax-api/2.0/mlflow/runs/search", body))["runs"]
        assert [each["info"]["run_name"] for each in found] == ["bikes-gbm-1"]
        card = get(shown, f"/get-artifact?run_uuid={run.info.run_id}&path=card.md")
        assert card.read() == b"# bikes-gbm-1"
        answering = [one for one in own if "urbancast.process" not in one.cmdline()]  # less the one that keeps them
        assert 1 <= len(answering) <= 2
        assert not any("sqlite:" in " ".join(one.cmdline()) for one in own)
    assert not shown.is_listening
    limit = time.monotonic() + END_S
    while any(is_alive(one) for one in own):
        assert time.monotonic() < limit, "MLflow's processes outlived their parent"
        time.sleep(0.1)
    assert (Path(lake.url) / "logs" / "mlflow.log").stat().st_size > 0


def test_it_listens_on_loopback_below_its_prefix_alone(lake: Lake) -> None:
    found = tracker.companion(lake, port=5001)
    words = " ".join(found.command)
    assert "--host 127.0.0.1 --port 5001 --static-prefix /ops/mlflow --workers 1" in words
    assert (found.name, found.path_prefix, found.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"]) == (
        "mlflow",
        "/ops/mlflow",
        "false",
    )
    assert companions.behind([found]) == {"URBANCAST_BEHIND_MLFLOW": "http://127.0.0.1:5001"}


def test_a_password_of_the_database_stands_in_no_list_of_processes(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://someone:secret@db/mlflow")
    found = tracker.companion(lake, port=5001)
    assert "secret" not in " ".join(found.command)
    assert found.env["MLFLOW_BACKEND_STORE_URI"] == "postgresql+psycopg2://someone:secret@db/mlflow"


def test_a_tracking_server_has_pages_of_its_own(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    with pytest.raises(ContractError, match=r"found a server, which has pages of its own; open those"):
        tracker.companion(lake)


def is_alive(one: psutil.Process) -> bool:
    """Whether it runs; a zombie has ended, and waits for whoever inherited it."""
    try:
        return one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(shown: Companion) -> None:
    limit = time.monotonic() + START_S
    while not shown.is_listening:
        assert time.monotonic() < limit, "MLflow's pages did not come up"
        time.sleep(0.1)


def get(shown: Companion, path: str, body: dict[str, Any] | None = None) -> Any:
    url = f"http://127.0.0.1:{shown.port}{shown.path_prefix}{path}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"} if data else {})
    return urllib.request.urlopen(request, timeout=30)
