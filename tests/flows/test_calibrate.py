"""Folds are calibrated like issued forecasts, each candidate beside the baseline and against every rule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from tests.monitoring.test_calibration import lost
from urbancast.flows import calibrate
from urbancast.flows.job import Job
from urbancast.lake import calibration
from urbancast.lake.store import Lake

ROWS = 2 * 96


def folded(seed: int, candidate: str, *, hours: int = 96) -> pl.DataFrame:
    return lost(seed, hours=hours).drop("release", "kind").with_columns(candidate=pl.lit(candidate))


@pytest.fixture
def job(lake: Lake) -> Job:
    rules = (SimpleNamespace(name="naive"), SimpleNamespace(name="usual"))
    recipe = SimpleNamespace(rules=rules, baseline="naive")
    return cast("Job", SimpleNamespace(recipe=recipe, lake=lake, product=SimpleNamespace(id="town")))


def test_candidates_of_the_folds_are_calibrated_and_shadows_are_not(job: Job, lake: Lake) -> None:
    losses = pl.concat([folded(1, "gbm"), folded(2, "naive"), folded(3, "usual", hours=30)])
    calibrate.folds(job, losses, run_id="r")
    rows = calibration.read(lake, "town", kind="backtest")
    counted = rows.group_by("release", "dimension", "against").agg(pl.col("n").sum())
    found = {(release, str(dimension), rule): n for release, dimension, rule, n in counted.iter_rows()}
    expected = {
        (f"backtest:{name}", dimension, ""): ROWS
        for name in ("gbm", "naive")
        for dimension in ("lead", "decile", "pit")
    }
    against = {("gbm", "naive"): ROWS, ("gbm", "usual"): 60, ("naive", "usual"): 60}
    assert found == expected | {(f"backtest:{name}", "rule", rule): n for (name, rule), n in against.items()}


def test_the_same_folds_again_change_nothing(job: Job, lake: Lake) -> None:
    losses = pl.concat([folded(1, "gbm"), folded(2, "naive")])
    calibrate.folds(job, losses, run_id="r")
    first = calibration.read(lake, "town")
    calibrate.folds(job, losses, run_id="r")
    assert calibration.read(lake, "town").equals(first)
