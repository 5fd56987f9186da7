"""The whole loop of one small town: pull, baseline, improve, replay, verify."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.flows.conftest import NOW, Open
from tests.flows.tables import assert_equal, contents, served
from urbancast.core.errors import ContractError
from urbancast.evaluation import backtest
from urbancast.features.plan import Plan
from urbancast.flows import (
    backtest as evidence,
    cycle,
    forecast,
    panel as panels,
    promote,
    pull,
    replay,
    rollback,
    train,
    verify,
)
from urbancast.flows.job import Job
from urbancast.lake import forecasts, observations, quarantine, scores, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import release as registry


def whole_loop(job: Job) -> None:
    """Everything `urbancast up` does on its first day."""
    cycle.begin(job)
    cycle.improve(job)
    cycle.show_record(job)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that one whole loop fills the first time a test asks."""
    return tmp_path_factory.mktemp("undisturbed") / "lake"


@pytest.fixture
def lived(undisturbed: Path, riverton: Open) -> Lake:
    """A lake after one whole loop; tests only read it."""
    lake = Lake.open(str(undisturbed))
    if not served(lake):
        with riverton(lake) as (job, _):
            whole_loop(job)
    return lake


def test_every_raw_row_has_one_fate(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pulled = pull.run(job)
    first, newest = NOW - timedelta(days=73), NOW - timedelta(hours=12)  # yesterday, local, is the newest day
    assert pulled.raw_rows["counts"] == 4 * (newest - first) // timedelta(hours=1)
    assert pulled.raw_rows["counts"] == pulled.used["counts"] + pulled.quarantined["counts"] + pulled.repeated["counts"]
    assert pulled.quarantined["counts"] > 0
    assert quarantine.read(lake, "riverton").height == pulled.quarantined["counts"]


def test_a_second_pull_of_the_same_window_changes_nothing(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pull.run(job)
        before = contents(lake)
        again = pull.run(job)
    assert again.added == 0
    after = contents(lake)
    assert all(before[table].equals(after[table]) for table in before if table != "raw")


def test_what_is_not_published_yet_is_not_there(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pull.run(job)
    seen = observations.versions(lake, "riverton")
    newest = seen["time"].max()
    assert newest is not None
    assert newest < NOW - timedelta(hours=10)
    assert (seen["available_at"] <= NOW).all()


def test_the_baseline_serves_until_something_wins(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        row = serving.current(lake)["riverton"]
        release = registry.get(lake, "riverton", row["releases"]["bikes"])
    assert (release.number, release.candidate) == (0, "seasonal_naive")
    assert row["origin"] == NOW


def test_the_whole_loop_ends_with_a_verdict_and_a_record(lived: Lake) -> None:
    decisions = verdicts.read(lived, "riverton")
    assert decisions["action"].to_list() == ["promoted"]
    row = serving.current(lived)["riverton"]
    assert row["releases"]["bikes"] == decisions["challenger"][0]
    record = scores.read(lived, "riverton")
    assert set(record["kind"].unique()) == {"backtest", "replay"}
    replayed = record.filter(pl.col("kind") == "replay")
    assert replayed["n"].sum() > 0
    assert (replayed["baseline_absolute_error"] > 0).any()


def test_every_place_is_forecast_to_the_horizon_with_ordered_quantiles(lived: Lake) -> None:
    rows = forecasts.read(lived, "riverton", origin=NOW)
    sizes = rows.group_by("release", "place").len()
    assert set(sizes["len"].to_list()) == {48}
    assert sizes["place"].n_unique() == 4
    assert rows.select((pl.col("q05") <= pl.col("q50")).all() & (pl.col("q50") <= pl.col("q95")).all()).item()


def test_the_same_loop_again_changes_nothing(lake: Lake, lived: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        whole_loop(job)
    assert_equal(lake, lived)


def test_a_replay_equals_the_backtest_of_the_same_cut(lived: Lake, riverton: Open) -> None:
    with riverton(lived) as (job, _):
        cut = NOW - job.recipe.replay
        known = panels.panel(job)
        candidate = next(c for c in evidence.candidates(job.recipe) if c.name == "gbm")
        tested = backtest.run(known, Plan.of(job.recipe, job.product), "bikes", [candidate], [cut], until=NOW)
    release = next(r for r in registry.every(lived, "riverton") if r.candidate == "gbm" and r.trained_until == cut)
    replayed = forecasts.read(lived, "riverton", release=release.name)
    columns = ["place", "origin", "time", "mean", "q05", "q50", "q95"]
    one = replayed.select(columns).sort(columns[:3])
    other = tested.forecasts.select(columns).sort(columns[:3])
    assert one.height == 3 * 48 * 4
    assert one.equals(other)


def test_a_rollback_is_one_row_and_serves_the_one_before(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        cycle.improve(job)
        before = serving.history(lake, "riverton").height
        target = rollback.run(job)
        row = serving.current(lake)["riverton"]
    assert serving.history(lake, "riverton").height == before + 1
    assert (target.candidate, row["releases"]["bikes"]) == ("seasonal_naive", target.name)
    assert forecasts.read(lake, "riverton", origin=row["origin"], release=target.name).height == 48 * 4
    assert verdicts.read(lake, "riverton")["action"].to_list() == ["promoted", "rolled_back"]


def test_a_challenger_that_is_no_better_is_refused_with_numbers(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        cycle.improve(job)
        found = evidence.run(job)
        worse = registry.baseline(lake, "riverton", "bikes")
        assert worse is not None
        champion = forecast.serving_releases(job)["bikes"]
        decision = promote.decide(job, worse, champion, found["bikes"])
    assert decision.action == "refused"
    assert decision.high is not None
    assert decision.high < 0
    assert decision.reason == "worse than the champion"


def test_a_lake_holds_one_provenance_a_product(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pull.run(job)
        live = Job(**{**vars(job), "provenance": "live"})
        with pytest.raises(ContractError, match="use another lake"):
            pull.run(live)


def test_late_truth_is_scored_once_more(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        tomorrow = NOW + timedelta(days=2)
        pull.run(job.at(tomorrow))
        verify.run(job.at(tomorrow))
        first = scores.read(lake, "riverton")
        verify.run(job.at(tomorrow))
    assert first["n"].sum() > 0
    assert scores.read(lake, "riverton").drop("run").equals(first.drop("run"))


def test_replay_is_marked_by_its_wall_clock(lived: Lake) -> None:
    rows = forecasts.read(lived, "riverton")
    past = rows.filter(pl.col("origin") < NOW)
    assert past.height > 0
    assert (past["issued_at"] >= past["time"]).all()


def test_training_again_on_the_same_data_gives_the_same_release(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        first = train.baselines(job)["bikes"].name
        found = evidence.run(job)
        one = train.run(job, found)["bikes"].name
        two = train.run(job, found)["bikes"].name
        replay.run(job, days=1)
    assert first == registry.baseline(lake, "riverton", "bikes").name  # type: ignore[union-attr]
    assert one == two
