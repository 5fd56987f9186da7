"""MLflow mirrors the lake: runs, verdicts, aliases and verified days; when it is away nothing is lost or stopped."""

from __future__ import annotations

import socket
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tests.features.panels import utc
from tests.registry.conftest import CUT, proposed
from tests.registry.test_card import FACTS, METRICS
from urbancast.lake import serving
from urbancast.lake.store import Lake
from urbancast.models import Fitted
from urbancast.registry import dossier, record, release as registry, tracking
from urbancast.registry.dossier import Dossier
from urbancast.registry.record import Decision
from urbancast.registry.release import Release
from urbancast.registry.tracking import NO_DAYS

NOW = utc(2021, 6, 1, 7)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """One lake, with its tracking database beside it: MLflow takes seconds to make its tables."""
    return Lake.open(str(tmp_path_factory.mktemp("kept") / "lake"))


@pytest.fixture
def client(kept: Lake) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking.uri(kept), registry_uri=tracking.uri(kept))


@pytest.fixture
def gbm(kept: Lake, fitted: Fitted) -> Release:
    """A trained release with its dossier."""
    release = registry.freeze(kept, fitted, proposed("gbm"), run="r", now=NOW)
    if dossier.read(kept, release) is None:
        shown = Dossier(
            params={"inputs.observations": "a1b2:9000", "long": "x" * 900},
            metrics=METRICS,
            series={"hour/skill": [(8, 0.25), (9, -0.5)]},
            card=FACTS,
            files={"tables/folds.csv": b"candidate,absolute_error\ngbm,3.25\n", "pictures/coverage.png": PNG},
        )
        dossier.keep(kept, release, shown)
    return release


@pytest.fixture
def naive(kept: Lake, simple: Fitted) -> Release:
    """A baseline, which has none."""
    return registry.freeze(kept, simple, proposed("seasonal_naive", number=0), run="r", now=NOW)


def runs(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("town")
    return {run.data.tags["release"]: run for run in client.search_runs([experiment.experiment_id])}


def serve(lake: Lake, release: Release, *, hours: int) -> None:
    row = {"origin": NOW, "versions": {}, "provenance": "sample", "data_to": NOW, "run": "r"}
    serving.move(lake, product="town", releases={"count": release.name}, moved_at=NOW + timedelta(hours=hours), **row)


def decided(release: Release, champion: Release, action: str = "promoted") -> Decision:
    return Decision(
        product="town", measure="count", challenger=release.name, champion=champion.name, action=action,
        reason="better beyond noise", skill=0.2, low=1.0, high=3.0, numbers={"rival": "seasonal_naive"},
    )  # fmt: skip


def test_every_release_is_a_run_with_what_its_dossier_holds(
    kept: Lake, gbm: Release, naive: Release, client: MlflowClient, tmp_path: Path
) -> None:
    tracking.mirror(kept, "town", NO_DAYS)
    found = runs(client)
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    run = found[gbm.name]
    assert (run.info.run_name, run.data.tags["role"]) == (gbm.name, "trained")
    assert (run.data.params["inputs.observations"], len(run.data.params["long"])) == ("a1b2:9000", 500)
    assert {name: run.data.metrics[name] for name in METRICS} == METRICS
    curve = client.get_metric_history(run.info.run_id, "hour/skill")
    assert sorted((point.step, point.value) for point in curve) == [(8, 0.25), (9, -0.5)]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "release",
        "evidence",
        "card.md",
        "card.html",
    }
    model = Path(client.download_artifacts(run.info.run_id, "release/model.json", str(tmp_path)))
    assert model.read_bytes() == kept.files.get(f"{gbm.path}/model.json")
    light = found[naive.name]
    assert (light.data.tags["role"], light.data.params["candidate"]) == ("baseline", "seasonal_naive")
    assert light.data.params["recipe"] == "abc"


def test_a_second_mirroring_adds_nothing(kept: Lake, gbm: Release, naive: Release) -> None:
    tracking.mirror(kept, "town", NO_DAYS)
    again = tracking.mirror(kept, "town", NO_DAYS)
    assert (again.runs, again.verdicts, again.points, again.waiting) == (0, 0, 0, "")


def test_a_run_that_was_left_half_made_is_made_again(kept: Lake, gbm: Release, client: MlflowClient) -> None:
    tracking.mirror(kept, "town", NO_DAYS)
    half = runs(client)[gbm.name].info.run_id
    client.update_run(half, status="RUNNING")
    assert tracking.mirror(kept, "town", NO_DAYS).runs == 1
    whole = runs(client)[gbm.name]
    assert (whole.info.status, whole.info.run_id != half) == ("FINISHED", True)


