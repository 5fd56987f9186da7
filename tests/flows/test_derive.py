"""Derived measures through the flows: issued beside their parts, tested, replayed, scored, priced."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.place import PlaceKind
from urbancast.core.product import (
    Candidate,
    Derived,
    Feature,
    Folds,
    Licence,
    Measure,
    Observed,
    Product,
    Recipe,
    Stock,
)
from urbancast.core.time import local_midnight
from urbancast.evaluation import derived as joint, stock
from urbancast.flows import backtest, forecast, panel as panels, replay, train, verify
from urbancast.flows.job import Job
from urbancast.lake import forecasts, observations, places, scores, serving
from urbancast.lake.store import Lake

TZ = "America/Chicago"
NOW = datetime(2025, 11, 20, 15, tzinfo=UTC)
WORD = {"en": "x", "es": "x", "fr": "x"}
TERMS = Licence(source="t", name="CC0", url="https://example.org", attribution="T")
MEASURES = (
    Measure(id="starts", label=WORD, unit=WORD),
    Measure(id="net", label=WORD, unit=WORD, signed=True),
    Measure(id="need", label=WORD, unit=WORD, derived_from="starts"),
    Measure(id="peak", label=WORD, unit=WORD, derived_from="starts"),
    Measure(id="outflow", label=WORD, unit=WORD, signed=True, derived_from="net"),
)
PRODUCT = Product(
    id="depot", city="T", country="US", tz=TZ, verb=WORD, question=WORD, place_kind=PlaceKind.ZONE, place_word=WORD,
    grain="1d", horizon=timedelta(days=5), lenses=("zone", "stock"), measures=MEASURES, licences=(TERMS,),
    folder=Path(), centre=(0.0, 0.0),
    stock=Stock(starts="starts", net_outflow="net", need="need", peak="peak", outflow="outflow", days=3, turns=2.0),
)  # fmt: skip


def nothing(_raw: Any, _context: Any) -> Observed:
    raise AssertionError("no pull in these tests")


RECIPE = Recipe(
    product="depot", sources=(), observe=nothing,
    features=tuple(Feature(name=name) for name in ("calendar", "lag", "rolling", "profile", "rules")),
    rules=(
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="scaled", model="climatology", params={"rule": "mean4w_scaled"}, measures=("starts",)),
    ),
    candidates=(
        Candidate(name="linear", model="linear", measures=("starts",)),
        Candidate(name="additive", model="additive", measures=("net",)),
    ),
    baseline="climatology", primary="mae", history=timedelta(days=120), context=timedelta(0),
    train_window=timedelta(days=120), calibration=timedelta(days=28),
    folds=Folds(count=2, every=timedelta(days=7)), replay=timedelta(days=6),
    derived=(
        Derived(measure="need", parts=("starts", "net"), intervals=3,
                combine=lambda d: np.maximum(d[..., 0].max(axis=-1) + d[..., 1].sum(axis=-1), 0)),
        Derived(measure="peak", parts=("starts",), intervals=3, combine=lambda d: d[..., 0].max(axis=-1)),
        Derived(measure="outflow", parts=("net",), intervals=3, combine=lambda d: d[..., 0].sum(axis=-1)),
    ),
)  # fmt: skip


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Four months of two measures at twelve places, a day known the next one at six."""
    lake = Lake.open(str(tmp_path / "lake"))
    rng = np.random.default_rng(4)
    names = [f"p{i:02d}" for i in range(12)]
    rows = []
    for back in range(1, 121):
        day = date(2025, 11, 20) - timedelta(days=back)
        time, shock = local_midnight(day, TZ), rng.normal()
        for i, place in enumerate(names):
            starts = max(round(10 + 3 * i + 4 * (day.weekday() >= 5) + 3 * shock + 2 * rng.normal()), 0)
            values = {"starts": starts, "net": round((i - 5) + 3 * rng.normal())}
            rows += [
                {"place": place, "measure": name, "time": time, "draw": 0, "value": float(value),
                 "available_at": local_midnight(day + timedelta(days=1), TZ) + timedelta(hours=6)}
                for name, value in values.items()
            ]  # fmt: skip
    observations.add(lake, "depot", pl.DataFrame(rows), run="t", fetched_at=NOW, first_contact=NOW)
    shapes = pl.DataFrame({"place": names}).with_columns(
        kind=pl.lit("zone"), name=pl.col("place"), part_of=pl.lit("all"), lat=pl.lit(41.9), lon=pl.lit(-87.6),
        area_km2=pl.lit(1.0), geometry=pl.lit(b"\x00"), is_schematic=pl.lit(value=True), attributes=pl.lit("{}"),
        valid_from=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")),
        valid_to=pl.lit(None, pl.Datetime("us", "UTC")),
    )  # fmt: skip
    places.put(lake, "depot", shapes)
    return Job(product=PRODUCT, recipe=RECIPE, lake=lake, now=NOW, provenance="sample")


