"""Tracking: every training in MLflow, with what went in, what came out and pictures of both.

MLflow mirrors; the lake's `releases` table is the source of truth, so a lost tracking server loses no release.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from urbancast.lake.store import Lake
from urbancast.registry.release import MANIFEST, Release

if TYPE_CHECKING:
    from mlflow import MlflowClient

MIRROR = "A mirror: the lake's tables decide what serves. Use `urbancast promote` and `urbancast rollback`."

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training leaves behind: flat parameters and metrics, tables (CSV) and pictures (PNG) by file name."""

    release: Release
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tables: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def uri(lake: Lake) -> str:
    """Tracking URI: MLFLOW_TRACKING_URI, else SQLite beside a local lake, else SQLite in the working folder."""
    asked = os.environ.get("MLFLOW_TRACKING_URI")
    return asked or f"sqlite:///{_home(lake) / 'mlflow.db'}"


def log(lake: Lake, trained: Trained) -> str:
    """Log one training as an MLflow run and a registered model version; return the run's id."""
    client = _client(lake)
    release = trained.release
    experiment = _experiment(client, lake, release.product)
    run = client.create_run(experiment, run_name=release.name, tags={"product": release.product})
    identity = run.info.run_id
    for key, value in trained.params.items():
        client.log_param(identity, key, value[:500])
    for key, number in trained.metrics.items():
        client.log_metric(identity, key, number)
    with _folder(lake, trained) as folder:
        client.log_artifacts(identity, str(folder))
    client.set_terminated(identity)
    _register(client, release, identity, run.info.artifact_uri)
    return str(identity)


def mark_champion(lake: Lake, release: Release) -> None:
    """Point the alias `champion` at a release's registered version, where it is registered."""
    client = _client(lake)
    name = _model(release)
    versions = client.search_model_versions(f"name = '{name}'")
    match = next((v for v in versions if v.tags.get("release") == release.name), None)
    if match is not None:
        client.set_registered_model_alias(name, "champion", match.version)


def _home(lake: Lake) -> Path:
    return Path.cwd() if "://" in lake.url else Path(lake.url).absolute()


def _client(lake: Lake) -> MlflowClient:
    from mlflow import MlflowClient  # a second and a half; only trainings need it

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri(lake), registry_uri=uri(lake))


def _experiment(client: MlflowClient, lake: Lake, product: str) -> str:
    known = client.get_experiment_by_name(product)
    if known is not None:
        return str(known.experiment_id)
    remote = os.environ.get("MLFLOW_TRACKING_URI")
    location = None if remote else (_home(lake) / "mlartifacts" / product).as_uri()
    return str(client.create_experiment(product, artifact_location=location))


@contextmanager
def _folder(lake: Lake, trained: Trained) -> Iterator[Path]:
    """Release files, tables and pictures in one temporary folder."""
    release = trained.release
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "release").mkdir()
        for file in [*release.facts["checksums"], MANIFEST]:
            (folder / "release" / file).write_bytes(lake.files.get(f"{release.path}/{file}"))
        for file, text in trained.tables.items():
            (folder / file).write_text(text, encoding="utf-8")
        for file, picture in trained.pictures.items():
            (folder / file).write_bytes(picture)
        (folder / "facts.json").write_text(json.dumps(dict(release.facts), indent=1, default=str), encoding="utf-8")
        yield folder


def _model(release: Release) -> str:
    return f"{release.product}.{release.measure}"


def _register(client: MlflowClient, release: Release, run: str, artifacts: str) -> None:
    name = _model(release)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=MIRROR)
    client.create_model_version(name, f"{artifacts}/release", run_id=run, tags={"release": release.name})
