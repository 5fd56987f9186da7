"""A month in one go: RMSE of log1p from one origin, beside the best simple rule on the same hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from urbancast.evaluation import backtest
from urbancast.features.plan import Plan
from urbancast.flows import backtest as flow, panel as panels, train
from urbancast.flows.job import Job


def errors(job: Job, truth: pl.DataFrame, *, cut: datetime, horizon: timedelta) -> tuple[str, dict[str, float]]:
    """Chosen candidate, and RMSE of log1p by forecaster at ``truth`` (place, time, value), as known at ``cut``.

    Chosen by two folds of the same length before the cut. Medians are scored, which do not change
    with the scale; a rule by its mean where that is better for it.
    """
    plan = replace(Plan.of(job.recipe, job.product), horizon=horizon, issue_step=horizon)
    every, measure = flow.candidates(job.recipe), job.product.measure.id
    known = panels.panel(job, until=cut)
    folds = [cut - horizon * 2, cut - horizon]
    evidence = backtest.run(known, plan, measure, every, folds, until=cut, keeps_forecasts=False)
    best = train.best_candidate(job, evidence)
    rules = [rule.name for rule in job.recipe.rules]
    fitted = backtest.fit_all(known, plan, measure, [one for one in every if one.name in {best, *rules}], cut)
    said = backtest.forecasts(known, plan, measure, fitted, [cut]).drop_nulls(["mean", "q50"])
    rows = said.join(truth.select("place", "time", "value"), on=["place", "time"])
    shared = rows.filter(pl.len().over("place", "time") == len(fitted))
    print(f"month: {shared.height // len(fitted):,} of {truth.height:,} hours forecast by all; chosen {best}")
    found = {name: rmse(shared, name, "q50") for name in fitted}
    return best, found | {name: min(found[name], rmse(shared, name, "mean")) for name in rules}


def rmse(rows: pl.DataFrame, candidate: str, column: str) -> float:
    """RMSE of log1p of one candidate's forecasts."""
    own = rows.filter(pl.col("candidate") == candidate)
    error = np.log1p(own[column].to_numpy()) - np.log1p(own["value"].to_numpy())
    return float(np.sqrt(np.mean(error**2)))