def issued(job: Job, measure: str) -> pl.DataFrame:
    return forecasts.read(job.lake, "depot", measure=measure)


def test_derived_forecasts_are_issued_under_the_releases_of_their_first_part(job: Job) -> None:
    train.baselines(job)
    forecast.run(job)
    first = local_midnight(date(2025, 11, 21), TZ)
    for measure, part in (("need", "starts"), ("peak", "starts"), ("outflow", "net")):
        rows = issued(job, measure)
        assert set(rows["release"]) == set(issued(job, part)["release"])
        assert rows["time"].unique().to_list() == [first]
        assert rows.group_by("release").len()["len"].unique().to_list() == [13]  # twelve places and the city
    assert issued(job, "net").select(pl.col("q05").min()).item() < 0
    assert set(serving.current(job.lake)["depot"]["releases"]) == {"starts", "net"}
    before = issued(job, "need")
    forecast.run(job)
    assert issued(job, "need").equals(before)


def test_the_flow_and_the_function_say_the_same(job: Job) -> None:
    train.baselines(job)
    forecast.run(job)
    release = next(name for name in issued(job, "starts")["release"].unique() if "climatology" in name)
    other = next(name for name in issued(job, "net")["release"].unique() if "climatology" in name)
    both = pl.concat([issued(job, "starts"), issued(job, "net")]).filter(pl.col("release").is_in([release, other]))
    known = panels.panel(job, until=NOW)
    past = next(joint.pasts(known, ["starts", "net"], [NOW]))
    by_hand = joint.forecasts(known, RECIPE.derived[:1], both, past, seed=RECIPE.seed)
    mine = issued(job, "need").filter(pl.col("release") == release).select(by_hand.columns)
    near = mine.sort("place").join(by_hand, on="place", suffix="_by_hand")
    assert near.height == 13
    assert (near["q90"] - near["q90_by_hand"]).abs().max() == pytest.approx(0, abs=1e-9)


def test_a_replay_is_scored_for_places_and_city_and_priced(job: Job) -> None:
    train.baselines(job)
    forecast.run(job)
    replay.record(job)
    verify.run(job)
    every = scores.read(job.lake, "depot", kind="replay")
    assert set(every["measure"]) == {"starts", "net", "need", "peak", "outflow"}
    kept = scores.read(job.lake, "depot", measure="need", kind="replay")
    own = kept.filter(~pl.col("release").str.starts_with(stock.PREFIX))
    assert own.filter(pl.col("place") == "")["n"].sum() > 0
    assert set(own["day"]) == {date(2025, 11, day) for day in (15, 16, 17)}  # windows that were over by the 19th
    priced = kept.filter(pl.col("release").str.starts_with(stock.PREFIX))
    assert priced["n"].unique().to_list() == [12]
    assert set(priced["day"]) == set(own["day"])
    verify.run(job)
    assert scores.read(job.lake, "depot", measure="need").equals(kept)


def test_the_backtest_scores_the_best_beside_the_baseline(job: Job) -> None:
    train.baselines(job)
    found = backtest.run(job)
    assert set(found) == {"starts", "net"}
    kept = scores.read(job.lake, "depot", measure="need", kind="backtest")
    names = {name for name in kept["release"] if name.startswith("backtest:")}
    assert "backtest:climatology" in names
    assert len(names) <= 2
    windows = kept.filter(pl.col("release") == stock.release_of(0.9))
    assert windows.height > 10
    served = windows["hits_80"].sum() / windows["n"].sum()
    assert 0.8 < served < 0.99


def test_a_measure_that_is_not_signed_is_refused_below_zero(job: Job) -> None:
    rows = pl.DataFrame([{"place": "a", "measure": "starts", "origin": NOW, "time": NOW, "release": "r", "mean": 1.0,
                          "q05": -1.0, "q10": 0.0, "q25": 0.0, "q50": 1.0, "q75": 1.0, "q90": 1.0,
                          "q95": 2.0}])  # fmt: skip
    with pytest.raises(ContractError, match=r"forecasts\.starts: expected values of zero or more, found -1 at 'a'"):
        forecasts.add(job.lake, "depot", rows, run="t", issued_at=NOW, signed=["net"])
    assert forecasts.add(job.lake, "depot", rows, run="t", issued_at=NOW, signed=["starts"]) == 1


def test_serving_another_release_of_a_part_serves_its_derived_measures(job: Job) -> None:
    train.baselines(job)
    forecast.run(job)
    training = train.Training(job, NOW, "t")
    made = {name: training.freeze(name, {one: 1})[one][0] for name, one in (("starts", "linear"), ("net", "additive"))}
    forecast.switch(job, made, run_id="t")
    assert serving.current(job.lake)["depot"]["releases"] == {name: release.name for name, release in made.items()}
    assert made["starts"].name in set(issued(job, "need")["release"])
    assert made["net"].name in set(issued(job, "outflow")["release"])
