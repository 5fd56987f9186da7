"""Replay: past days as production would have lived them; forecasts marked by their wall clock as replayed."""

from __future__ import annotations

from datetime import datetime, timedelta

from urbancast.core.errors import QueryError
from urbancast.core.time import instants
from urbancast.flows import forecast, panel as panels, train
from urbancast.flows.job import Job, step
from urbancast.lake import observations

FLOW = "replay"


def run(job: Job, *, days: int | None = None) -> list[datetime]:
    """Forecast from each past origin of the last ``days`` with a release trained before the first; return origins."""
    if days is not None and days < 1:
        raise QueryError(
            "malformed-days", expected="1 day or more", found=str(days), action="give --days a whole number"
        )
    length = timedelta(days=days) if days else job.recipe.replay
    first = job.now - length
    origins = _origins(job, first)
    run_id = job.run_id(FLOW, str(length.days))
    with step(job, run_id, FLOW, "train as known then"):
        served = forecast.serving_releases(job)
        releases = train.as_of(job, forecast.with_rules(job, served), first, run_id)
    with step(job, run_id, FLOW, "forecast past days") as facts:
        known = panels.panel(job, until=job.now)
        forecast.issue(job, releases, known, origins, run_id)
        facts.update(origins=len(origins), releases=[release.name for release, _ in releases])
    return origins


def _origins(job: Job, first: datetime) -> list[datetime]:
    """Origins from ``first`` on; with a ``replay_step`` that far apart, and none after the newest truth."""
    if job.recipe.replay_step is None:
        return instants(first, job.now, job.recipe.issue_step)
    known_to = observations.data_to(job.lake, job.product.id, at=job.now) or job.now
    return instants(first, min(known_to, job.now), job.recipe.replay_step)
