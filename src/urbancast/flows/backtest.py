"""Backtest: every candidate beside the simple rules on past folds, as known then; scores kept as `backtest`."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import polars as pl

from urbancast.core.product import Candidate, Measure, Recipe
from urbancast.evaluation import backtest, derived, folds, metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import calibrate, derive, engine, panel as panels
from urbancast.flows.job import Job, step
from urbancast.lake import scores
from urbancast.settings import settings

FLOW = "backtest"


def run(job: Job, *, is_kept: bool = True) -> dict[str, Backtest]:
    """Backtest of each measure over the recipe's folds before now; its sums go to `scores` where they are kept."""
    run_id = job.run_id(FLOW)
    plan = Plan.of(job.recipe, job.product)
    served = folds.served(job.now, job.recipe.folds, job.recipe.issue_step)
    known = panels.panel(job, until=job.now)  # values published later would decide with hindsight
    parts = derived.parts_of(job.recipe.derived)
    names = [measure.id for measure in job.product.modelled]
    chosen = {name: candidates(job.recipe, name) for name in names}
    work = partial(_one, known, plan, chosen, served, parts)
    with step(job, run_id, FLOW, f"{len(served)} folds") as facts:
        found = dict(zip(names, engine.each(work, names, engine=settings().engine), strict=True))
        for measure in job.product.modelled if is_kept else ():
            _keep(job, measure, found[measure.id], run_id)
        facts.update({name: result.losses.height for name, result in found.items()})
    if parts and is_kept:
        with step(job, run_id, FLOW, "joint paths") as facts:
            facts["rows"] = derive.tested(job, known, {name: found[name] for name in parts}, run_id)
    return found


def _one(  # noqa: PLR0917 - work that travels to another process
    known: Panel,
    plan: Plan,
    chosen: dict[str, list[Candidate]],
    served: dict[datetime, list[datetime]],
    parts: list[str],
    measure: str,
) -> Backtest:
    return backtest.run(known, plan, measure, chosen[measure], served, keeps_forecasts=measure in parts)


def candidates(recipe: Recipe, measure: str | None = None) -> list[Candidate]:
    """Everything that can forecast (a measure): the baseline first, the other simple rules, then what is trained."""
    every = [
        candidate
        for candidate in (*recipe.rules, *recipe.candidates)
        if measure is None or not candidate.measures or measure in candidate.measures
    ]
    return sorted(every, key=lambda candidate: candidate.name != recipe.baseline)


def _keep(job: Job, measure: Measure, result: Backtest, run_id: str) -> None:
    """Sums by place; of a sparse measure by city, for a place's rare events say nothing hour by hour."""
    baseline = result.losses.filter(pl.col("candidate") == job.recipe.baseline)
    for candidate in candidates(job.recipe, measure.id):
        losses = result.losses.filter(pl.col("candidate") == candidate.name)
        sums = metrics.ledger(losses, baseline=baseline, is_city=measure.sparse).with_columns(
            release=pl.lit(f"backtest:{candidate.name}"), kind=pl.lit("backtest")
        )
        scores.add(job.lake, job.product.id, sums, run=run_id)
    calibrate.folds(job, result.losses, run_id=run_id)
