"""A release whose files were changed never stops a product: who was there before it serves, and why is recorded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import NOW, Open
from tests.flows.tables import served
from urbancast.core.errors import ContractError
from urbancast.flows import cycle, forecast, rollback
from urbancast.flows.job import Job
from urbancast.lake import forecasts, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import release as registry
from urbancast.registry.release import Release

TOMORROW = NOW + timedelta(days=1)


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


def test_a_damaged_champion_is_rolled_back_where_it_is_met(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        champion = forecast.serving_releases(job)["bikes"]
        damage(improved, champion)
        before = served(improved)
        assert before["riverton"] == (NOW, {"bikes": champion.name})  # still served: damage moves nothing
        forecast.run(job.at(TOMORROW))
        after = forecast.serving_releases(job.at(TOMORROW))["bikes"]
        forecast.run(job.at(TOMORROW + timedelta(days=1)))  # and no crash again
    assert (after.number, after.candidate) == (0, "seasonal_naive")
    row = verdicts.read(improved, "riverton").row(-1, named=True)
    assert (row["action"], row["challenger"], row["champion"]) == ("rolled_back", after.name, champion.name)
    assert "its files cannot be read" in row["reason"]
    assert "expected sha256" in row["reason"]
    assert "the baseline serves instead" in row["reason"]
    assert verdicts.read(improved, "riverton")["action"].to_list() == ["promoted", "rolled_back"]
    assert forecasts.read(improved, "riverton", origin=TOMORROW, release=after.name).height == 48 * 4


def test_the_champion_before_serves_where_it_can_be_read(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        first = forecast.serving_releases(job)["bikes"]
        won = cycle.improve(job.at(NOW + timedelta(hours=2)))["bikes"]
        assert won.action == "promoted"
        damage(improved, registry.get(improved, "riverton", won.challenger))
        forecast.run(job.at(TOMORROW))
        assert forecast.serving_releases(job.at(TOMORROW))["bikes"].name == first.name
    assert "the champion before it serves instead" in verdicts.read(improved, "riverton")["reason"][-1]


def test_a_damaged_baseline_is_made_anew(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        for release in registry.every(improved, "riverton"):
            damage(improved, release)
        forecast.run(job.at(TOMORROW))
        after = forecast.serving_releases(job.at(TOMORROW))["bikes"]
    assert (after.number, after.trained_until) == (0, TOMORROW)
    rules = forecasts.read(improved, "riverton", origin=TOMORROW)["release"].unique()
    assert rules.len() == 2  # the baseline and the other simple rule


def test_a_file_that_is_gone_is_as_damaged_as_one_that_changed(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        champion = forecast.serving_releases(job)["bikes"]
        improved.files.remove(f"{champion.path}/model.json")
        forecast.run(job.at(TOMORROW))
    assert "found none" in verdicts.read(improved, "riverton")["reason"][-1]
    assert served(improved)["riverton"][0] == TOMORROW  # type: ignore[index]


def test_an_operator_cannot_go_back_to_a_damaged_release(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        baseline = registry.baseline(improved, "riverton", "bikes")
        assert baseline is not None
        damage(improved, baseline)
        before = serving.history(improved, "riverton")
        with pytest.raises(ContractError, match="expected sha256"):
            rollback.run(job, to=baseline.name)
    assert serving.history(improved, "riverton").equals(before)


def test_the_same_training_again_puts_damaged_files_right(improved: Lake, riverton: Open) -> None:
    with town(improved, riverton) as job:
        baseline = registry.baseline(improved, "riverton", "bikes")
        assert baseline is not None
        damage(improved, baseline)
        cycle.train.baselines(job)
    assert registry.load(improved, baseline).candidate.name == "seasonal_naive"


@contextmanager
def town(lake: Lake, riverton: Open) -> Iterator[Job]:
    """Riverton whose one candidate is trees, judged by one fold."""
    with riverton(lake) as (job, _):
        kept = tuple(candidate for candidate in job.recipe.candidates if candidate.name == "gbm")
        folds = replace(job.recipe.folds, count=1)
        yield replace(job, recipe=replace(job.recipe, candidates=kept, folds=folds))


def damage(lake: Lake, release: Release) -> None:
    lake.files.put(f"{release.path}/model.json", b"{}")
