from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from urbancast import products
from urbancast.flows import opening
from urbancast.flows.job import Job
from urbancast.lake.store import Lake
from urbancast.settings import settings

ROOT = Path(__file__).resolve().parents[2]
ACCURACY = ROOT / "benchmarks" / "accuracy"
KEYS = {"question", "measured_on", "score", "unit", "rule", "rule_score", "ours", "held"}
RIVERTON = ["riverton", "--sample", "--as-of", "2026-03-29T10:00Z", "--until", "2026-03-31T10:00Z"]
UNTIL = datetime(2026, 3, 31, 10, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _riverton() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("URBANCAST_PRODUCTS", str(ROOT / "tests" / "cities"))
        patch.syspath_prepend(str(ACCURACY))
        settings.cache_clear()
        products.forget()
        yield
    settings.cache_clear()
    products.forget()


@pytest.fixture(scope="module")
def official() -> Any:
    return importlib.import_module("_official")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accuracy")


@pytest.fixture(scope="module")
def told(official: Any, folder: Path) -> dict[str, Any]:
    """What the product's own command printed of two days of Riverton."""
    return dict(official.run(RIVERTON, folder))


@pytest.fixture(scope="module")
def job(told: dict[str, Any], folder: Path) -> Iterator[Job]:
    """Riverton in the lake that its command filled."""
    with opening.jobs(["riverton"], Lake.open(str(folder / "lake")), opening.Origin(), now=UNTIL) as jobs:
        yield jobs[0]


def test_a_row_repeats_what_the_command_printed(official: Any, told: dict[str, Any]) -> None:
    found = official.score(told, "bikes", "day 1")
    row = official.row(
        found, question="q", measured_on="Riverton", unit="bicycles/h", rules={found["rule"]: "the rule"}
    )
    assert row.keys() == KEYS
    printed = next(s for s in told["scores"] if s["lead"] == "day 1" and s["forecaster"] == found["forecaster"])
    assert (row["ours"], row["rule_score"], row["held"]) == (printed["value"], printed["baseline"], printed["held_80"])
    assert (row["score"], row["rule"]) == ("MAE", "the rule")
    assert f"{printed['n']:,} rows" in row["measured_on"]


def test_what_is_served_follows_the_verdict(official: Any, told: dict[str, Any]) -> None:
    verdict = told["verdicts"]["bikes"]
    refused = {**told, "verdicts": {"bikes": {**verdict, "action": "refused"}}}
    assert verdict["challenger"].startswith(f"bikes-{official.served(told, 'bikes')}-")
    assert official.served(refused, "bikes") == "seasonal_naive"
    assert official.score(refused, "bikes", "all")["forecaster"] == "seasonal_naive"


def test_a_rule_beside_itself_is_no_measured_gain(official: Any, told: dict[str, Any]) -> None:
    rule = next(found for found in told["scores"] if found["forecaster"] == found["rule"])
    row = official.row(rule, question="q", measured_on="m", unit="u", rules={})
    assert row["ours"] == row["rule_score"]
    assert "the rule itself is served" in row["measured_on"]
    assert "gain" not in row["measured_on"]


def test_a_score_that_is_not_there_stops_by_name(official: Any, told: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="day 9"):
        official.score(told, "bikes", "day 9")


@pytest.mark.parametrize(("low", "is_noise"), [(-0.1, True), (0.1, False)])
def test_a_gain_within_noise_says_so(official: Any, low: float, is_noise: bool) -> None:
    found = {"low": low, "high": 0.5, "baseline": 10.0, "skill": 0.02}
    said = official.gain(found)
    assert said.startswith("gain 2.0 % (95 %, by days: ")
    assert ("within noise" in said) is is_noise


def test_a_loss_keeps_its_sign(official: Any) -> None:
    assert "gain -2.0 %" in official.gain({"low": -0.5, "high": -0.1, "baseline": 10.0, "skill": -0.02})


def test_folds_score_the_candidate_and_every_rule_on_what_was_known(official: Any, job: Job) -> None:
    folds = importlib.import_module("_folds")
    rows = folds.losses(job, "linear", until=UNTIL, folds=2, every=timedelta(days=3))
    assert set(rows["candidate"]) == {"linear", *(rule.name for rule in job.recipe.rules)}
    assert rows["cut"].unique().sort().to_list() == [UNTIL - timedelta(days=6), UNTIL - timedelta(days=3)]
    assert rows.select((pl.col("origin") >= pl.col("cut")).all()).item()
    own = rows.filter(pl.col("candidate") == "linear")
    found = folds.summary(job, rows, "linear")
    assert found["held_80"] == pytest.approx(own["hits_80"].mean())
    assert found["score"] == "crps"
    assert folds.deciles(rows, "linear")["hits_80"].mean() == pytest.approx(own["hits_80"].mean(), abs=0.02)
    assert official.row(found, question="q", measured_on="m", unit="", rules={})["score"] == "CRPS"


def test_a_month_in_one_go_is_scored_beside_every_rule(job: Job) -> None:
    month = importlib.import_module("_month")
    cut, horizon = UNTIL - timedelta(days=4), timedelta(days=3)
    truth = observed(job, cut, cut + horizon)
    best, found = month.errors(job, truth, cut=cut, horizon=horizon)
    assert set(found) == {best, *(rule.name for rule in job.recipe.rules)}
    assert best in {candidate.name for candidate in job.recipe.candidates}
    assert all(0 < error < 3 for error in found.values())
    other = month.errors(job, truth.with_columns(pl.col("value") * 50), cut=cut, horizon=horizon)
    assert other[0] == best  # what is chosen does not depend on what is scored
    assert other[1][best] > 2


def observed(job: Job, start: datetime, end: datetime) -> pl.DataFrame:
    from urbancast.flows import panel

    return panel.panel(job).truth("bikes", start=start, end=end).select("place", "time", "value").drop_nulls()


@pytest.mark.parametrize(
    ("script", "needs"),
    [("paris_bikes", "paris/counts_2020-09_2021-08.parquet"), ("nyc_crashes", "nyc/injury_crashes_2020_2022.parquet")],
)
def test_a_checkout_without_the_real_data_says_which_file_it_needs(tmp_path: Path, script: str, needs: str) -> None:
    copy = tmp_path / "project" / "benchmarks" / "accuracy"
    shutil.copytree(ACCURACY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-W", "error", str(copy / f"{script}.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip().splitlines() == [
        f"needs the real extract shared/data/{needs} beside the project; it is not there"
    ]
    assert not (copy.parent / "out").exists()


def test_kept_rows_can_be_shown_in_the_table(
    official: Any, told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official, "OUT", tmp_path / "out")
    row = official.row(official.score(told, "bikes", "all"), question="q", measured_on="m", unit="u", rules={})
    official.keep("some/riverton.py", [row])
    assert json.loads((tmp_path / "out" / "riverton.json").read_text("utf-8")) == [row]
