"""As known then: nothing that became available after an origin moves a release, a verdict or a forecast of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.features.panels import hours
from tests.flows.conftest import NOW, Open
from tests.flows.tables import served
from urbancast.core.product import Feature
from urbancast.flows import cycle, forecast, pull, replay, train
from urbancast.flows.job import Job
from urbancast.lake import covariates, forecasts, observations, releases, verdicts
from urbancast.lake.store import Lake

ORIGIN = NOW - timedelta(days=2)
POISON = 1e9
ISSUED = ["place", "origin", "time", "mean", "q05", "q50", "q95", "release"]


@pytest.fixture(scope="module")
def pulled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test to ask fills with one pull and the weather."""
    return tmp_path_factory.mktemp("pulled") / "lake"


@pytest.fixture
def pulled(pulled_once: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake after one pull at NOW: versions of ten weeks, and weather as issued and observed."""
    lake = Lake.open(str(pulled_once))
    if lake.version("covariates") < 0:
        with riverton(lake) as (job, _):
            pull.run(job)
        covariates.add(lake, "riverton", weather(NOW - timedelta(days=75), NOW + timedelta(days=3)), run="test")
    return copy_of(lake, tmp_path / "pulled")


def test_poison_from_after_the_origin_changes_no_release_no_verdict_and_no_forecast(
    pulled: Lake, riverton: Open, tmp_path: Path
) -> None:
    poisoned = copy_of(pulled, tmp_path / "poisoned")
    assert poison(poisoned, "observations", after=ORIGIN) > 100
    assert poison(poisoned, "covariates", after=ORIGIN) > 100
    clean, found = (day_at_origin(lake, riverton) for lake in (pulled, poisoned))
    assert set(clean["releases"]["number"]) >= {0, 1}
    assert set(clean["verdicts"]["action"]) == {"promoted"}
    assert clean["forecasts"].group_by("release").len()["len"].unique().to_list() == [4 * 48]
    assert clean["forecasts"]["mean"].max() < 1_000
    for what in clean:
        assert found[what].equals(clean[what]), what
    assert served(poisoned) == served(pulled)


def test_poison_from_before_the_origin_would_have_been_seen(pulled: Lake, riverton: Open, tmp_path: Path) -> None:
    poisoned = copy_of(pulled, tmp_path / "poisoned")
    assert poison(poisoned, "observations", after=ORIGIN - timedelta(days=2)) > 100
    with riverton(pulled) as (job, _):
        clean = train.baselines(job.at(ORIGIN))["bikes"]
    with riverton(poisoned) as (job, _):
        found = train.baselines(job.at(ORIGIN))["bikes"]
    assert found.facts["inputs"]["observations"] != clean.facts["inputs"]["observations"]
    assert found.name != clean.name


def test_a_late_revision_changes_no_replay_of_an_origin_before_it(pulled: Lake, riverton: Open, tmp_path: Path) -> None:
    revised = copy_of(pulled, tmp_path / "revised")
    heard_at = ORIGIN + timedelta(hours=1)
    assert revise(revised, since=ORIGIN - timedelta(days=9), fetched_at=heard_at) > 500
    for lake in (pulled, revised):
        with riverton(lake) as (job, _):
            train.baselines(job)
            replay.run(job, days=2)
    one, other = (issued(lake) for lake in (pulled, revised))
    before, after = pl.col("origin") <= ORIGIN, pl.col("origin") > ORIGIN
    assert one.filter(before).height > 0
    assert other.filter(before).equals(one.filter(before))
    assert not other.filter(after).equals(one.filter(after))


def test_a_past_trained_again_after_its_values_were_revised_is_the_same_release(pulled: Lake, riverton: Open) -> None:
    with riverton(pulled) as (job, _):
        first = train.baselines(job.at(ORIGIN))["bikes"]
        revise(pulled, since=ORIGIN - timedelta(days=9), fetched_at=ORIGIN + timedelta(hours=1))
        [(again, _fitted)] = train.as_of(job, [first], ORIGIN, "again")
    assert again.name == first.name


def day_at_origin(lake: Lake, riverton: Open) -> dict[str, pl.DataFrame]:
    """What a day that believes it is ORIGIN writes: releases, verdicts and forecasts, without wall clocks."""
    with riverton(lake) as (job, _):
        then = with_weather(job.at(ORIGIN))
        train.baselines(then)
        cycle.improve(then)
        forecast.run(then)
    return {
        "releases": releases.read(lake, "riverton").drop("created_at").sort("release"),
        "verdicts": verdicts.read(lake, "riverton"),
        "forecasts": issued(lake),
    }


def issued(lake: Lake) -> pl.DataFrame:
    return forecasts.read(lake, "riverton").select(ISSUED)


def with_weather(job: Job) -> Job:
    features = (*job.recipe.features, Feature(name="weather", params={"variables": ("temperature_2m",)}))
    return replace(job, recipe=replace(job.recipe, features=features))


def weather(start: datetime, end: datetime) -> pl.DataFrame:
    """Temperatures of the whole city: issued two days ahead, observed an hour after."""
    base = pl.DataFrame({"place": "", "variable": "temperature_2m", "time": hours(start, end)})
    warm = 10 + 8 * (pl.col("time").dt.hour().cast(pl.Float64) / 24) + pl.col("time").dt.weekday().cast(pl.Float64)
    ahead = pl.col("time") - timedelta(days=2)
    told = base.with_columns(value=warm, issued_at=ahead, available_at=ahead, kind=pl.lit("issued"))
    seen = base.with_columns(
        value=warm + 1,
        issued_at=pl.col("time"),
        available_at=pl.col("time") + timedelta(hours=1),
        kind=pl.lit("observed"),
    )
    return pl.concat([told, seen])


def poison(lake: Lake, table: str, *, after: datetime) -> int:
    """Set every value that became available after an instant to POISON; how many."""
    rows = lake.scan(table).collect()
    late = pl.col("available_at") > after
    poisoned = rows.with_columns(value=pl.when(late).then(POISON).otherwise("value"))
    lake.replace(table, poisoned, predicate="product = 'riverton'")
    return rows.filter(late).height


def revise(lake: Lake, *, since: datetime, fetched_at: datetime) -> int:
    """Tell values of [since, fetched_at) again, doubled, as of a fetch; how many rows that adds."""
    known = observations.known_at(lake, "riverton", fetched_at, since=since)
    told = known.select("place", "measure", "time", "draw", value=pl.col("value") * 2 + 5, available_at="available_at")
    return observations.add(lake, "riverton", told, run="revision", fetched_at=fetched_at)


def copy_of(lake: Lake, to: Path) -> Lake:
    shutil.copytree(lake.url, to)
    return Lake.open(str(to))
