"""Issued: daily series of what was forecast and of how it turned out, for the release in charge on each day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.time import DAY, local_midnight
from urbancast.flows.job import Job
from urbancast.lake import releases
from urbancast.monitoring import draws
from urbancast.monitoring.drift import Kind
from urbancast.monitoring.reference import on_days

Series = dict[tuple[str, Kind, str], np.ndarray[Any, Any]]
SUMS = ("n", "value", "mean", "crps", "hits_80")


def series(job: Job, days: Sequence[date]) -> Series:
    """By measure, kind and signal, a value a day (NaN where there is none): level of forecasts, bias and loss."""
    ranks = _ranks(job)
    found: Series = {}
    if ranks.is_empty() or not days:
        return found
    scored, told = _scored(job, days[0], days[-1], ranks), _told(job, days[0], days[-1], ranks)
    for measure in job.product.modelled:
        sums = scored.filter(pl.col("measure") == measure.id, pl.col("n") > 0)
        if sums.height and not measure.signed:
            bias = sums.filter(pl.col("value") > 0, pl.col("mean") > 0)
            log_ratio = bias.select("day", at=(pl.col("value") / pl.col("mean")).log())
            found[measure.id, "residual", "bias"] = on_days(log_ratio, days, "at")
            loss = sums.filter(pl.col("crps") > 0, pl.col("mean") > 0)
            relative = loss.select("day", at=(pl.col("crps") / pl.col("mean")).log())
            found[measure.id, "residual", "loss"] = on_days(relative, days, "at")
        total = told.filter(pl.col("measure") == measure.id)
        if total.height and not measure.signed:
            found[measure.id, "forecast", "level"] = draws.weekly(on_days(total, days, "mean"))
    return found


def in_charge(job: Job, since: date, until: date) -> pl.DataFrame:
    """Sums of scores by measure, kind (live, replay) and day in [since, until), of the highest release scored then."""
    return _scored(job, since, until - DAY, _ranks(job), is_one_kind=False)


def _ranks(job: Job) -> pl.DataFrame:
    """Releases that may be in charge, with their number: the baseline and what was trained."""
    known = releases.read(job.lake, job.product.id).filter(pl.col("number") >= 0)
    return known.select("release", "number").unique("release")


def _scored(job: Job, first: date, last: date, ranks: pl.DataFrame, *, is_one_kind: bool = True) -> pl.DataFrame:
    rows = job.lake.scan("scores", product=job.product.id, since=first, until=last + DAY)
    rows = rows.with_columns(pl.col("kind").cast(pl.String)).filter(pl.col("kind") != "backtest")
    losses = ("absolute_error", "deviance", "pinball")
    columns = [*SUMS, *losses, *(f"baseline_{name}" for name in losses)]
    sums = rows.group_by("measure", "kind", "day", "release").agg(pl.col(columns).sum()).collect()
    sums = sums.join(ranks, on="release", how="inner")
    best = sums.sort("number", "release").unique(["measure", "kind", "day"], keep="last", maintain_order=True)
    if not is_one_kind:
        return best.sort("measure", "kind", "day")
    # A day lived counts as lived; a replayed one stands in where none was.
    return best.sort("kind", descending=True).unique(["measure", "day"], keep="last", maintain_order=True).sort("day")


def _told(job: Job, first: date, last: date, ranks: pl.DataFrame) -> pl.DataFrame:
    """Total forecast for each local day by the newest origin before it: measure, day, mean."""
    since: datetime = local_midnight(first, job.product.tz) - job.recipe.issue_step
    rows = job.lake.scan("forecasts", product=job.product.id, since=since, until=job.now)
    rows = rows.filter(pl.col("release").is_in(ranks["release"].to_list()))
    lead = pl.col("time") - pl.col("origin")
    rows = rows.filter(lead >= pl.duration(), lead < pl.duration(days=2))
    day = pl.col("time").dt.convert_time_zone(job.product.tz).dt.date()
    sums = rows.group_by("measure", "origin", "release", day=day).agg(pl.col("mean").sum(), n=pl.len()).collect()
    sums = sums.join(ranks, on="release").filter(pl.col("day").is_between(first, last))
    whole = sums.filter(pl.col("n") >= 0.9 * pl.col("n").max().over("measure"))
    newest = whole.sort("origin", "number", "release")
    return newest.unique(["measure", "day"], keep="last", maintain_order=True).sort("day")
