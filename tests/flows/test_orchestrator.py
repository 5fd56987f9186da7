"""Dagster itself: three processes on loopback, a day made through its API, replayed days, a real PostgreSQL."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.flows.conftest import Open
from urbancast.core.time import local_day
from urbancast.flows import companions as beside, cycle, day, definitions, orchestrator, pull
from urbancast.flows.companions import Companion
from urbancast.flows.definitions import Orchestrated
from urbancast.lake import serving
from urbancast.lake.store import Lake
from urbancast.settings import settings

WITHIN_S = 120  # patience with a busy machine, not a promise
LOADED = """{ assetNodes { assetKey { path } groupName isPartitioned } repositoriesOrError {
  ... on RepositoryConnection { nodes { schedules { name scheduleState { status } }
  sensors { name sensorState { status } } } } } }"""
MAKE = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status stepStats { stepKey status } } } }"""


@pytest.fixture
def served(lake: Lake) -> Iterator[tuple[Companion, Lake]]:
    """The orchestrator's web server, beside its code server and its daemon."""
    told: list[str] = []
    found = orchestrator.companions(lake.url, only=["riverton"])
    pages = next(each for each in found if each.name == "dagster")
    with beside.started(found, tell=told.append):
        yield pages, lake
    assert told == []


@pytest.mark.e2e
def test_the_orchestrator_comes_up_on_loopback_and_begins_a_product_by_itself(served: tuple[Companion, Lake]) -> None:
    pages, lake = served
    loaded = until(pages, lambda: ask(pages, LOADED), lambda found: found["assetNodes"])
    nodes = {node["assetKey"]["path"][-1]: node for node in loaded["assetNodes"]}
    assert set(nodes) == set(day.ASSETS)
    assert all(node["isPartitioned"] and node["groupName"] == "riverton" for node in nodes.values())
    (repository,) = loaded["repositoriesOrError"]["nodes"]
    states = {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
    assert states == dict.fromkeys(["nightly", "riverton_counts"], "RUNNING")
    states = {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    assert states == dict.fromkeys([f"riverton_{name}" for name in definitions.SENSORS], "RUNNING")
    until(pages, lambda: serving.current(lake), lambda rows: "riverton" in rows)  # a sensor saw what is owed
    key = Orchestrated.of(lake, "riverton").days.get_partition_keys()[-3]
    selected = [{"path": ["riverton", name]} for name in ("raw", "observations")]
    params = {
        "selector": {
            "repositoryLocationName": "urbancast", "repositoryName": "__repository__", "jobName": "riverton_day",
            "assetSelection": selected, "assetCheckSelection": [],
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": key}]},
        "mode": "default", "runConfigData": {},
    }  # fmt: skip
    launched = ask(pages, MAKE, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = until(
        pages,
        lambda: ask(pages, RUN, run=launched["run"]["runId"])["runOrError"],
        lambda found: found["status"] in ("SUCCESS", "FAILURE", "CANCELED"),
    )
    assert run["status"] == "SUCCESS"
    assert {step["stepKey"] for step in run["stepStats"]} == {"riverton__raw", "riverton__observations"}


def ask(pages: Companion, query: str, **variables: Any) -> Any:
    """Data that Dagster's API answers; None where it does not listen yet."""
    url = f"http://127.0.0.1:{pages.port}{pages.path_prefix}/graphql"
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        pytest.fail(error.read().decode())
    except urllib.error.URLError:
        return None


def until(pages: Companion, look: Any, is_so: Any) -> Any:
    end = time.monotonic() + WITHIN_S
    while not (found := look()) or not is_so(found):
        assert time.monotonic() < end, f"expected within {WITHIN_S} s, found {found}; see {pages.log}"
        time.sleep(0.5)
    return found


def test_replayed_days_are_runs_of_their_partitions(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        lived = {
            local_day(job.now, job.product.tz) - timedelta(days=n): {"forecasts": {"rows": n}, "release": {}}
            for n in (3, 2, 1)
        }
        assert orchestrator.show(job, lived) == 0  # there is no orchestrator
        orchestrator.prepare(orchestrator.home(lake.url))
        beyond = {local_day(job.now, job.product.tz) + timedelta(days=4000): {"forecasts": {"rows": 9}}}
        assert orchestrator.show(job, lived | beyond) == 3
    with orchestrator.instance(lake.url) as instance:
        assert instance is not None
        key = dg.AssetKey(["riverton", "forecasts"])
        assert instance.get_materialized_partitions(key) == {f"{each}" for each in lived}
        newest = instance.get_latest_materialization_event(key)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["rows"].value == 1
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 3
        assert runs[0].tags[definitions.WHY] == "lived in a replay"


def test_its_home_lies_in_a_local_lake_or_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert orchestrator.home(str(tmp_path / "lake")) == tmp_path / "lake" / "dagster"
    assert orchestrator.home("s3://bucket/lake") == Path.home() / ".urbancast" / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "there"))
    assert orchestrator.home(str(tmp_path / "lake")) == tmp_path / "there"


def test_a_configuration_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    file = orchestrator.prepare(tmp_path) / orchestrator.CONFIG
    assert json.loads(file.read_text().removeprefix(orchestrator.OURS))["telemetry"] == {"enabled": False}
    file.write_text("telemetry:\n  enabled: false\n")
    orchestrator.prepare(tmp_path)
    assert file.read_text() == "telemetry:\n  enabled: false\n"


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg2"])
def test_runs_are_kept_in_a_real_postgresql(
    lake: Lake, postgres: str, driver: str, monkeypatch: pytest.MonkeyPatch, riverton: Open
) -> None:
    monkeypatch.setenv("URBANCAST_DAGSTER_DB", postgres.replace("postgresql", driver, 1))
    settings.cache_clear()
    where = orchestrator.prepare(orchestrator.home(lake.url))
    assert postgres not in (where / orchestrator.CONFIG).read_text()  # it may hold a password
    with riverton(lake) as (job, _):
        pull.run(job)
        lived = {local_day(job.now, job.product.tz) - timedelta(days=1): {"forecasts": {"rows": 7}}}
        assert orchestrator.show(job, lived) == 1
    with orchestrator.instance(lake.url) as instance:
        assert instance is not None
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert instance.get_runs_count() == 1
        assert instance.get_materialized_partitions(dg.AssetKey(["riverton", "forecasts"])) == {f"{d}" for d in lived}
    assert not list(where.rglob("*.db"))
