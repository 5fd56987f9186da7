"""Backtest: every candidate beside the simple rules on past folds, as known then; scores kept as `backtest`."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import polars as pl

from urbancast.core.product import Candidate, Measure, Recipe
from urbancast.evaluation import backtest, folds, metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import engine, panel as panels
from urbancast.flows.job import Job, step
from urbancast.lake import scores
from urbancast.settings import settings

FLOW = "backtest"


def run(job: Job) -> dict[str, Backtest]:
    """Backtest of each measure over the recipe's folds before now; its sums go to `scores`."""
    run_id = job.run_id(FLOW)
    plan = Plan.of(job.recipe, job.product)
    served = folds.served(job.now, job.recipe.folds, job.recipe.issue_step)
    known = panels.panel(job, until=job.now)  # values published later would decide with hindsight
    work = partial(_one, known, plan, candidates(job.recipe), served)
    names = [measure.id for measure in job.product.measures]
    with step(job, run_id, FLOW, f"{len(served)} folds") as facts:
        found = dict(zip(names, engine.each(work, names, engine=settings().engine), strict=True))
        for measure in job.product.measures:
            _keep(job, measure, found[measure.id], run_id)
        facts.update({name: result.losses.height for name, result in found.items()})
    return found


def _one(
    known: Panel, plan: Plan, chosen: list[Candidate], served: dict[datetime, list[datetime]], measure: str
) -> Backtest:
    return backtest.run(known, plan, measure, chosen, served, keeps_forecasts=False)


def candidates(recipe: Recipe) -> list[Candidate]:
    """Everything that can forecast: the baseline first, the other simple rules, then what is trained."""
    every = [*recipe.rules, *recipe.candidates]
    return sorted(every, key=lambda candidate: candidate.name != recipe.baseline)


def _keep(job: Job, measure: Measure, result: Backtest, run_id: str) -> None:
    """Sums by place; of a sparse measure by city, for a place's rare events say nothing hour by hour."""
    baseline = result.losses.filter(pl.col("candidate") == job.recipe.baseline)
    for candidate in candidates(job.recipe):
        losses = result.losses.filter(pl.col("candidate") == candidate.name)
        sums = metrics.ledger(losses, baseline=baseline, is_city=measure.sparse).with_columns(
            release=pl.lit(f"backtest:{candidate.name}"), kind=pl.lit("backtest")
        )
        scores.add(job.lake, job.product.id, sums, run=run_id)
