"""MLflow mirrors every training: parameters, metrics, files, a registered version and the champion's alias."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.features.panels import utc
from tests.registry.conftest import proposed
from urbancast.lake.store import Lake
from urbancast.models import Fitted
from urbancast.registry import release as registry, tracking
from urbancast.registry.release import Release
from urbancast.registry.tracking import Trained

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
    return registry.freeze(kept, fitted, proposed("gbm"), run="r", now=NOW)


@pytest.fixture
def naive(kept: Lake, simple: Fitted) -> Release:
    return registry.freeze(kept, simple, proposed("seasonal_naive", number=2), run="r", now=NOW)


def log(lake: Lake, release: Release) -> str:
    trained = Trained(
        release=release,
        params={"candidate": release.candidate, "inputs.observations": "a1b2:9000", "long": "x" * 900},
        metrics={"gbm.absolute_error": 3.25, "seasonal_naive.absolute_error": 5.5},
        tables={"folds.csv": "candidate,absolute_error\ngbm,3.25\n"},
        pictures={"coverage.png": PNG},
    )
    return tracking.log(lake, trained)


def test_a_run_holds_parameters_metrics_and_files(
    kept: Lake, gbm: Release, client: MlflowClient, tmp_path: Path
) -> None:
    run = client.get_run(log(kept, gbm))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == gbm.name
    assert run.data.params["inputs.observations"] == "a1b2:9000"
    assert len(run.data.params["long"]) == 500
    assert run.data.metrics == {"gbm.absolute_error": 3.25, "seasonal_naive.absolute_error": 5.5}
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"release", "folds.csv", "coverage.png", "facts.json"}
    model = Path(client.download_artifacts(run.info.run_id, "release/model.json", str(tmp_path)))
    assert model.read_bytes() == kept.files.get(f"{gbm.path}/model.json")


def test_a_training_is_a_registered_version_that_names_its_release(
    kept: Lake, gbm: Release, client: MlflowClient
) -> None:
    run = log(kept, gbm)
    versions = client.search_model_versions("name = 'town.count'")
    newest = max(versions, key=lambda version: int(version.version))
    assert (newest.run_id, newest.tags["release"]) == (run, gbm.name)


def test_the_alias_champion_moves_with_each_promotion(
    kept: Lake, gbm: Release, naive: Release, client: MlflowClient
) -> None:
    for release in (gbm, naive):
        log(kept, release)
    for release in (gbm, naive, gbm):
        tracking.mark_champion(kept, release)
        champion = client.get_model_version_by_alias("town.count", "champion")
        assert champion.tags["release"] == release.name


def test_a_release_that_was_never_logged_moves_no_alias(kept: Lake, gbm: Release, client: MlflowClient) -> None:
    log(kept, gbm)
    tracking.mark_champion(kept, gbm)
    tracking.mark_champion(kept, proposed("gbm", name="count-gbm-unknown"))
    assert client.get_model_version_by_alias("town.count", "champion").tags["release"] == gbm.name


def test_the_database_lies_beside_the_lake_unless_the_environment_names_another(
    kept: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking.uri(kept) == f"sqlite:///{Path(kept.url).absolute()}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking.uri(kept) == "http://127.0.0.1:5000"
