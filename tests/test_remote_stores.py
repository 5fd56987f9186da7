"""Nothing on this machine: the lake on S3, tracking in PostgreSQL, its artifacts on S3; the same loop, the same API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from starlette.testclient import TestClient

from tests import postgres as databases
from tests.flows.conftest import CITIES, NOW
from tests.flows.tables import contents, served
from tests.s3 import KEYS, client as s3
from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.errors import BusyError
from urbancast.flows import companions, cycle, mirror, tracker
from urbancast.flows.job import Clock, Job
from urbancast.lake import leases, maintain, remote, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.portals.emulator import Emulator
from urbancast.registry import release as registry, tracking
from urbancast.settings import settings

START_S = 90
PAGE = (Path(__file__).resolve().parents[1] / "docs/how-to/remote-stores.md").read_text("utf-8")


@dataclass(frozen=True)
class Place:
    """Where a deployment keeps everything."""

    bucket: str
    environment: dict[str, str]

    @property
    def lake(self) -> str:
        return f"s3://{self.bucket}/lake"


@pytest.fixture(scope="module")
def place(s3_server: str, postgres_server: str) -> Iterator[Place]:
    """A bucket and a database of this module's own."""
    bucket = f"city-{uuid4().hex[:12]}"
    databases._execute(postgres_server, f'CREATE DATABASE "{bucket}"')
    given = {**KEYS, "AWS_ENDPOINT_URL": s3_server, "MLFLOW_TRACKING_URI": f"{postgres_server}/{bucket}"}
    given["MLFLOW_S3_ENDPOINT_URL"] = s3_server
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        s3().create_bucket(Bucket=bucket)
    yield Place(bucket, given)
    databases._execute(postgres_server, f'DROP DATABASE "{bucket}" WITH (FORCE)')


@pytest.fixture
def lived(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lake]:
    """The lake on S3, after one whole loop; the working folder is empty, and must stay so."""
    for name, value in {**place.environment, "URBANCAST_PRODUCTS": str(CITIES)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    products.forget()
    lake = Lake.open(place.lake)
    if not served(lake):
        with riverton(lake) as job, leases.hold(lake, "riverton"):
            cycle.begin(job)
            cycle.improve(job)
            cycle.show_record(job)
    yield lake
    assert list(tmp_path.iterdir()) == []
    settings.cache_clear()
    products.forget()


@contextmanager
def riverton(lake: Lake) -> Iterator[Job]:
    clock = Clock(now=NOW)
    with Emulator(products.sample("riverton").datasets(), clock=lambda: clock.now) as emulator:
        promise, recipe = products.get("riverton"), products.recipe("riverton")
        yield Job(product=promise, recipe=recipe, lake=lake, now=NOW, provenance="sample", portal_url=emulator.url,
                  clock=clock)  # fmt: skip


def mlflow(lake: Lake) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking.uri(lake), registry_uri=tracking.uri(lake))


def test_the_loop_on_s3_ends_with_a_verdict_that_is_served_by_the_api(lived: Lake) -> None:
    decided = verdicts.read(lived, "riverton")
    assert decided["action"].to_list() == ["promoted"]
    champion = serving.current(lived)["riverton"]["releases"]["bikes"]
    assert champion == decided["challenger"][0]
    with TestClient(create_app(lived.url, poll_seconds=0.0)) as client:
        assert client.get("/readyz").status_code == 200
        place = client.get("/v1/products/riverton/places").json()["features"][0]["id"]
        at = (NOW + timedelta(hours=6)).isoformat()
        answer = client.get("/v1/products/riverton/forecast", params={"place": place, "at": at})
        record = client.get("/v1/products/riverton/track-record")
    assert answer.status_code == 200, answer.text
    assert champion in answer.text
    assert record.status_code == 200


def test_a_lease_on_s3_keeps_a_second_run_out(lived: Lake) -> None:
    with leases.hold(lived, "riverton"), pytest.raises(BusyError, match="found it held by process"):
        leases.take(Lake.open(lived.url), "riverton", holder='{"host": "another", "pid": 1, "started": 0.0}')


def test_runs_stand_in_postgresql_and_their_files_on_s3(lived: Lake, place: Place) -> None:
    releases = {release.name: release for release in registry.every(lived, "riverton")}
    client = mlflow(lived)
    experiment = client.get_experiment_by_name("riverton")
    assert experiment.artifact_location == f"{place.lake}/mlartifacts/riverton"
    runs = {run.data.tags["release"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(releases)
    champion = client.get_model_version_by_alias("riverton.bikes", "champion").tags["release"]
    assert runs[champion].data.tags["verdict.action"] == "promoted"
    key = f"{runs[champion].info.artifact_uri}/card.md".removeprefix(f"s3://{place.bucket}/")
    kept = s3().get_object(Bucket=place.bucket, Key=key)["Body"].read()
    assert kept == lived.files.get(f"{releases[champion].path}/card.md")


def test_through_a_server_over_postgresql_the_mirror_is_the_same(
    lived: Lake, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow(lived)
    experiment = client.get_experiment_by_name("riverton").experiment_id
    lost = client.search_runs([experiment], "tags.role = 'trained' and tags.`verdict.action` = 'promoted'")[0]
    client.delete_run(lost.info.run_id)
    shown = tracker.companion(lived)
    with companions.started([shown], tell=pytest.fail), riverton(lived) as job:
        limit = time.monotonic() + START_S
        while not shown.is_listening:
            assert time.monotonic() < limit, "MLflow's server did not come up"
            time.sleep(0.1)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{shown.port}{shown.path_prefix}")
        done = mirror.now(job)
        again = MlflowClient(tracking_uri=tracking.uri(lived)).search_runs([experiment], "tags.role = 'trained'")
    assert (done["runs"], done["verdicts"], done["waiting"]) == (1, 1, "")
    found = next(run for run in again if run.data.tags["release"] == lost.data.tags["release"])
    assert found.data.metrics["score.absolute_error"] == lost.data.metrics["score.absolute_error"]
    key = f"{found.info.artifact_uri}/release/manifest.json".removeprefix(f"s3://{place.bucket}/")
    assert s3().head_object(Bucket=place.bucket, Key=key)["ContentLength"] > 0


def test_the_page_names_what_these_tests_set_and_the_errors_that_are_said(place: Place) -> None:
    exported = set(re.findall(r"^export (\w+)=", PAGE, flags=re.MULTILINE))
    assert exported == {*place.environment, "URBANCAST_LAKE", "MLFLOW_DEFAULT_ARTIFACT_ROOT"}
    said = (Path(remote.__file__)).read_text("utf-8")
    for beginning in re.findall(r"^\| (expected .+?|two writers .+?) \|", PAGE, flags=re.MULTILINE):
        assert beginning.partition(" …")[0] in said.replace("{bucket}", "…").replace("bucket … to", "bucket"), beginning
    assert remote.UNSAFE in PAGE


def test_maintenance_on_s3_changes_no_row(lived: Lake) -> None:
    before = contents(lived)
    done = maintain.run(lived, now=NOW + timedelta(days=1))
    assert done["observations"]["version"] >= 0
    after = contents(Lake.open(lived.url))
    assert all(before[table].equals(after[table]) for table in before)
