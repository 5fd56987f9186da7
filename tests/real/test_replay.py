"""Real bike-share trips lived again: the replay says what the backtest of the same cuts says, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from urbancast import products
from urbancast.evaluation import backtest
from urbancast.features.plan import Plan
from urbancast.flows import panel as panels, pull, replay, train
from urbancast.flows.job import Job
from urbancast.flows.opening import Origin, jobs
from urbancast.lake import forecasts, verdicts
from urbancast.lake.store import Lake
from urbancast.registry import release as registry
from urbancast.settings import settings

pytestmark = pytest.mark.real
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "products"
PRODUCT, MEASURE = "jersey_city_bikes", "starts"
DAY = timedelta(days=1)
ANCHOR, NOW = datetime(2016, 6, 6, 8, tzinfo=UTC), datetime(2016, 6, 10, 8, tzinfo=UTC)
CUTS = (ANCHOR, ANCHOR + 2 * DAY)
ISSUED = ["place", "origin", "time", "mean", "q05", "q10", "q25", "q50", "q75", "q90", "q95"]


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("URBANCAST_PRODUCTS", str(EXAMPLES))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    settings.cache_clear()
    products.forget()
    yield
    settings.cache_clear()
    products.forget()


def test_a_real_replay_equals_the_backtest_of_the_same_cuts_to_the_bit(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    trips = str(shared_data("trips/citibike_jersey_city_2016-01_06.parquet"))
    lake = Lake.open(str(tmp_path / "lake"))
    with one(lake, trips) as job:
        pull.run(job.at(datetime(2016, 7, 2, tzinfo=UTC)))  # a file tells all at once; each day sees its own past
        train.baselines(job.at(ANCHOR - DAY))
        origins = replay.run(job, anchor=ANCHOR)
        plan = Plan.of(job.recipe, job.product)
        tested = backtest.run(panels.panel(job), plan, MEASURE, job.recipe.candidates, list(CUTS), until=NOW)
    assert origins == [ANCHOR + day * DAY for day in range(4)]
    decided = verdicts.read(lake, PRODUCT, measure=MEASURE)
    assert decided["decided_at"].to_list() == list(CUTS)
    assert decided["action"].to_list() == ["promoted", "promoted"]
    assert decided["kind"].cast(pl.String).unique().to_list() == ["replay"]
    for cut, name in zip(CUTS, decided["challenger"], strict=True):
        release = registry.get(lake, PRODUCT, name)
        assert release.trained_until == cut
        own = forecasts.read(lake, PRODUCT, release=name, measure=MEASURE).filter(pl.col("origin") < cut + 2 * DAY)
        other = tested.forecasts.filter(pl.col("cut") == cut)
        assert own.height == 2 * 3 * 35  # origins, days ahead, stations
        assert own.select(ISSUED).sort(ISSUED[:3]).equals(other.select(ISSUED).sort(ISSUED[:3]))


@contextmanager
def one(lake: Lake, trips: str) -> Iterator[Job]:
    """The example product with its ridge alone, beside the week before, trained anew every second day."""
    links = {"trips": trips, "stations": trips}
    with jobs([PRODUCT], lake, Origin(links=links), now=NOW) as (job,):
        linear = tuple(candidate for candidate in job.recipe.candidates if candidate.name == "linear")
        rules = replace(job.recipe.retraining, every=2 * DAY)
        folds = replace(job.recipe.folds, count=2)
        more = {"candidates": linear, "retraining": rules, "folds": folds, "baseline": "seasonal_naive"}
        yield replace(job, recipe=replace(job.recipe, **more))
