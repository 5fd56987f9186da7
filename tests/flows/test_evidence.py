"""A training shows what it was judged by; its card says the same numbers as MLflow, and both come from the lake."""

from __future__ import annotations

import json
import re
import socket
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.flows.conftest import Open
from tests.flows.tables import served
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.flows import backtest, cycle, mirror, promote, train
from urbancast.lake import runs, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import card, code, release as registry, tracking
from urbancast.registry.release import Release

NUMBER = r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?%?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake with one training, mirrored to a database beside it, the first time a test asks."""
    return tmp_path_factory.mktemp("trained") / "lake"


@pytest.fixture
def lake(trained: Path, riverton: Open, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose tracking server was away during the training, and came back after it."""
    found = Lake.open(str(trained))
    if not served(found):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        with riverton(found) as (job, _):
            cycle.begin(job)
            tested = backtest.run(job)
            promote.run(job, train.run(job, tested), tested)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        with riverton(found) as (job, _):
            cycle.show_record(job)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return found


@pytest.fixture
def champion(lake: Lake) -> Release:
    return registry.get(lake, "riverton", serving.current(lake)["riverton"]["releases"]["bikes"])


@pytest.fixture
def client(lake: Lake) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking.uri(lake), registry_uri=tracking.uri(lake))


@pytest.fixture
def logged(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("riverton")
    return {run.data.tags["release"]: run for run in client.search_runs([experiment.experiment_id])}


def table(lake: Lake, release: Release, name: str) -> pl.DataFrame:
    return pl.read_csv(lake.files.get(f"{release.path}/evidence/tables/{name}.csv"))


def test_a_tracking_server_that_is_away_stops_no_flow_and_the_next_run_mirrors_it_all(
    lake: Lake, champion: Release, logged: dict[str, Run]
) -> None:
    told = runs.read(lake, "riverton").filter(pl.col("state") == "done")
    steps = {(row["flow"], row["step"]): json.loads(row["facts"]) for row in told.iter_rows(named=True)}
    for missed in (("train", "bikes: log"), ("promote", "serve")):
        assert "Connection refused" in steps[missed]["waiting"]
    caught_up = steps["mirror", "to MLflow"]
    releases = registry.every(lake, "riverton")
    assert (caught_up["runs"], caught_up["verdicts"], caught_up["waiting"]) == (len(releases), 1, "")
    assert set(logged) == {release.name for release in releases}
    assert verdicts.read(lake, "riverton")["challenger"].to_list() == [champion.name]
    assert logged[champion.name].data.tags["verdict.action"] == "promoted"
    assert {run.data.tags["role"] for run in logged.values()} == {"trained", "baseline", "rule"}


def test_the_cards_numbers_are_those_that_are_logged(
    lake: Lake, champion: Release, logged: dict[str, Run], client: MlflowClient, tmp_path: Path
) -> None:
    run = logged[champion.name]
    text = Path(client.download_artifacts(run.info.run_id, "card.md", str(tmp_path))).read_text(encoding="utf-8")
    assert text == lake.files.get(f"{champion.path}/card.md").decode()
    given = run.data.metrics
    for name, words in card.SCORES.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| {words} |"))
        expected = [card.number(given[f"score.{name}"]), card.number(1.96 * given[f"score.{name}.se"])]
        expected += [card.number(given[f"baseline.{name}"])]
        expected += [f"{given[f'skill.{name}{end}']:+.1%}" for end in ("", ".low", ".high")]
        assert re.findall(NUMBER, line) == expected
    said = re.search(rf"range held ({NUMBER}) ± ({NUMBER}) of the time and was ({NUMBER}) wide", text)
    assert said is not None
    assert said.group(1) == f"{given['coverage_80']:.1%}"
    assert said.group(3) == card.number(given["width_80"])
    for point in client.get_metric_history(run.info.run_id, "hour/skill"):
        line = next(line for line in text.splitlines() if line.startswith(f"| {point.step:02}:00 |"))
        assert line.split(" | ")[5] == f"{point.value:+.1%}"


def test_the_card_names_product_licences_and_verdict(lake: Lake, champion: Release) -> None:
    text = lake.files.get(f"{champion.path}/card.md").decode()
    assert card.SIMULATED in text
    assert "[CC0 1.0](https://example.org/cc0) | Town of Riverton |" in text
    assert "It was promoted: better beyond noise" in text
    assert "| worst places |" in text
    assert "Market Street" in text
    assert "urbancast train riverton --as-of 2026-03-31T10:00:00Z --lake LAKE" in text
    page = lake.files.get(f"{champion.path}/card.html").decode()
    assert page.count("data:image/png;base64,") == 4


def test_a_run_names_its_inputs_code_recipe_and_seed(logged: dict[str, Run], champion: Release) -> None:
    given = logged[champion.name].data.params
    facts = champion.facts
    assert given["code.source"] == facts["code"]["source"] == code.tree(code.PACKAGE)
    assert given["recipe"] == facts["recipe"]
    assert given["seed"] == "20260101"
    for name in ("observations", "covariates", "places"):
        assert re.fullmatch(r"[0-9a-f]{16}:\d+", given[f"inputs.{name}"])
    assert {"libraries.polars", "libraries.lightgbm", "window.start", "window.train_days", "code.product"} <= set(given)


def test_every_slice_has_every_row_once(lake: Lake, champion: Release, logged: dict[str, Run]) -> None:
    rows = table(lake, champion, "slices")
    totals = rows.group_by("slice").agg(pl.col("n").sum(), error=(pl.col("loss") * pl.col("n")).sum())
    given = logged[champion.name].data.metrics
    assert set(totals["slice"]) == {"fold", "lead", "hour", "weekday", "holiday", "place"}
    assert totals["n"].unique().to_list() == [given["rows"]]
    for error in totals["error"]:
        assert error / given["rows"] == pytest.approx(given["score.absolute_error"])
    assert rows.filter(pl.col("slice") == "place").height == 4


def test_splits_end_their_training_before_what_they_are_judged_by(lake: Lake, champion: Release) -> None:
    splits = table(lake, champion, "splits")
    assert splits.height == 2
    for earlier, later in (("train_from", "calibration_from"), ("calibration_from", "cut")):
        assert (splits[earlier] < splits[later]).all()
    assert (splits["cut"] <= splits["first_origin"]).all()
    assert (splits["first_origin"] <= splits["first_time"]).all()


def test_predictions_are_a_bounded_sample_of_the_last_fold_with_all_quantiles(lake: Lake, champion: Release) -> None:
    rows = pl.read_parquet(lake.files.get(f"{champion.path}/evidence/predictions.parquet"))
    assert 0 < rows.height <= 4 * 2_000
    assert rows["candidate"].value_counts()["count"].n_unique() == 1
    assert set(rows["candidate"]) == {"seasonal_naive", "climatology", "linear", "gbm"}
    assert rows["cut"].n_unique() == 1
    assert (rows["origin"] >= rows["cut"]).all()
    assert rows["value"].null_count() == 0
    for low, high in pairwise(QUANTILE_COLUMNS):
        assert (rows[low] <= rows[high]).all()


def test_what_is_kept_is_text_pictures_and_parquet(lake: Lake, champion: Release) -> None:
    files = lake.files.list(f"{champion.path}")
    kinds = {"json": b"{", "txt": b"tree", "md": b"#", "html": b"<!doctype", "png": b"\x89PNG", "parquet": b"PAR1"}
    for path in files:
        beginning = lake.files.get(path)[:16]
        kind = path.rpartition(".")[2]
        assert kind in {*kinds, "csv"}
        assert beginning.startswith(kinds.get(kind, b"")), path
    pictures = {path.rpartition("/")[2] for path in files if path.endswith(".png")}
    assert pictures == {"coverage.png", "pit.png", "reliability.png", "importance.png"}
    shares = table(lake, champion, "importance").group_by("part").agg(pl.col("share").sum())
    assert set(shares["part"]) == {"trees", "ridge"}
    assert shares["share"].to_list() == pytest.approx([1.0, 1.0])
    pit = table(lake, champion, "pit")
    assert (pit.height, pit["share"].sum()) == (20, pytest.approx(1.0))


def test_verified_days_are_followed_in_the_runs_of_their_releases(
    lake: Lake, riverton: Open, client: MlflowClient, logged: dict[str, Run]
) -> None:
    with riverton(lake) as (job, _):
        days = mirror.followed(job)
    assert set(days["metric"]) == {"replay/skill", "replay/absolute_error", "replay/coverage_80"}
    replayed = registry.get(lake, "riverton", next(n for n in days["release"] if n.startswith("bikes-gbm")))
    own = days.filter((pl.col("release") == replayed.name) & (pl.col("metric") == "replay/skill"))
    history = client.get_metric_history(logged[replayed.name].info.run_id, "replay/skill")
    until = replayed.trained_until.date()
    assert {(p.step, p.value) for p in history} == {
        ((day - until).days, value) for day, value in own.select("day", "value").iter_rows()
    }
    assert own.height == 3
