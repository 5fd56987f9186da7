"""How often ranges hold over many folds, each fitted on what was known at its cut; by week and by size of forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.evaluation import backtest, metrics
from urbancast.features.plan import Plan
from urbancast.flows import backtest as flow, panel as panels
from urbancast.flows.job import Job
from urbancast.flows.summary import summarise


def losses(job: Job, candidate: str, *, until: datetime, folds: int, every: timedelta) -> pl.DataFrame:
    """Losses of a candidate and all simple rules, refitted ``every`` before ``until``, issued as the product does."""
    cuts = [until - every * back for back in range(folds, 0, -1)]
    plan = Plan.of(job.recipe, job.product)
    rules = {rule.name for rule in job.recipe.rules}
    chosen = [one for one in flow.candidates(job.recipe) if one.name in {candidate, *rules}]
    known = panels.panel(job)
    result = backtest.run(known, plan, job.product.measure.id, chosen, cuts, until=until, keeps_forecasts=False)
    return result.losses


def summary(job: Job, rows: pl.DataFrame, candidate: str, *, by: str = "crps") -> dict[str, Any]:
    """Summary of a candidate at all leads by any loss, beside the strongest simple rule on the same rows."""
    # the recipe's primary score is what a summary is made of
    scored = replace(job, recipe=replace(job.recipe, primary=by))  # type: ignore[arg-type]
    found = summarise(scored, rows)
    return asdict(next(one for one in found if one.lead == "all" and one.forecaster == candidate))


def deciles(rows: pl.DataFrame, candidate: str) -> pl.DataFrame:
    """Share held by tenth of forecast size: decile, hits_80, hits_80_se."""
    own = metrics.with_decile(rows.filter(pl.col("candidate") == candidate))
    return metrics.means(own, by=["decile"]).select("decile", "hits_80", "hits_80_se")


def weeks(rows: pl.DataFrame, candidate: str) -> pl.DataFrame:
    """Share held by fold: cut, hits_80, hits_80_se."""
    own = rows.filter(pl.col("candidate") == candidate)
    return metrics.means(own, by=["cut"]).select("cut", "hits_80", "hits_80_se")


def overall(rows: pl.DataFrame) -> pl.DataFrame:
    """Share held, its standard error by days, CRPS and width by candidate."""
    return metrics.means(rows, by=["candidate"]).select(
        "candidate", "rows", "hits_80", "hits_80_se", "plain_hits_80", "crps", "width_80", "absolute_error"
    )


def sentence(table: pl.DataFrame) -> str:
    """Lowest and highest share held among the deciles."""
    shares: Sequence[float] = table["hits_80"].to_list()
    return f"held {100 * min(shares):.1f} to {100 * max(shares):.1f} % by tenth of forecast size"
