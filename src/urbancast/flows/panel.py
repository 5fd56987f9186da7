"""Read a product's panel from the lake: everything the frame may look at, versions included.

Frames get the whole history, so that a feature never depends on who asked; only truth is read from a day on.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.core.time import as_grain, iso
from urbancast.features.panel import Panel
from urbancast.flows.job import Job
from urbancast.lake import covariates, observations, places


def panel(job: Job, *, since: datetime | None = None, until: datetime | None = None) -> Panel:
    """All versions available at ``until`` (None: at the end of time) of intervals from ``since`` on.

    NotReadyError where nothing had been seen by ``until``: there is nothing to learn or forecast from.
    """
    seen = observations.versions(job.lake, job.product.id, since=since)
    weather = covariates.versions(job.lake, job.product.id, since=since)
    if until is not None:
        seen = seen.filter(pl.col("available_at") <= until)
        weather = weather.filter(pl.col("available_at") <= until)
        if seen.is_empty():
            raise NotReadyError(
                f"{job.product.id}: expected observations known at {iso(until)}, found none; "
                f"run `urbancast pull {job.product.id}` first, or name a later time"
            )
    return Panel(
        observations=seen,
        covariates=weather,
        places=places.get(job.lake, job.product.id),
        tz=job.product.tz,
        grain=as_grain(job.product.grain),
        country=job.product.country,
        subdivision=job.product.subdivision,
        holidays=job.product.holidays,
        is_open=job.product.is_open,
        pairs=job.product.pairs,
        measures=job.product.measures,
    )
