from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast.core.product import Candidate, Measure
from urbancast.evaluation import metrics
from urbancast.evaluation.compare import compare
from urbancast.flows.job import Job
from urbancast.flows.summary import summarise
from urbancast.flows.tally import LEADS, Tally

START = datetime(2026, 3, 1, tzinfo=UTC)
RULES = ("naive", "usual")
WORDS = {"en": "", "es": "", "fr": ""}


@pytest.fixture(scope="module")
def job() -> Job:
    measure = Measure(id="events", label=WORDS, unit=WORDS, sparse=True)
    rules = tuple(Candidate(name=name, model="climatology") for name in RULES)
    recipe = SimpleNamespace(rules=rules, primary="mae", baseline="naive", seed=7)
    return cast("Job", SimpleNamespace(recipe=recipe, product=SimpleNamespace(measures=(measure,))))


@pytest.fixture(scope="module")
def losses() -> pl.DataFrame:
    """Losses of three candidates from daily origins over four days; one rule is silent at times."""
    rng = np.random.default_rng(3)
    parts = [_forecasts(name, shift, rng) for name, shift in (("naive", 0.9), ("usual", 0.4), ("model", 0.1))]
    said = pl.concat(parts)
    is_silent = (pl.col("candidate") == "usual") & (pl.col("time").dt.hour() < 5)
    return said.filter(~is_silent)


def _forecasts(name: str, shift: float, rng: np.random.Generator) -> pl.DataFrame:
    keys = [
        {"place": place, "origin": START + timedelta(days=day), "time": START + timedelta(days=day, hours=hour)}
        for place in ("a", "b")
        for day in range(10)
        for hour in range(0, 96, 2)
    ]
    rows = pl.DataFrame(keys).cast({pl.Datetime: pl.Datetime("us", "UTC")}).with_columns(measure=pl.lit("events"))
    hours = rows["time"].dt.epoch("s").to_numpy() // 3600
    value = np.floor(3 + 2 * np.sin(hours) + (hours * 7919 % 5))
    mean = np.maximum(value + shift + rng.normal(0, 1.5, len(value)), 0.05)
    levels = np.sort(mean[:, None] + np.linspace(-2, 2, 7)[None, :], axis=1).clip(0)
    said = rows.with_columns(mean=pl.Series(mean), **{q: pl.Series(levels[:, i]) for i, q in enumerate(QUANTILES)})
    truth = rows.select("place", "time", value=pl.Series(value)).unique(["place", "time"])
    found = metrics.losses(said, truth, tz="UTC")
    return found.with_columns(candidate=pl.lit(name), kind=pl.lit("live"))


QUANTILES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")


def weekly(losses: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for _, part in losses.group_by(pl.col("time").dt.truncate("3d"), maintain_order=True):
        yield part


def test_a_summary_of_sums_by_day_is_the_summary_of_the_rows(job: Job, losses: pl.DataFrame) -> None:
    found = summarise(job, Tally.of(job, list(weekly(losses))))
    assert {(s.lead, s.forecaster) for s in found} == {(lead, n) for lead in ("all", *LEADS) for n in (*RULES, "model")}
    for one in found:
        low, high = {"all": (0.0, 1e9), **LEADS}[one.lead]
        near = losses.filter(pl.col("lead_h").is_between(low, high, closed="left"))
        own, rule = (near.filter(pl.col("candidate") == name) for name in (one.forecaster, one.rule))
        verdict = compare(own, rule, "mae", seed=7)
        held = metrics.means(own).row(0, named=True)
        assert one.n == verdict.rows
        told = (one.value, one.baseline, one.skill, one.low, one.high, one.held_80, one.held_80_error)
        expected = (verdict.challenger_score, verdict.champion_score, verdict.skill, verdict.low, verdict.high)
        assert told == pytest.approx((*expected, held["hits_80"], 1.96 * held["hits_80_se"]), rel=1e-9, abs=1e-12)


def test_the_strongest_rule_is_chosen_on_what_all_rules_say(job: Job, losses: pl.DataFrame) -> None:
    silent = losses.filter(pl.col("candidate") == "usual").select(*metrics.KEY[:-1])
    shared = losses.join(silent, on=list(metrics.KEY[:-1]), how="semi").filter(pl.col("candidate").is_in(RULES))
    best = shared.group_by("candidate").agg(pl.col("absolute_error").mean()).sort("absolute_error")["candidate"][0]
    assert {one.rule for one in summarise(job, losses) if one.lead == "all"} == {best}


def test_parts_and_the_whole_tell_the_same(job: Job, losses: pl.DataFrame) -> None:
    whole, parts = Tally.of(job, [losses]), Tally.of(job, list(weekly(losses)))
    assert whole.rows == parts.rows == losses.height
    for table in ("own", "pairs", "shared"):
        assert_frame_equal(whole.days(table, {"lead": "day 2"}), parts.days(table, {"lead": "day 2"}))
    assert sum(frame.height for frame in parts.own) < losses.height / 10


def test_reliability_is_that_of_the_rows(job: Job, losses: pl.DataFrame) -> None:
    found = Tally.of(job, list(weekly(losses))).reliability()
    own = losses.filter(pl.col("candidate") == "model")
    assert_frame_equal(found["events model"], metrics.reliability(own), rel_tol=1e-4)


def test_nothing_scored_is_no_summary(job: Job) -> None:
    empty: Any = Tally.of(job, [pl.DataFrame()])
    assert summarise(job, empty) == []
    assert empty.reliability() == {}
