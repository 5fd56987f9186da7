"""A replay lives past days as production would have: what it trains, promotes and forecasts, and what it leaves be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import NOW, Open
from tests.flows.tables import assert_equal, contents, served
from urbancast.core.errors import QueryError
from urbancast.evaluation import backtest
from urbancast.features.plan import Plan
from urbancast.flows import cycle, forecast, panel as panels, probation, pull, replay, retraining
from urbancast.flows.job import Job
from urbancast.lake import forecasts, observations, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import release as registry

DAY = timedelta(days=1)
DAYS, CADENCE = 3, 2
ANCHOR = NOW - DAYS * DAY
ISSUED = ["place", "origin", "time", "mean", "q05", "q10", "q25", "q50", "q75", "q90", "q95"]


class Killed(BaseException):
    """The process died here."""


@pytest.fixture(scope="module")
def relived_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test to ask fills: a fresh lake, replayed."""
    return tmp_path_factory.mktemp("relived") / "lake"


@pytest.fixture
def relived(relived_once: Path, riverton: Open) -> Lake:
    """A lake whose first act was a replay of four days, trained anew every second; tests only read it."""
    lake = Lake.open(str(relived_once))
    if not served(lake):
        with town(lake, riverton) as job:
            replay.run(job, days=DAYS)
    return lake


def test_a_fresh_lake_begins_before_it_is_replayed(relived: Lake) -> None:
    assert served(relived) == {"riverton": (NOW, {"bikes": baseline(relived)})}
    origins = forecasts.origins(relived, "riverton").filter(pl.col("origin") < NOW)["origin"].unique().sort()
    assert origins.to_list() == [ANCHOR + day * DAY for day in range(DAYS)]


def test_it_trains_at_the_anchor_and_by_cadence_on_what_was_known_then(relived: Lake) -> None:
    rows = verdicts.read(relived, "riverton")
    assert rows["kind"].cast(pl.String).unique().to_list() == ["replay"]
    assert rows["action"].to_list() == ["promoted", "promoted"]
    assert rows["decided_at"].to_list() == [ANCHOR, ANCHOR + CADENCE * DAY]
    trained = [registry.get(relived, "riverton", name) for name in rows["challenger"]]
    assert [release.trained_until for release in trained] == rows["decided_at"].to_list()
    assert [release.number for release in trained] == [1, 2]
    assert registry.next_number(relived, "riverton", "bikes") == 1  # production has trained nothing yet


def test_a_replay_equals_the_backtest_of_the_same_candidate_and_cuts_to_the_bit(relived: Lake, riverton: Open) -> None:
    cuts = [ANCHOR, ANCHOR + CADENCE * DAY]
    with town(relived, riverton) as job:
        known = panels.panel(job)
        candidate = job.recipe.candidates[0]
        plan = Plan.of(job.recipe, job.product)
        tested = backtest.run(known, plan, "bikes", [candidate], cuts, until=NOW)
    for cut in cuts:
        release = next(r for r in registry.every(relived, "riverton") if r.trained_until == cut and r.number > 0)
        replayed = forecasts.read(relived, "riverton", release=release.name)
        own = replayed.filter(pl.col("origin") < min(cut + CADENCE * DAY, NOW)).select(ISSUED).sort(ISSUED[:3])
        other = tested.forecasts.filter(pl.col("cut") == cut).select(ISSUED).sort(ISSUED[:3])
        assert own.height == (min(cut + CADENCE * DAY, NOW) - cut) // DAY * 48 * 4
        assert own.equals(other)
    shadow = forecasts.origins(relived, "riverton", release=verdicts.read(relived, "riverton")["challenger"][0])
    assert shadow["origin"].to_list() == [ANCHOR + day * DAY for day in range(DAYS)]  # on to its rival's probation


def test_lived_in_production_the_same_days_give_the_same_releases_and_forecasts(
    relived: Lake, riverton: Open, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "lived"))
    with town(lake, riverton) as job:
        pull.run(job)  # what a replay has: everything known now, each value at its own moment
        for day in range(DAYS):
            then = job.at(ANCHOR + day * DAY)
            if day == 0:
                cycle.train.baselines(then)
            forecast.run(then)
            probation.review(then)
            retraining.run(then)
    rows = verdicts.read(relived, "riverton").drop("kind", "run", "numbers")
    assert verdicts.read(lake, "riverton").drop("kind", "run", "numbers").equals(rows)
    lived = forecasts.read(lake, "riverton").select(*ISSUED, "release")
    again = forecasts.read(relived, "riverton").filter(pl.col("origin") < NOW).select(*ISSUED, "release")
    assert lived.sort(*ISSUED[:3], "release").equals(again.sort(*ISSUED[:3], "release"))


