"""Rollback: serve an earlier release again; one new row."""

from __future__ import annotations

import polars as pl

from urbancast.core.errors import NotReadyError, QueryError
from urbancast.flows import forecast
from urbancast.flows.job import Job, step
from urbancast.lake import verdicts
from urbancast.registry import record, release as registry
from urbancast.registry.release import Release

FLOW = "rollback"


def run(
    job: Job, *, measure: str | None = None, to: str | None = None, reason: str = "asked by the operator"
) -> Release:
    """Serve ``to`` (default: the champion before the present one, at last the baseline) for a measure."""
    measure = measure or job.product.measure.id
    run_id = job.run_id(FLOW, measure)
    served = forecast.serving_releases(job)
    if measure not in served:
        action = "name one with --measure"
        raise QueryError("unknown-measure", expected=f"one of {', '.join(served)}", found=repr(measure), action=action)
    target = registry.get(job.lake, job.product.id, to) if to else _previous(job, measure, served[measure])
    if target.measure != measure:
        action = f"name a release of {measure}, or --measure {target.measure}"
        raise QueryError("unknown-release", expected=f"one of {measure}", found=target.name, action=action)
    with step(job, run_id, FLOW, "roll back") as facts:
        decision = record.Decision(
            product=job.product.id,
            measure=measure,
            challenger=target.name,
            champion=served[measure].name,
            action="rolled_back",
            reason=reason,
        )
        record.verdict(job.lake, decision, run=run_id, now=job.now)
        forecast.switch(job, {**served, measure: target}, run_id=run_id)
        facts.update(served=target.name, was=served[measure].name)
    return target


def _previous(job: Job, measure: str, served: Release) -> Release:
    promoted = verdicts.read(job.lake, job.product.id).filter(
        (pl.col("measure") == measure) & (pl.col("action") == "promoted") & (pl.col("challenger") == served.name)
    )
    if promoted.height:
        return registry.get(job.lake, job.product.id, promoted.sort("decided_at")["champion"][-1])
    baseline = registry.baseline(job.lake, job.product.id, measure)
    if baseline is None or baseline.name == served.name:
        raise NotReadyError(
            f"rollback of {job.product.id}.{measure}: expected an earlier release than {served.name}, found none; "
            "name one with --to"
        )
    return baseline
