"""Probe: ask the portals when their observations last changed; no row is fetched, and what is new makes a pull due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from urbancast import portals
from urbancast.core.errors import PortalError
from urbancast.core.product import Recipe, Source
from urbancast.core.time import HOUR
from urbancast.flows.job import Job, step
from urbancast.portals.session import Policy, Session

FLOW, STEP = "probe", "portals"
ONCE = Policy(attempts=1, connect_s=5.0, read_s=10.0)  # one that does not answer is asked again soon enough


def run(job: Job) -> Mapping[str, datetime]:
    """When each source that tells was last changed; one that does not answer is named, and holds up none."""
    if job.clock is not None:
        job.clock.now = job.now
    found: dict[str, datetime] = {}
    silent: dict[str, str] = {}
    with step(job, job.run_id(FLOW), FLOW, STEP) as facts:
        for source in told_of(job.recipe):
            try:
                changed = _modified(job, source)
            except PortalError as error:
                silent[source.name] = str(error)
                continue
            if changed is not None:
                found[source.name] = changed
        facts["modified"] = {name: changed.isoformat() for name, changed in found.items()}
        facts.update({"silent": silent} if silent else {})
    return found


def told_of(recipe: Recipe) -> list[Source]:
    """Sources of observations whose portals tell when they changed; those of every hour are asked each hour anyway."""
    slow = [source for source in recipe.sources if source.role == "observations" and source.rhythm > HOUR]
    return [source for source in slow if portals.tells(source)]


def modified(facts: Mapping[str, Any]) -> dict[str, datetime]:
    """What the facts of a probe's step say of each source."""
    return {name: datetime.fromisoformat(changed) for name, changed in facts.get("modified", {}).items()}


def _modified(job: Job, source: Source) -> datetime | None:
    with Session.of(source, link=job.portal_url, policy=job.policy or ONCE) as session:
        return portals.modified(source, session=session, now=job.now, url=job.portal_url)
