"""Tracking: every release as an MLflow run, with what went in, what came out, its verdict, and how it does since.

MLflow mirrors what lies in the lake, which decides: whatever is missing there is put there by the next mirroring, and
a tracking server that is away, slow or wrong loses nothing and stops nothing.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.lake import serving
from urbancast.lake.store import Lake
from urbancast.registry import dossier, record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import MANIFEST, Release

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MIRROR = "A mirror: the lake's tables decide what serves. Use `urbancast promote` and `urbancast rollback`."
PATIENCE_S = 60.0  # what a flow waits for its mirror at most
CONNECT_S = 3.0
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
NO_DAYS = pl.DataFrame(schema={"release": pl.String, "day": pl.Date, "metric": pl.String, "value": pl.Float64})
LONGEST = 500  # characters of a parameter
_AT_ONCE = 1000

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


@dataclass(kw_only=True)
class Mirrored:
    """What one mirroring added: runs, verdicts told, points over time; ``waiting``: why the rest has to wait."""

    runs: int = 0
    verdicts: int = 0
    points: int = 0
    waiting: str = ""


def uri(lake: Lake) -> str:
    """Tracking URI: MLFLOW_TRACKING_URI, else SQLite beside a local lake, else SQLite in the working folder."""
    asked = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_home(lake) / 'mlflow.db'}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", asked)  # SQLAlchemy would take a driver we have not


def artifacts(lake: Lake) -> str | None:
    """Where artifacts go: MLFLOW_DEFAULT_ARTIFACT_ROOT, else beside the lake; None where a tracking server decides."""
    asked = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    if asked:
        return asked.rstrip("/")
    if uri(lake).startswith(("http://", "https://")):
        return None
    return f"{lake.url}/mlartifacts" if "://" in lake.url else (_home(lake) / "mlartifacts").as_uri()


def mirror(lake: Lake, product: str, days: pl.DataFrame, *, patience_s: float = PATIENCE_S) -> Mirrored:
    """Put into MLflow what the lake has and it has not; never raises, never waits longer than ``patience_s``.

    ``days``: release, day, metric, value: how releases do day by day since they were trained.
    """
    done = Mirrored()
    work = threading.Thread(
        target=_guarded, args=(lake, product, days, done, time.monotonic() + patience_s), daemon=True
    )
    work.start()
    work.join(patience_s)
    if work.is_alive():
        done.waiting = f"{_where(uri(lake))} did not answer within {patience_s:g} s"
    return done


def _guarded(lake: Lake, product: str, days: pl.DataFrame, done: Mirrored, limit: float) -> None:
    try:
        _require_answer(uri(lake))
        _mirror(lake, product, days, done, limit)
    except Exception as error:  # noqa: BLE001 - whatever a tracking server does, the flow goes on
        done.waiting = f"{type(error).__name__}: {_plain(str(error))}"


def _mirror(lake: Lake, product: str, days: pl.DataFrame, done: Mirrored, limit: float) -> None:
    client = _client(lake)
    experiment = _experiment(client, lake, product)
    known = _known(client, experiment)
    releases = registry.every(lake, product)
    for release in releases:
        if time.monotonic() > limit:
            done.waiting = "out of time"
            return
        if release.name not in known:
            known[release.name] = _log(client, lake, experiment, release)
            done.runs += 1
    live = {decision.challenger: decision for decision in record.decisions(lake, product)}
    replayed = {decision.challenger: decision for decision in record.decisions(lake, product, kind="replay")}
    for release in releases:
        decision = live.get(release.name) or replayed.get(release.name)
        if decision is not None:
            kind = "live" if release.name in live else "replay"
            done.verdicts += _tell(client, lake, known[release.name], decision, {"verdict.kind": kind})
    _alias(client, lake, product, live)
    named = {release.name: release for release in releases}
    for (name,), rows in days.group_by("release", maintain_order=True):
        done.points += _follow(client, known[str(name)], named[str(name)], rows)


def _known(client: MlflowClient, experiment: str) -> dict[str, Run]:
    """Finished runs by the release they are of; one that was never finished is deleted, and made again."""
    found: dict[str, Run] = {}
    token: str | None = None
    while True:
        page = client.search_runs([experiment], "tags.kind = 'release'", max_results=_AT_ONCE, page_token=token)
        for run in page:
            if run.info.status == "FINISHED":
                found[run.data.tags["release"]] = run
            else:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return found


def _log(client: MlflowClient, lake: Lake, experiment: str, release: Release) -> Run:
    """A release as a finished run and a registered version; a simple rule, which shows no dossier, with its facts."""
    from mlflow.entities import Metric, Param

    facts = dossier.read(lake, release)
    params = facts["params"] if facts else _facts(release)
    tags = {"kind": "release", "product": release.product, "release": release.name, "measure": release.measure}
    tags |= {"candidate": release.candidate, "role": _role(release), "provenance": str(release.facts.get("provenance"))}
    tags["record"] = str(release.facts.get("kind", "live"))  # a replay trains releases of its own
    if facts:
        tags["mlflow.note.content"] = lake.files.get(f"{release.path}/card.md").decode()[:8000]
    run = client.create_run(experiment, run_name=release.name, tags=tags)
    name, now = run.info.run_id, int(time.time() * 1000)
    values = [Param(key, str(value)[:LONGEST]) for key, value in params.items()]
    for part in _parts(values):
        client.log_batch(name, params=part)
    numbers = [Metric(key, value, now, 0) for key, value in (facts["metrics"] if facts else {}).items()]
    curves = facts["series"] if facts else {}
    numbers += [Metric(key, value, now, step) for key, points in curves.items() for step, value in points]
    for part in _parts(numbers):
        client.log_batch(name, metrics=part)
    with _folder(lake, release, facts) as folder:
        client.log_artifacts(name, str(folder))
    _register(client, release, name, str(run.info.artifact_uri))
    client.set_terminated(name)
    return client.get_run(name)


def _tell(client: MlflowClient, lake: Lake, run: Run, decision: Decision, more: Mapping[str, str]) -> int:
    """The newest verdict about a release as tags of its run, and its card anew; 0 where they are there."""
    told = {
        **more,
        "verdict.action": decision.action,
        "verdict.reason": decision.reason,
        "verdict.champion": decision.champion,
        "verdict.skill": "" if decision.skill is None else f"{decision.skill:.6g}",
        "verdict.low": "" if decision.low is None else f"{decision.low:.6g}",
        "verdict.high": "" if decision.high is None else f"{decision.high:.6g}",
        "verdict.at": str(decision.decided_at),
    }
    if all(run.data.tags.get(key) == value for key, value in told.items()):
        return 0
    cards = [f"releases/{decision.product}/{decision.challenger}/card.{kind}" for kind in ("md", "html")]
    for path in filter(lake.files.exists, cards):
        client.log_text(run.info.run_id, lake.files.get(path).decode(), path.rpartition("/")[2])
        if path.endswith(".md"):
            client.set_tag(run.info.run_id, "mlflow.note.content", lake.files.get(path).decode()[:8000])
    for key, value in told.items():  # last, so that what was stopped on the way is told again
        client.set_tag(run.info.run_id, key, value)
    return 1


def _alias(client: MlflowClient, lake: Lake, product: str, newest: Mapping[str, Decision]) -> None:
    """`champion` is what serves each measure; `challenger` whose verdict is the newest, where another serves."""
    served: Mapping[str, str] = (serving.current(lake).get(product) or {}).get("releases") or {}
    for measure, champion in served.items():
        asked = [d for d in newest.values() if d.measure == measure and d.challenger != champion]
        challenger = (
            max(asked, key=lambda d: d.decided_at or datetime.min.replace(tzinfo=UTC)).challenger if asked else ""
        )
        model = f"{product}.{measure}"
        every = sorted(client.search_model_versions(f"name = '{model}'"), key=lambda each: int(each.version))
        versions = {each.tags.get("release"): str(each.version) for each in every}  # the newest of each
        there = client.get_registered_model(model).aliases if every else {}
        for alias, name in (("champion", champion), ("challenger", challenger)):
            if name in versions and str(there.get(alias)) != versions[name]:
                client.set_registered_model_alias(model, alias, versions[name])
            elif name not in versions and alias in there:
                client.delete_registered_model_alias(model, alias)


def _follow(client: MlflowClient, run: Run, release: Release, rows: pl.DataFrame) -> int:
    """Points of metrics over time that are not there yet; their step is the day since the training."""
    from mlflow.entities import Metric

    new = []
    for (metric,), days in rows.group_by("metric", maintain_order=True):
        there = {(p.step, p.value) for p in client.get_metric_history(run.info.run_id, str(metric))}
        for day, value in days.select("day", "value").iter_rows():
            step = (day - release.trained_until.date()).days
            at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
            if (step, value) not in there:
                new.append(Metric(str(metric), value, at, step))
    for part in _parts(new):
        client.log_batch(run.info.run_id, metrics=part)
    return len(new)


def _parts(values: list[Any], size: int = 100) -> Iterator[list[Any]]:
    yield from (values[i : i + size] for i in range(0, len(values), size))


def _home(lake: Lake) -> Path:
    return Path.cwd() if "://" in lake.url else Path(lake.url).absolute()


def _client(lake: Lake) -> MlflowClient:
    from mlflow import MlflowClient  # a second and a half; only trainings need it

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    root = artifacts(lake)
    if root:  # of the experiment that every new database begins with; else a folder appears where we were started
        os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = root
    return MlflowClient(tracking_uri=uri(lake), registry_uri=uri(lake))


def _experiment(client: MlflowClient, lake: Lake, product: str) -> str:
    known = client.get_experiment_by_name(product)
    if known is not None:
        return str(known.experiment_id)
    root = artifacts(lake)
    tags = {"mlflow.experimentKind": "custom_model_development"}  # which of MLflow's pages it opens with
    return str(client.create_experiment(product, artifact_location=f"{root}/{product}" if root else None, tags=tags))


@contextmanager
def _folder(lake: Lake, release: Release, facts: Mapping[str, Any] | None) -> Iterator[Path]:
    """Release files, and the dossier as it lies in the lake, in one temporary folder."""
    names = {f"release/{file}": file for file in [*release.facts["checksums"], MANIFEST]}
    if facts:
        names |= {file: file for file in ("card.md", "card.html")}
        names |= {f"{dossier.FOLDER}/{file}": f"{dossier.FOLDER}/{file}" for file in [*facts["files"], dossier.FACTS]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for target, source in names.items():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_bytes(lake.files.get(f"{release.path}/{source}"))
        yield folder


def _register(client: MlflowClient, release: Release, run: str, location: str) -> None:
    name = f"{release.product}.{release.measure}"
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=MIRROR)
    client.create_model_version(name, f"{location}/release", run_id=run, tags={"release": release.name})


def _role(release: Release) -> str:
    return "trained" if release.number > 0 else "baseline" if release.number == 0 else "rule"


def _facts(release: Release) -> dict[str, str]:
    said = {key: value for key, value in release.facts.items() if key not in {"checksums", "backtest"}}
    texts = {key: value if isinstance(value, str) else json.dumps(value, default=str) for key, value in said.items()}
    own = {"candidate": release.candidate, "number": str(release.number), "trained_until": str(release.trained_until)}
    return {**texts, **own}


def _require_answer(tracking: str) -> None:
    """NotReadyError within seconds where nothing listens: MLflow itself would try for minutes."""
    parts = urlsplit(tracking)
    port = parts.port or PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None:
        return
    try:
        socket.create_connection((parts.hostname, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise NotReadyError(
            f"tracking: expected {_where(tracking)} to answer, found {error.strerror or error}"
        ) from error


def _where(tracking: str) -> str:
    """A tracking URI without user and password."""
    return re.sub(r"//[^@/\s]*@", "//", tracking)


def _plain(said: str) -> str:
    """The beginning of a message, in one line, without users and passwords of URLs."""
    return " ".join(_where(said).split())[:200]
