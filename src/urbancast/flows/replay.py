"""Replay: past days as production would have lived them; forecasts marked by their wall clock as replayed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.core.time import DAY, as_grain, floor, instants, iso, local_day
from urbancast.flows import forecast, panel as panels, pull, train
from urbancast.flows.job import Job, step
from urbancast.flows.relived import FLOW, Life
from urbancast.lake import observations, runs, serving

Told = Callable[[date, Mapping[str, Mapping[str, Any]]], object]  # local day, facts by what was made


def run(
    job: Job, *, days: int | None = None, anchor: datetime | None = None, told: Told | None = None
) -> list[datetime]:
    """Live past days from ``anchor`` on (default: the last ``days`` before now); return their origins.

    Where truth comes months later (``Recipe.replay_step``) the last ``days`` are those before the newest truth; without
    ``days``, it is the recipe's long replay in its long steps.

    The first training is at the anchor, on what was known then; then come daily increments, with the retraining and
    rollbacks that production would have made. Verdicts are of kind ``replay``; nothing that serves moves. A day that
    was lived is not lived again. ``told`` hears of each day, the facts of `release`, `forecasts` and `probation`.
    """
    now = _today(job)
    length = _length(job, days)
    if anchor is not None and anchor >= now:
        raise QueryError("malformed-anchor", expected=f"a time before {iso(now)}", found=iso(anchor),
                         action="give --anchor an earlier time")  # fmt: skip
    if observations.data_to(job.lake, job.product.id, at=job.now) is None:
        pull.run(job)
        train.baselines(job)
        forecast.run(job)
    first = anchor or (_judged(job, now) if days else now) - length
    origins = instants(first, min(first + length, now), job.recipe.issue_step) if days else _origins(job, first, now)
    life = Life(job, "-".join([FLOW, job.product.id, iso(first)]), first)
    lived = _lived(job, life.run_id)
    for some in _by_day(origins):
        facts = lived.get(iso(some[0])) or life.day(some)
        if told is not None:
            told(local_day(some[0], job.product.tz), facts)
    return origins


def record(job: Job, *, days: int | None = None) -> list[datetime]:
    """Forecast from each origin of the last days with what serves now, trained before the first; return origins.

    What fills a first day's track record: cheaper than `run`, for nothing is judged or trained again on the way.
    """
    length = _length(job, days)
    first = job.now - length
    origins = _origins(job, first, job.now)
    run_id = job.run_id(FLOW, str(length.days))
    with step(job, run_id, FLOW, "train as known then"):
        served = forecast.serving_releases(job)
        releases = train.as_of(job, forecast.with_rules(job, served), first, run_id)
    with step(job, run_id, FLOW, "forecast past days") as facts:
        known = panels.panel(job, until=job.now)
        forecast.issue(job, releases, known, origins, run_id)
        facts.update(origins=len(origins), releases=[release.name for release, _ in releases])
    return origins


def _length(job: Job, days: int | None) -> timedelta:
    if days is not None and days < 1:
        raise QueryError(
            "malformed-days", expected="1 day or more", found=str(days), action="give --days a whole number"
        )
    return timedelta(days=days) if days else job.recipe.replay


def _today(job: Job) -> datetime:
    """The origin served now, where it is today's; else this interval: asked twice a day, the same days are lived."""
    row = serving.current(job.lake).get(job.product.id)
    origin: datetime | None = row["origin"] if row else None
    is_todays = origin is not None and timedelta() <= job.now - origin < job.recipe.issue_step
    return origin if origin is not None and is_todays else floor(job.now, min(as_grain(job.product.grain), DAY / 24))


def _judged(job: Job, now: datetime) -> datetime:
    """Now, or as many whole days before as truth is late where it is late by months."""
    known_to = observations.data_to(job.lake, job.product.id, at=job.now)
    is_late = job.recipe.replay_step is not None and known_to is not None and known_to < now
    return now - math.ceil((now - known_to) / DAY) * DAY if is_late and known_to is not None else now


def _origins(job: Job, first: datetime, end: datetime) -> list[datetime]:
    """Origins of [first, end); with a ``replay_step`` that far apart, and none after the newest truth."""
    if job.recipe.replay_step is None:
        return instants(first, end, job.recipe.issue_step)
    known_to = observations.data_to(job.lake, job.product.id, at=job.now) or job.now
    return instants(first, min(known_to, end), job.recipe.replay_step)


def _by_day(origins: list[datetime]) -> list[list[datetime]]:
    """Origins in days that begin with the first."""
    found: list[list[datetime]] = []
    for origin in origins:
        if not found or origin - found[-1][0] >= DAY:
            found.append([])
        found[-1].append(origin)
    return found


def _lived(job: Job, run_id: str) -> dict[str, Any]:
    """What became of the days of a replay that were lived before, by the step that lived them."""
    rows = runs.read(job.lake, job.product.id).filter(
        pl.col("run") == run_id, pl.col("flow") == FLOW, pl.col("state").cast(pl.String) == "done"
    )
    return {step: json.loads(facts)["day"] for step, facts in rows.select("step", "facts").iter_rows()}
