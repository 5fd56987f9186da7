"""Rollback: serve an earlier release again; one new row."""

from __future__ import annotations

from urbancast.core.errors import NotReadyError, QueryError
from urbancast.flows import evidence, fallback, forecast, mirror
from urbancast.flows.job import Job, step
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FLOW = "rollback"
ASKED = "asked by the operator"


def run(job: Job, *, measure: str | None = None, to: str | None = None, reason: str = ASKED) -> Release:
    """Serve ``to`` (default: the champion before the present one, at last the baseline) for a measure."""
    measure = measure or job.product.measure.id
    served = forecast.serving_releases(job)
    if measure not in served:
        action = "name one with --measure"
        raise QueryError("unknown-measure", expected=f"one of {', '.join(served)}", found=repr(measure), action=action)
    begun = _begun(job, measure)
    if begun is not None and to in (None, begun.challenger):
        carry_out(job, begun)
        return registry.get(job.lake, job.product.id, begun.challenger)
    target = registry.get(job.lake, job.product.id, to) if to else _previous(job, served[measure])
    if target.measure != measure:
        action = f"name a release of {measure}, or --measure {target.measure}"
        raise QueryError("unknown-release", expected=f"one of {measure}", found=target.name, action=action)
    registry.load(job.lake, target)  # a damaged release cannot be gone back to
    carry_out(job, fallback.rolled_back(target, served[measure], reason=reason))
    return target


def carry_out(job: Job, decided: Decision) -> None:
    """Record a rollback, and serve its release from the origin now served."""
    run_id = job.run_id(FLOW, decided.measure)
    with step(job, run_id, FLOW, "roll back") as facts:
        record.verdict(job.lake, decided, run=run_id, now=job.now)
        target = registry.get(job.lake, job.product.id, decided.challenger)
        forecast.switch(job, {**forecast.serving_releases(job), decided.measure: target}, run_id=run_id)
        evidence.judged(job, {decided.measure: target}, {decided.measure: decided})
        facts.update(served=decided.challenger, was=decided.champion, reason=decided.reason, **mirror.now(job))


def _begun(job: Job, measure: str) -> Decision | None:
    """What this very run decided before it was stopped: it is carried out to its end, not one release further."""
    made = record.decisions(job.lake, job.product.id, run=job.run_id(FLOW, measure))
    return next((decided for decided in made if decided.action == "rolled_back"), None)


def _previous(job: Job, served: Release) -> Release:
    found = fallback.Sound()
    for release in fallback.before(job, served, record.decisions(job.lake, job.product.id)):
        if fallback.add(job, release, found):
            return release
    raise NotReadyError(
        f"rollback of {job.product.id}.{served.measure}: expected an earlier release than {served.name}, found none; "
        "name one with --to"
    )