def test_the_verdict_stands_in_tags_and_card_and_the_aliases_follow_what_serves(
    kept: Lake, gbm: Release, naive: Release, client: MlflowClient, tmp_path: Path
) -> None:
    serve(kept, naive, hours=1)
    refused = decided(gbm, naive, "refused")
    record.verdict(kept, refused, run="r", now=NOW)
    assert dossier.judge(kept, gbm, refused)
    assert not dossier.judge(kept, naive, refused)
    assert tracking.mirror(kept, "town", NO_DAYS).verdicts == 1
    assert client.get_model_version_by_alias("town.count", "champion").tags["release"] == naive.name
    assert client.get_model_version_by_alias("town.count", "challenger").tags["release"] == gbm.name
    record.verdict(kept, decided(gbm, naive), run="s", now=NOW + timedelta(hours=1))
    dossier.judge(kept, gbm, decided(gbm, naive))
    serve(kept, gbm, hours=2)
    assert tracking.mirror(kept, "town", NO_DAYS).verdicts == 1
    run = runs(client)[gbm.name]
    assert (run.data.tags["verdict.action"], run.data.tags["verdict.champion"]) == ("promoted", naive.name)
    assert "It was promoted: better beyond noise." in run.data.tags["mlflow.note.content"]
    card = Path(client.download_artifacts(run.info.run_id, "card.md", str(tmp_path)))
    assert card.read_bytes() == kept.files.get(f"{gbm.path}/card.md")
    version = client.get_model_version_by_alias("town.count", "champion")
    assert (version.tags["release"], version.aliases) == (gbm.name, ["champion"])
    with pytest.raises(MlflowException, match="challenger"):
        client.get_model_version_by_alias("town.count", "challenger")


def test_verified_days_become_points_once(kept: Lake, gbm: Release, client: MlflowClient) -> None:
    day = CUT.date() + timedelta(days=2)
    told = {"release": [gbm.name] * 2, "metric": ["live/skill"] * 2, "day": [day, day + timedelta(days=1)]}
    days = pl.DataFrame({**told, "value": [0.125, 0.25]})
    assert [tracking.mirror(kept, "town", days).points for _ in range(2)] == [2, 0]
    corrected = days.with_columns(value=pl.Series([0.125, 0.5]))
    assert tracking.mirror(kept, "town", corrected).points == 1
    history = client.get_metric_history(runs(client)[gbm.name].info.run_id, "live/skill")
    assert sorted((point.step, point.value) for point in history) == [(2, 0.125), (3, 0.25), (3, 0.5)]
    assert {point.timestamp for point in history if point.step == 2} == {_ms(day)}


def test_a_server_that_is_away_stops_nothing_and_is_caught_up_with_later(
    kept: Lake, gbm: Release, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for scheme in ("postgresql", "http"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://someone:secret@127.0.0.1:{port}/mlflow")
        started = time.monotonic()
        missed = tracking.mirror(kept, "town", NO_DAYS)
        assert time.monotonic() - started < 5
        assert "Connection refused" in missed.waiting
        assert "secret" not in missed.waiting
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    client.delete_run(runs(client)[gbm.name].info.run_id)
    assert tracking.mirror(kept, "town", NO_DAYS).runs == 1


def test_a_server_that_never_answers_is_waited_for_no_longer_than_patience(
    kept: Lake, gbm: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        missed = tracking.mirror(kept, "town", NO_DAYS, patience_s=0.5)
        assert time.monotonic() - started < 3
    assert "did not answer within 0.5 s" in missed.waiting


def test_the_database_lies_beside_the_lake_unless_the_environment_names_another(
    kept: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Path(kept.url).absolute()
    assert tracking.uri(kept) == f"sqlite:///{beside}/mlflow.db"
    assert tracking.artifacts(kept) == f"file://{beside}/mlartifacts"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://db/mlflow")
    assert tracking.uri(kept) == "postgresql+psycopg2://db/mlflow"
    assert tracking.artifacts(kept) == f"file://{beside}/mlartifacts"
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://city/mlflow/")
    assert tracking.artifacts(kept) == "s3://city/mlflow"
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking.artifacts(kept) is None


def _ms(day: date) -> int:
    return int(utc(day.year, day.month, day.day).timestamp() * 1000)
