"""Mirror: what the lake knows of releases, verdicts and verified days goes to MLflow too, now or at the next try."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import polars as pl

from urbancast.evaluation.compare import COLUMN
from urbancast.flows.job import Job, step
from urbancast.lake import scores
from urbancast.registry import tracking

FLOW = "mirror"
FOLLOWED = timedelta(days=60)
KINDS = ("live", "replay")
DIGITS = 9  # sums of floats differ in the last of theirs with the order of rows: the same day is the same point
SCHEMA = {"release": pl.String, "metric": pl.String, "day": pl.Date, "value": pl.Float64}


def run(job: Job) -> None:
    """Mirror a product in a step of its own; what could not be mirrored waits for the next run, and says why."""
    with step(job, job.run_id(FLOW), FLOW, "to MLflow") as facts:
        facts.update(now(job))


def now(job: Job) -> dict[str, Any]:
    """Mirror a product within another step; what was added, as facts of that step."""
    return asdict(tracking.mirror(job.lake, job.product.id, followed(job)))


def followed(job: Job) -> pl.DataFrame:
    """``SCHEMA``: skill, error and coverage of releases, day by day, as verified; live and replay apart."""
    column = COLUMN[job.recipe.primary]
    beside = f"baseline_{column}"
    frames = [pl.DataFrame(schema=SCHEMA)]
    for kind in KINDS:
        rows = scores.read(job.lake, job.product.id, since=job.now - FOLLOWED, kind=kind)
        sums = rows.group_by("release", "day").agg(pl.col("n", column, beside, "hits_80").sum()).sort("release", "day")
        skill = pl.when(pl.col(beside) > 0).then(1 - pl.col(column) / pl.col(beside))
        told = {"skill": skill, column: pl.col(column) / pl.col("n"), "coverage_80": pl.col("hits_80") / pl.col("n")}
        frames += [
            sums.select(
                "release", pl.lit(f"{kind}/{name}").alias("metric"), "day", value=value.cast(pl.Float64).round(DIGITS)
            )
            for name, value in told.items()
        ]
    return pl.concat(frames).drop_nulls("value")
