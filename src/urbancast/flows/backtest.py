"""Backtest: every candidate beside the simple rules on past folds, as known then; scores kept as `backtest`."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Candidate, Measure, Recipe
from urbancast.evaluation import backtest, folds, metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.features.plan import Plan
from urbancast.flows import panel as panels
from urbancast.flows.job import Job, step
from urbancast.lake import scores

FLOW = "backtest"


def run(job: Job) -> dict[str, Backtest]:
    """Backtest of each measure over the recipe's folds before now; its sums go to `scores`."""
    run_id = job.run_id(FLOW)
    plan = Plan.of(job.recipe, job.product)
    served = folds.served(job.now, job.recipe.folds, job.recipe.issue_step)
    known = panels.panel(job, until=job.now)  # values published later would decide with hindsight
    found: dict[str, Backtest] = {}
    for measure in job.product.measures:
        with step(job, run_id, FLOW, f"{measure.id}, {len(served)} folds") as facts:
            result = backtest.run(known, plan, measure.id, candidates(job.recipe), served, keeps_forecasts=False)
            _keep(job, measure, result, run_id)
            facts.update(rows=result.losses.height)
        found[measure.id] = result
    return found


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
