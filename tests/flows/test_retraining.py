"""Whether a training is due is said in one sentence with numbers; a due one is made, judged and finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import NOW, Open
from tests.flows.tables import served
from urbancast.core.product import Retraining
from urbancast.flows import cycle, forecast, retraining
from urbancast.flows.job import Job
from urbancast.flows.retraining import Seen, judge
from urbancast.lake import drift, runs, verdicts
from urbancast.lake.store import Lake

DAY = timedelta(days=1)
THEN = datetime(2026, 5, 1, 6, tzinfo=UTC)
RULES = Retraining()
# What is seen, whether a training is due, and what is said.
CASES: list[tuple[dict[str, Any], bool, str]] = [
    ({"history_days": 61, "last": None}, False, "too little history: 61 of 90 days"),
    ({"last": None}, True, "never trained, and the history is enough: 400 days, 90 needed"),
    ({}, False, "trained 10 days ago; next on 2026-05-19"),
    ({"last": THEN - 28 * DAY}, True, "last trained 28 days ago, on 2026-04-03; due every 28 days"),
    (
        {"last": THEN - 40 * DAY, "new_days": 0},
        False,
        "no day of new data since it was trained, 40 days ago",
    ),
    (
        {"unfinished": ("starts", "net")},
        True,
        "the last training was not finished: its winner of starts, net does not serve yet",
    ),
    ({"recipe": ("aa", "bb")}, True, "the recipe changed since 2026-04-21: it was aa, it is bb"),
    (
        {"layouts": ("tickets as semicolons",)},
        True,
        "a source arrives in a layout that was not there when last trained: tickets as semicolons",
    ),
    (
        {"rolled_back": THEN - 2 * DAY, "last": THEN - 90 * DAY},
        False,
        "a champion was rolled back 2 days ago; trained again 7 days after that at the earliest",
    ),
    ({"rolled_back": THEN, "recipe": ("aa", "bb")}, False, "a champion was rolled back just now"),
    (
        {"skill": {"bikes": (-0.031, 12)}},
        True,
        "skill over the baseline is under its floor of +0%: bikes -3.1% over 12 days",
    ),
    (
        {"skill": {"bikes": (-0.031, 12)}, "last": THEN - 3 * DAY},
        False,
        (
            "skill over the baseline is under its floor of +0%: bikes -3.1% over 12 days; "
            "but last trained 3 days ago, and it rests 7 days after a training"
        ),
    ),
    (
        {"skill": {"bikes": (-0.031, 4)}},  # too few days to say so
        False,
        "trained 10 days ago; next on 2026-05-19; skill bikes -3.1% over 4 days",
    ),
    (
        {"drift": (0.5, 0.4, 0.35, 0.0)},
        True,
        "at least 35% of the inputs drifted on 3 days in a row (limit 30%)",
    ),
    (
        {"drift": (0.5, 0.2, 0.5, 0.5)},
        False,
        "trained 10 days ago; next on 2026-05-19; 50% of the inputs drifted on the newest day",
    ),
    (
        {"drift": (0.9, 0.9)},
        False,
        "trained 10 days ago; next on 2026-05-19; 90% of the inputs drifted on the newest day",
    ),
]


@pytest.mark.parametrize(("seen", "is_due", "reason"), CASES)
def test_every_answer_is_one_sentence_with_numbers(seen: dict[str, Any], is_due: bool, reason: str) -> None:
    usual: dict[str, Any] = {"now": THEN, "history_days": 400, "new_days": 9, "last": THEN - 10 * DAY}
    need = judge(RULES, Seen(**(usual | seen)))
    assert (need.is_due, need.reason) == (is_due, reason)
    assert json.loads(json.dumps(need.facts))["needed_days"] == 90


def test_a_first_training_comes_with_the_history_and_each_decision_is_kept(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (town, _):
        job = lighter(town)
        cycle.begin(job)
        patient = replace(job, recipe=replace(job.recipe, retraining=Retraining(least_history=80 * DAY)))
        assert retraining.run(patient) == {}
        assert retraining.run(job)["bikes"].action == "promoted"
        assert retraining.run(job) == {}
        assert retraining.decide(job.at(NOW + DAY)).reason.startswith("no day of new data since it was trained, 1 day")
        changed = replace(job, recipe=replace(job.recipe, leads_each=2))
        assert retraining.decide(changed).reason.startswith(f"the recipe changed since {NOW:%Y-%m-%d}: it was ")
        said = decided(lake)
        move_drift(lake, drifted=(True, True, False))
        confirmed = retraining.look(job.at(NOW + 4 * DAY)).drift
    assert [(one["is_due"], one["reason"]) for one in said] == [
        (False, "too little history: 73 of 80 days"),
        (True, "never trained, and the history is enough: 73 days, 40 needed"),
        (False, "no day of new data since it was trained, today"),
    ]
    assert (said[-1]["last_trained"], said[-1]["next_at"]) == ("2026-03-31T10:00:00Z", "2026-04-28T10:00:00Z")
    assert confirmed == (0.5, 0.5, 0.0)


def test_a_training_that_crashed_half_way_is_due_again(lake: Lake, riverton: Open) -> None:
    class KilledError(BaseException):
        pass

    def kill(_product: str, step: str, state: str, _facts: Mapping[str, Any]) -> None:
        if (step, state) == ("promote: serve", "started"):  # the verdict is written, its winner does not serve
            raise KilledError

    with riverton(lake, teller=kill) as (town, _):
        job = lighter(town)
        cycle.begin(job)
        with pytest.raises(KilledError):
            retraining.run(job)
    assert verdicts.read(lake, "riverton")["action"].to_list() == ["promoted"]
    before = served(lake)
    with riverton(lake) as (town, _):
        job = lighter(town)
        assert retraining.decide(job).reason == (
            "the last training was not finished: its winner of bikes does not serve yet"
        )
        won = retraining.run(job)["bikes"]
        assert forecast.serving_releases(job)["bikes"].name == won.challenger
        assert not retraining.decide(job).is_due
    assert served(lake) != before
    assert verdicts.read(lake, "riverton").height == 1


def lighter(job: Job) -> Job:
    """One candidate, one fold: what a training decides is not at stake here."""
    kept = tuple(candidate for candidate in job.recipe.candidates if candidate.name == "gbm")
    return replace(job, recipe=replace(job.recipe, candidates=kept, folds=replace(job.recipe.folds, count=1)))


def decided(lake: Lake) -> list[dict[str, Any]]:
    rows = runs.read(lake, "riverton").filter(
        (pl.col("flow") == "retrain") & (pl.col("step") == "decide") & (pl.col("state").cast(pl.String) == "done")
    )
    return [json.loads(facts) for facts in rows["facts"]]


def move_drift(lake: Lake, *, drifted: tuple[bool, ...]) -> None:
    """Drift of one of two inputs on the days after NOW, newest first; the residual's does not count."""
    rows = [
        {"kind": kind, "signal": signal, "day": date(2026, 4, 4) - position * DAY, "is_drifted": is_drifted}
        for position, moved in enumerate(drifted)
        for kind, signal, is_drifted in (
            ("input", "temperature", moved),
            ("target", "level", False),
            ("residual", "bias", True),
        )
    ]
    fixed = {"product": "riverton", "measure": "bikes", "place": "", "score": 1.0, "threshold": 0.5, "n": 9}
    drift.add(lake, "riverton", pl.DataFrame([fixed | row | {"facts": "{}"} for row in rows]), run="planted")
