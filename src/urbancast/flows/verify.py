"""Verify: score every issued forecast whose truth has arrived; days that change are scored again."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from urbancast.features.panel import Panel
from urbancast.flows import forecast, panel as panels
from urbancast.flows.job import Job, step
from urbancast.lake import forecasts, scores
from urbancast.monitoring import verify
from urbancast.registry import release as registry

FLOW = "verify"


def run(job: Job, *, since: datetime | None = None) -> pl.DataFrame:
    """Score forecasts for times in [since, now) (default: what a replay and late truth can reach); return losses."""
    run_id = job.run_id(FLOW)
    start = since or job.now - job.recipe.replay - timedelta(days=7)
    known = panels.panel(job, since=start - timedelta(days=1))
    parts: list[pl.DataFrame] = []
    for measure in job.product.measures:
        with step(job, run_id, FLOW, measure.id) as facts:
            losses = _losses(job, known, measure.id, start)
            facts.update(rows=losses.height)
            if losses.height:
                _keep(job, losses, run_id)
                parts.append(losses)
    with step(job, run_id, FLOW, "show"):
        forecast.show(job, run_id)
    return pl.concat(parts) if parts else pl.DataFrame()


def _losses(job: Job, known: Panel, measure: str, start: datetime) -> pl.DataFrame:
    issued = forecasts.read(job.lake, job.product.id, since=start, until=job.now, measure=measure)
    issued = issued.filter(pl.col("origin") >= start)
    if issued.is_empty():
        return pl.DataFrame()
    truth = known.truth(measure, start=start, end=job.now)
    families = {
        name: registry.load(job.lake, registry.get(job.lake, job.product.id, name)).family
        for name in issued["release"].unique()
    }
    candidates = {release.name: release.candidate for release in registry.every(job.lake, job.product.id)}
    losses = verify.losses(issued, truth, tz=job.product.tz, families=families)
    return losses.with_columns(candidate=pl.col("release").replace_strict(candidates))


def _keep(job: Job, losses: pl.DataFrame, run_id: str) -> None:
    baselines = frozenset(r.name for r in registry.every(job.lake, job.product.id) if r.number == 0)
    sums = verify.ledger(losses, baselines)
    scores.add(job.lake, job.product.id, sums, run=run_id)
