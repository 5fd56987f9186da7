"""A new champion is on probation: watched beside the one before it, and rolled back where it loses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.flows import planted
from tests.flows.conftest import NOW, Open
from tests.flows.tables import served
from urbancast.flows import backtest as evidence, cycle, forecast, probation, promote, retraining, rollback, train
from urbancast.flows.job import Job
from urbancast.lake import forecasts, runs, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import record, release as registry
from urbancast.registry.release import Release

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def improved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test to ask fills with a first day whose winner is trees."""
    return tmp_path_factory.mktemp("improved") / "lake"


@pytest.fixture
def improved(improved_once: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake after one improved day: trees serve from NOW."""
    if not served(lake := Lake.open(str(improved_once))):
        with town(lake, riverton) as job:
            cycle.begin(job)
            cycle.improve(job)
    shutil.copytree(improved_once, tmp_path / "improved")
    return Lake.open(str(tmp_path / "improved"))


def test_a_planted_worse_challenger_is_refused_with_numbers(
    improved: Lake, riverton: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = planted.shuffled_model(monkeypatch)
    before = served(improved)
    with town(improved, riverton) as job:
        worse = replace(job, recipe=replace(job.recipe, candidates=(bad, *job.recipe.candidates)))
        found = evidence.run(worse)
        chosen = {"bikes": replace_candidates(found["bikes"], "shuffled", "gbm")}
        challengers = train.run(replace(worse, recipe=replace(worse.recipe, candidates=(bad,))), chosen)
        decided = promote.run(worse, challengers, chosen)["bikes"]
    assert challengers["bikes"].candidate == "shuffled"
    assert (decided.action, decided.reason) == ("refused", "worse than the champion")
    assert decided.high is not None
    assert decided.high < 0
    assert served(improved) == before
    row = verdicts.read(improved, "riverton").row(-1, named=True)
    assert (row["action"], row["wins"], row["reason"]) == ("refused", False, "worse than the champion")
    numbers = json.loads(row["numbers"])
    assert numbers["rival"] == "gbm"
    assert numbers["challenger_score"] > 1.5 * numbers["champion_score"]


def test_a_newer_training_that_learnt_nonsense_is_refused(
    improved: Lake, riverton: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = planted.shuffled_model(monkeypatch)
    before = served(improved)
    with town(improved, riverton) as job:
        recipe = replace(job.recipe, candidates=(replace(bad, name="gbm"),))
        decided = cycle.improve(replace(job, recipe=recipe, now=NOW + timedelta(hours=1)))["bikes"]
    assert decided.action == "refused"
    assert decided.reason == "newer training of the same candidate; worse than the champion"
    assert served(improved) == before


@pytest.mark.parametrize(
    ("wreck", "word"),
    [(planted.with_wrecked_booster, "mean absolute error"), (planted.with_inflated_scale, "mean CRPS")],
)
def test_a_planted_broken_champion_is_rolled_back_within_one_verification(
    improved: Lake, riverton: Open, wreck: Callable[[Mapping[str, bytes]], dict[str, bytes]], word: str
) -> None:
    with town(improved, riverton) as job:
        good = forecast.serving_releases(job)["bikes"]
        broken = planted.promoted_by_hand(job, wreck(registry.load(improved, good).dump()), good)
        assert forecast.serving_releases(job)["bikes"].name == broken.name
        tomorrow = job.at(NOW + DAY)
        cycle.daily(tomorrow)
        assert forecast.serving_releases(tomorrow)["bikes"].name == good.name
    row = verdicts.read(improved, "riverton").row(-1, named=True)
    assert (row["action"], row["challenger"], row["champion"]) == ("rolled_back", good.name, broken.name)
    assert row["decided_at"] == NOW + DAY
    assert "worse than the champion before it" in row["reason"]
    assert word in row["reason"]
    assert row["low"] > 0
    numbers = json.loads(row["numbers"])
    assert (numbers["by"], numbers["days"], numbers["rows"]) == ("hour", 1, 44)
    current = serving.current(improved)["riverton"]
    assert (current["origin"], current["releases"]["bikes"]) == (NOW + DAY, good.name)


def test_a_broken_first_champion_goes_back_to_the_baseline(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        good = forecast.serving_releases(job)["bikes"]
        baseline = registry.baseline(improved, "riverton", "bikes")
        assert baseline is not None
        files = planted.with_wrecked_booster(registry.load(improved, good).dump())
        planted.promoted_by_hand(job, files, baseline_as_trained(good, baseline))
        cycle.daily(job.at(NOW + DAY))
        now_served = forecast.serving_releases(job.at(NOW + DAY))["bikes"]
    assert (now_served.number, now_served.candidate) == (0, "seasonal_naive")
    reason = verdicts.read(improved, "riverton").row(-1, named=True)["reason"]
    assert "worse than the baseline: mean absolute error" in reason


def test_a_good_champion_stays_and_the_one_before_it_forecasts_in_the_shadow(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        earlier = forecast.serving_releases(job)["bikes"]
        newer = job.at(NOW + DAY)
        cycle.daily(newer)
        won = cycle.improve(newer)["bikes"]
        assert won.action == "promoted"
        for days in (2, 6):
            cycle.daily(job.at(NOW + days * DAY))
        after = job.at(NOW + DAY + job.recipe.retraining.probation)
        cycle.daily(after)
        issued = forecasts.origins(improved, "riverton", release=earlier.name)["origin"].to_list()
        said = steps(improved, "probation")
    assert served(improved)["riverton"] == (after.now, {"bikes": won.challenger})
    assert issued == [NOW + days * DAY for days in (0, 1, 2, 6)]  # not once the probation was over
    assert all("on probation until 2026-04-08" in text for text in said[1:3]), said
    assert "the champion before it over 72 hours of 4 days" in said[2]
    assert "than the baseline over" in said[3]
    assert "probation" not in said[3]


def test_after_a_rollback_a_review_finds_nothing_more_and_nothing_is_trained_until_it_has_rested(
    improved: Lake, riverton: Open
) -> None:
    with town(improved, riverton) as job:
        good = forecast.serving_releases(job)["bikes"]
        planted.promoted_by_hand(job, planted.with_wrecked_booster(registry.load(improved, good).dump()), good)
        hasty = replace(job, recipe=replace(job.recipe, retraining=replace(job.recipe.retraining, every=DAY)))
        tomorrow = hasty.at(NOW + DAY)
        cycle.daily(tomorrow)
        before, moves = verdicts.read(improved, "riverton"), serving.history(improved, "riverton").height
        assert before["action"].to_list()[-1] == "rolled_back"
        assert probation.review(tomorrow) == {}
        assert retraining.run(tomorrow) == {}
        need = retraining.decide(hasty.at(NOW + 2 * DAY))
    assert not need.is_due
    assert need.reason == "a champion was rolled back 1 day ago; trained again 7 days after that at the earliest"
    assert verdicts.read(improved, "riverton").equals(before)
    assert serving.history(improved, "riverton").height == moves


def test_an_operator_may_still_go_back_further(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        target = rollback.run(job)
        known = record.decisions(improved, "riverton")
    assert target.number == 0
    assert record.in_force(known, "bikes") is not None
    assert record.probation(known, target, length=timedelta(days=7), now=NOW) is None


@contextmanager
def town(lake: Lake, riverton: Open) -> Iterator[Job]:
    """Riverton whose one candidate is trees."""
    with riverton(lake) as (job, _):
        kept = tuple(candidate for candidate in job.recipe.candidates if candidate.name == "gbm")
        yield replace(job, recipe=replace(job.recipe, candidates=kept))


def replace_candidates(found: evidence.Backtest, *names: str) -> evidence.Backtest:
    """Evidence of these trained candidates alone, beside the rules."""
    rules = ["seasonal_naive", "climatology"]
    return replace(found, losses=found.losses.filter(pl.col("candidate").is_in([*names, *rules])))


def baseline_as_trained(good: Release, baseline: Release) -> Release:
    """Facts of a training for the measure of a champion that relieved the baseline."""
    return replace(good, name=baseline.name)


def steps(lake: Lake, flow: str) -> list[str]:
    rows = runs.read(lake, "riverton").filter((pl.col("flow") == flow) & (pl.col("state") == "done"))
    return [json.loads(facts)["bikes"] for facts in rows["facts"]]
