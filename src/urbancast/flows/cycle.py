"""The cycle of a product: begin with the baseline, improve, then live day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from urbancast.core.errors import QueryError
from urbancast.core.time import instants, iso
from urbancast.flows import (
    challenge,
    forecast,
    mirror,
    probation,
    pull,
    replay,
    retraining,
    train,
    verify,
    watch,
)
from urbancast.flows.job import Job
from urbancast.flows.tally import Tally
from urbancast.registry.record import Decision

improve = challenge.run


@dataclass(frozen=True, kw_only=True)
class Lived:
    """What a run ended with: verdicts by measure and the tally of the verified losses of the days lived."""

    verdicts: Mapping[str, Decision]
    losses: Tally


def begin(job: Job) -> pull.Pulled:
    """First answer as soon as possible: pull, freeze the baseline as release 0, forecast."""
    pulled = pull.run(job)
    train.baselines(job)
    forecast.run(job)
    return pulled


def show_record(job: Job) -> None:
    """Fill the track record: replay the last days, then verify them."""
    replay.record(job)
    verify.run(job)
    mirror.run(job)


def daily(job: Job) -> None:
    """One day in production: pull, forecast, verify, roll back what lost, retrain what should be, watch."""
    pull.run(job)
    forecast.run(job)
    verify.run(job)
    probation.review(job)
    retraining.run(job)
    watch.run(job)
    mirror.run(job)


def live(job: Job, *, as_of: datetime, until: datetime) -> Lived:
    """Train on what was known at ``as_of``, then live day by day to ``until``, and verify.

    A sample portal is asked anew each day; a file or the live portal is asked once, now, and each
    day sees what had been available by then.
    """
    if until < as_of:
        action = "give --until a later time than --as-of"
        raise QueryError(
            "malformed-window", expected=f"--until at or after {iso(as_of)}", found=iso(until), action=action
        )
    if job.clock is None:
        pull.run(job.at(datetime.now(UTC).replace(microsecond=0)))
    else:
        pull.run(job.at(as_of))
    train.baselines(job.at(as_of))
    verdicts = improve(job.at(as_of))
    for day in instants(as_of, max(until, as_of + job.recipe.issue_step), job.recipe.issue_step):
        today = job.at(day)
        if job.clock is not None and day > as_of:
            pull.run(today)
        forecast.run(today)
    if job.clock is not None and until > as_of:
        pull.run(job.at(until))
    losses = verify.run(job.at(max(until, as_of)), since=as_of)
    return Lived(verdicts=verdicts, losses=losses)
