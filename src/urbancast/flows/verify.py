"""Verify: score every issued forecast whose truth has arrived; days that change are scored again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.product import Window
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import local_day, local_midnight
from urbancast.evaluation import backtest
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.flows import derive, forecast, panel as panels
from urbancast.flows.job import Job, step
from urbancast.flows.tally import Tally
from urbancast.lake import forecasts, scores
from urbancast.monitoring import verify
from urbancast.registry import release as registry

FLOW = "verify"
DAYS_AT_ONCE = timedelta(days=7)
REACH = timedelta(days=40)  # how far before a forecast its newest known value may lie; a calibration spans it too


def run(job: Job, *, since: datetime | None = None) -> Tally:
    """Score forecasts for times in [since, now) (default: what a replay and late truth can reach); return their tally.

    A window's losses are added up and let go: a season of a dense product is too many rows to keep.
    """
    run_id = job.run_id(FLOW)
    start = since or job.now - job.recipe.replay - timedelta(days=7)
    known = panels.panel(job, since=start - max(REACH, job.recipe.calibration))
    tally = Tally.of(job)
    for measure in job.product.measures:
        with step(job, run_id, FLOW, measure.id) as facts:
            before = tally.rows
            for window in _windows(job, start):
                tally.add(_scored(job, known, measure.id, window, run_id))
            facts.update(rows=tally.rows - before)
    with step(job, run_id, FLOW, "show"):
        forecast.show(job, run_id)
    return tally


def _windows(job: Job, start: datetime) -> Iterator[Window]:
    """Parts of [start, now) that end at local midnights: a day is scored whole, and few enough rows at once."""
    day, last = local_day(start, job.product.tz), local_day(job.now, job.product.tz)
    at_once = max(DAYS_AT_ONCE, job.recipe.replay_step or DAYS_AT_ONCE)  # few origins are few rows
    while day <= last:
        end = day + at_once
        begins, ends = (local_midnight(each, job.product.tz) for each in (day, end))
        yield Window(start=max(begins, start), end=min(ends, job.now))
        day = end


def _scored(job: Job, known: Panel, measure: str, window: Window, run_id: str) -> pl.DataFrame:
    one = derive.of(job, measure)
    losses = derive.losses(job, known, one, window) if one else _losses(job, known, measure, window)
    if losses.height:
        _keep(job, losses, run_id)
        if one:
            served = forecast.serving_releases(job)[one.parts[0]].candidate
            derive.keep_costs(job, known, one, losses, served=served, run_id=run_id)
            losses = losses.drop(QUANTILE_COLUMNS)
    return losses


def _losses(job: Job, known: Panel, measure: str, window: Window) -> pl.DataFrame:
    issued = forecasts.read(job.lake, job.product.id, since=window.start, until=window.end, measure=measure)
    if issued.is_empty():
        return pl.DataFrame()
    truth = backtest.with_band(known, measure, known.truth(measure, start=window.start, end=window.end))
    if truth.is_empty():
        return pl.DataFrame()
    reach = frames.with_reach(known, measure, issued.select("place", "origin", "time").unique(maintain_order=True))
    releases = {release.name: release for release in registry.every(job.lake, job.product.id)}
    parts = []
    for (name,), part in issued.group_by("release", maintain_order=True):
        release = releases[str(name)]
        rows = part.join(reach, on=["place", "origin", "time"], maintain_order="left")
        losses = verify.losses(rows, truth, tz=job.product.tz, family=registry.load(job.lake, release).family)
        parts.append(losses.with_columns(candidate=pl.lit(release.candidate)))
    return pl.concat(parts)


def _keep(job: Job, losses: pl.DataFrame, run_id: str) -> None:
    baselines = frozenset(r.name for r in registry.every(job.lake, job.product.id) if r.number == 0)
    sums = verify.ledger(losses, baselines)
    scores.add(job.lake, job.product.id, sums, run=run_id)
