"""What a flow works on, and how its steps are told: one row at the start of a step, one at its end."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from urbancast.core.product import Product, Provenance, Recipe
from urbancast.core.time import iso
from urbancast.lake import logs, runs
from urbancast.lake.runs import State
from urbancast.lake.store import Lake
from urbancast.portals.session import Policy

Teller = Callable[[str, str, str, Mapping[str, Any]], None]  # product, step, state, facts


def tell_nobody(product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
    """Tell nobody: the quiet default of a `Job`."""


@dataclass(kw_only=True)
class Clock:
    """The moment that the sample city's portals believe it is; a pull sets it."""

    now: datetime


@dataclass(kw_only=True)
class Steps:
    """How many steps are expected and done, for the share that a reader of the map is shown."""

    total: int
    done: int = 0

    @property
    def share(self) -> float:
        """Share of the expected steps that are done, at most 1."""
        return round(min(1.0, self.done / self.total), 3)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One product in one lake at one moment.

    ``now``: wall clock or simulated; ``links``: source name → path or URL that replaces its portal;
    ``portal_url``: base URL that replaces every portal's host (the emulator's, in sample mode);
    ``policy``: how patient its sessions are (None: as sessions are by themselves).
    """

    product: Product
    recipe: Recipe
    lake: Lake
    now: datetime
    provenance: Provenance
    links: Mapping[str, str] = field(default_factory=dict)
    portal_url: str | None = None
    clock: Clock | None = None
    steps: Steps | None = None
    teller: Teller = tell_nobody
    policy: Policy | None = None

    @property
    def subject(self) -> str:
        """What stands as the product in `runs`, leases and logs: its id."""
        return self.product.id

    def at(self, now: datetime) -> Job:
        """Return the same job at another moment."""
        return replace(self, now=now)

    def run_id(self, flow: str, *parts: str) -> str:
        """Name of a run: the same work has the same name, so a second run equals the first."""
        return "-".join([flow, self.product.id, iso(self.now), *parts])


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """Work on a whole lake, of no one product."""

    lake: Lake
    now: datetime
    teller: Teller = tell_nobody
    subject: str = "all"  # what stands for the product in `runs`, leases and logs
    steps: Steps | None = None

    def run_id(self, flow: str, *parts: str) -> str:
        """Name of a run, as of a job."""
        return "-".join([flow, self.subject, iso(self.now), *parts])


@contextmanager
def step(job: Job | Upkeep, run: str, flow: str, name: str) -> Iterator[dict[str, Any]]:
    """Record a step's start and end, and log both with what was said between; what is yielded becomes its facts."""
    facts: dict[str, Any] = {}
    started = clock.monotonic()
    bound = {"product": job.subject, "run": run, "flow": flow, "step": name}
    with structlog.contextvars.bound_contextvars(**bound), logs.heard() as said:
        _write(job, run, (flow, name), "started", {"progress": job.steps.share} if job.steps else facts)
        logs.append(job.lake, job.subject, run, [logs.line("started", **bound)])
        try:
            yield facts
        except BaseException as error:
            facts["error"] = type(error).__name__
            facts["message"] = str(error)
            logs.append(
                job.lake, job.subject, run, [*said, logs.line("failed", level="error", **bound, **_told(facts))]
            )
            _write(job, run, (flow, name), "failed", facts)
            raise
        if job.steps:
            job.steps.done += 1
        facts["seconds"] = round(clock.monotonic() - started, 3)
        logs.append(job.lake, job.subject, run, [*said, logs.line("done", **bound, **_told(facts))])
        _write(job, run, (flow, name), "done", facts)


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as fields of a line: what went wrong and how long it took beside them."""
    apart = ("error", "message", "seconds")
    rest = {key: value for key, value in facts.items() if key not in apart}
    return {**{key: facts[key] for key in apart if key in facts}, **({"facts": rest} if rest else {})}


def _write(job: Job | Upkeep, run: str, named: tuple[str, str], state: State, facts: Mapping[str, Any]) -> None:
    flow, name = named
    job.teller(job.subject, f"{flow}: {name}", state, facts)
    runs.record(
        job.lake,
        job.subject,
        run=run,
        flow=flow,
        step=name,
        state=state,
        at=datetime.now(UTC),
        message=str(facts.get("message", "")),
        facts=facts,
    )
