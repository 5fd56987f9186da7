"""What an operator asks for: carried out in order, refused with a reason, taken again after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import NOW, Open
from urbancast.core.errors import FencedError
from urbancast.flows import asked, cycle
from urbancast.lake import leases, requests, runs, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import release as registry

P = "riverton"
M = "bikes"


class Killed(BaseException):
    """The process died here."""


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that lived one first day when the first test asks."""
    return tmp_path_factory.mktemp("asked") / "lake"


@pytest.fixture
def lake(first_day: Path, riverton: Open, tmp_path: Path) -> Lake:
    """A lake of this test alone, after begin and improve."""
    if not first_day.exists():
        with riverton(Lake.open(str(first_day))) as (job, _):
            cycle.begin(job)
            cycle.improve(job)
    shutil.copytree(first_day, tmp_path / "own")
    return Lake.open(str(tmp_path / "own"))


def ask(lake: Lake, request: str, verb: str, *, minute: int = 0, **arguments: str) -> None:
    at = NOW + timedelta(minutes=minute)
    requests.ask(lake, P, request, verb=verb, arguments=arguments, by="ana", at=at)


def served(lake: Lake) -> str:
    return str(serving.current(lake)[P]["releases"][M])


def states(lake: Lake) -> dict[str, str]:
    return {one["request"]: one["state"] for one in requests.outcomes(requests.read(lake, P))}


def test_requests_are_carried_out_in_order_and_one_that_fails_holds_up_none(lake: Lake, riverton: Open) -> None:
    champion = served(lake)
    ask(lake, "q1", "pause")
    ask(lake, "q2", "rollback", minute=1, to="no-such-release")
    ask(lake, "q3", "rollback", minute=2)
    ask(lake, "q4", "resume", minute=3)
    with riverton(lake) as (job, _):
        made = asked.run(job)
        assert asked.run(job) == []
    assert [(one["request"], one["state"]) for one in made] == [
        ("q1", "done"), ("q2", "refused"), ("q3", "done"), ("q4", "done")
    ]  # fmt: skip
    assert "no-such-release" in made[1]["message"]
    assert served(lake) != champion
    assert made[2]["message"] == f"{served(lake)} serves instead of {champion}"
    assert not requests.is_paused(lake, P)
    newest = verdicts.read(lake, P).filter(pl.col("action") == "rolled_back").row(-1, named=True)
    assert (newest["reason"], newest["champion"]) == ("asked by ana", champion)


def test_a_refused_request_is_no_failed_run(lake: Lake, riverton: Open) -> None:
    ask(lake, "q1", "rollback", to="no-such-release")
    with riverton(lake) as (job, _):
        asked.run(job)
    rows = runs.steps(runs.read(lake, P)).filter(pl.col("flow") == "asked")
    assert rows["state"].to_list() == ["done"]
    facts = json.loads(rows["facts"].item())
    assert (facts["outcome"], facts["by"]) == ("refused", "ana")


def test_paused_until_resumed(lake: Lake, riverton: Open) -> None:
    ask(lake, "q1", "pause")
    with riverton(lake) as (job, _):
        asked.run(job)
        assert requests.is_paused(lake, P)
        ask(lake, "q2", "resume", minute=1)
        asked.run(job)  # a paused product still hears its operator
    assert not requests.is_paused(lake, P)


@pytest.mark.parametrize("last_words", [("rollback: roll back", "started"), ("rollback: roll back", "done"),
                                        ("asked: rollback", "done")])  # fmt: skip
def test_a_rollback_killed_half_way_is_taken_again_and_never_done_twice(
    lake: Lake, riverton: Open, last_words: tuple[str, str]
) -> None:
    champion = served(lake)

    def die(_product: str, step: str, state: str, _facts: Mapping[str, Any]) -> None:
        if (step, state) == last_words:
            raise Killed

    ask(lake, "q1", "rollback")
    with riverton(lake, teller=die) as (job, _), pytest.raises(Killed):
        asked.run(job)
    with riverton(lake) as (job, _):
        asked.run(job.at(NOW + timedelta(hours=1)))
    assert states(lake) == {"q1": "done"}
    back = verdicts.read(lake, P).filter(pl.col("action") == "rolled_back")
    assert set(back["champion"]) == {champion}
    assert served(lake) == back["challenger"][-1] != champion


def test_a_named_release_is_promoted_by_a_persons_word_with_its_backtest(lake: Lake, riverton: Open) -> None:
    champion = served(lake)
    ask(lake, "q1", "rollback")
    ask(lake, "q2", "promote", minute=1, release=champion)
    ask(lake, "q3", "promote", minute=2, release=champion)
    with riverton(lake) as (job, _):
        made = asked.run(job)
    assert served(lake) == champion
    assert made[2]["message"] == f"{champion} serves already"
    verdict = verdicts.read(lake, P).filter(pl.col("reason") == "asked by ana", pl.col("action") == "promoted")
    assert verdict.height == 1
    row = verdict.row(0, named=True)
    facts = registry.get(lake, P, champion).facts
    own, beside = facts["backtest"][registry.get(lake, P, champion).candidate], facts["backtest"]["seasonal_naive"]
    assert row["skill"] == pytest.approx(1 - own["absolute_error"] / beside["absolute_error"])
    assert json.loads(row["numbers"])["backtest"] == own


def test_promote_without_a_name_takes_the_last_challenger_or_is_refused(lake: Lake, riverton: Open) -> None:
    champion = served(lake)
    ask(lake, "q1", "promote")
    ask(lake, "q2", "rollback", minute=1)
    ask(lake, "q3", "promote", minute=2)
    with riverton(lake) as (job, _):
        made = asked.run(job)
    assert (made[0]["state"], made[2]["state"]) == ("refused", "done")
    assert "retrain first" in made[0]["message"]
    assert served(lake) == champion


def test_a_damaged_release_is_not_promoted(lake: Lake, riverton: Open) -> None:
    champion = registry.get(lake, P, served(lake))
    ask(lake, "q1", "rollback")
    ask(lake, "q2", "promote", minute=1, release=champion.name)
    file = next(iter(champion.facts["checksums"]))
    lake.files.put(f"{champion.path}/{file}", b"damaged")
    with riverton(lake) as (job, _):
        made = asked.run(job)
    assert (made[1]["state"], "sha256" in made[1]["message"]) == ("refused", True)
    assert served(lake) != champion.name


def test_a_retraining_asked_for_is_done_and_says_what_came_of_it(lake: Lake, riverton: Open) -> None:
    ask(lake, "q1", "retrain")
    with riverton(lake) as (job, _):
        made = asked.run(job.at(NOW + timedelta(days=1)))
    assert made[0]["state"] == "done", made
    assert made[0]["message"].startswith("asked by ana; bikes: ")
    trained = runs.read(lake, P).filter(pl.col("flow") == "train", pl.col("run").str.contains("2026-04-01"))
    assert trained.height > 0


def test_who_lost_the_lease_carries_out_nothing(lake: Lake, riverton: Open) -> None:
    ask(lake, "q1", "rollback")
    champion = served(lake)
    stood_still = leases.take(lake, P, holder=leases.this_process(), ttl=timedelta(0))
    other = Lake.open(lake.url)
    leases.take(other, P, holder=leases.this_process())
    assert stood_still.token < other.tokens[P]
    with riverton(lake) as (job, _), pytest.raises(FencedError):
        asked.run(job)
    assert served(other) == champion
    assert states(other)["q1"] != "done"