def test_a_day_is_lived_once_and_told_each_time(relived: Lake, riverton: Open, tmp_path: Path) -> None:
    shutil.copytree(relived.url, tmp_path / "again")
    lake = Lake.open(str(tmp_path / "again"))
    told: dict[date, Mapping[str, Any]] = {}
    before = contents(lake) | {"runs": lake.scan("runs").collect()}
    with town(lake, riverton) as job:
        replay.run(job, days=DAYS, told=lambda day, facts: told.update({day: facts}))
    after = contents(lake) | {"runs": lake.scan("runs").collect()}
    assert all(after[table].equals(before[table]) for table in before)
    assert list(told) == [(ANCHOR + day * DAY).date() for day in range(DAYS)]
    first, second, third = told.values()
    assert first["release"]["verdicts"]["bikes"].startswith("promoted: better beyond noise")
    assert first["release"]["retraining"].startswith("never trained, and the history is enough")
    assert second["release"]["verdicts"] == {}
    assert third["release"]["retraining"] == "last trained 2 days ago, on 2026-03-28; due every 2 days"
    assert first["forecasts"]["served"] != third["forecasts"]["served"]


def test_a_replay_killed_before_each_day_is_taken_up_where_it_ended(
    relived: Lake, riverton: Open, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "killed"))
    kills = 0
    while _dies(lake, riverton):
        kills += 1
    assert kills == DAYS - 1
    assert_equal(lake, relived)


def test_nothing_that_serves_moves(relived: Lake, riverton: Open, tmp_path: Path) -> None:
    shutil.copytree(relived.url, tmp_path / "served")
    lake = Lake.open(str(tmp_path / "served"))
    before = serving.history(lake, "riverton")
    with town(lake, riverton) as job:
        replay.run(job, days=1)
        assert probation.review(job) == {}
        need = retraining.decide(job)
    assert serving.history(lake, "riverton").equals(before)
    assert need.reason.startswith("never trained")  # what a replay trained is not production's


def test_where_truth_is_late_the_last_days_are_those_before_it_and_none_is_skipped(
    relived: Lake, riverton: Open, tmp_path: Path
) -> None:
    shutil.copytree(relived.url, tmp_path / "late")
    with town(Lake.open(str(tmp_path / "late")), riverton) as job:  # the newest truth is of the night before
        slow = replace(job, recipe=replace(job.recipe, replay_step=2 * DAY))
        assert replay.run(slow, days=2) == [NOW - 3 * DAY, NOW - 2 * DAY]
        assert replay.run(slow) == [NOW - slow.recipe.replay, NOW - slow.recipe.replay + 2 * DAY]


def test_an_anchor_ahead_of_now_is_refused(relived: Lake, riverton: Open) -> None:
    with town(relived, riverton) as job, pytest.raises(QueryError, match="expected a time before"):
        replay.run(job, anchor=NOW)


def test_too_little_history_lives_by_the_baseline_and_says_so(lake: Lake, riverton: Open) -> None:
    told: list[Mapping[str, Any]] = []
    with town(lake, riverton) as job:
        pull.run(job)
        long = replace(job.recipe.retraining, least_history=timedelta(days=400))
        careful = replace(job, recipe=replace(job.recipe, retraining=long))
        replay.run(careful, days=1, told=lambda _, facts: told.append(facts))
    assert told[0]["release"]["retraining"] == "too little history: 72 of 400 days"
    assert verdicts.read(lake, "riverton").is_empty()
    assert observations.data_to(lake, "riverton") is not None
    assert forecasts.read(lake, "riverton")["release"].n_unique() == 2


@contextmanager
def town(lake: Lake, riverton: Open, **more: Any) -> Iterator[Job]:
    """Riverton whose one candidate is trees, trained anew every second day."""
    with riverton(lake, **more) as (job, _):
        kept = tuple(candidate for candidate in job.recipe.candidates if candidate.name == "gbm")
        rules = replace(job.recipe.retraining, every=CADENCE * DAY)
        folds = replace(job.recipe.folds, count=1)
        yield replace(job, recipe=replace(job.recipe, candidates=kept, retraining=rules, folds=folds))


def _dies(lake: Lake, riverton: Open) -> bool:
    """Whether the replay was killed: as it began a second day; False once there is none."""

    days = 0

    def kill(_product: str, step: str, state: str, _facts: Mapping[str, Any]) -> None:
        nonlocal days
        if step.startswith("replay: ") and state == "started":
            days += 1
            if days > 1:
                raise Killed

    try:
        with town(lake, riverton, teller=kill) as job:
            replay.run(job, days=DAYS)
    except Killed:
        return True
    return False


def baseline(lake: Lake) -> str:
    found = registry.baseline(lake, "riverton", "bikes")
    assert found is not None
    return found.name
