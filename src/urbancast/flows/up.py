"""Up: everything on one machine. The API serves from the first second; forecasts improve behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from rich.console import Console

from urbancast import products
from urbancast.core.errors import UrbancastError
from urbancast.core.time import as_grain, floor, iso
from urbancast.flows import cycle, opening
from urbancast.flows.job import Job
from urbancast.lake import serving
from urbancast.lake.store import Lake
from urbancast.settings import settings

console = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where to keep, where to serve, what to run."""

    lake: str
    host: str
    port: int
    origin: opening.Origin
    only: Sequence[str]

    @staticmethod
    def of(*, lake: str | None, host: str | None, port: int | None, is_live: bool, only: Sequence[str]) -> Setup:
        """Options over settings: what is not said is taken from the environment."""
        default = settings()
        return Setup(
            lake=lake or default.lake,
            host=host or default.host,
            port=port or default.port,
            origin=opening.Origin(is_live=is_live, is_sample=not is_live),
            only=only or list(products.discover()),
        )


def run(setup: Setup) -> None:
    """Serve, begin every product, improve them, fill the record, then live day by day until stopped."""
    stopped = _stop_event()
    lake = Lake.open(setup.lake)
    with _server(setup), opening.jobs(setup.only, lake, setup.origin, teller=_tell) as jobs:
        console.print(f"[bold]Urbancast[/] http://{setup.host}:{setup.port}  [dim]lake {setup.lake}[/]")
        # The product with the shortest history answers first.
        new = sorted((job for job in jobs if _origin(job) is None), key=lambda job: job.recipe.history)
        for stage in (cycle.begin, cycle.improve, cycle.show_record):
            _every(stage, [_now(job) for job in new], stopped)
        console.print("[bold green]ready[/] every forecast is on the map; stop with Ctrl-C")
        while not stopped.is_set():
            _every(cycle.daily, [_now(job) for job in jobs if _is_due(job)], stopped)
            stopped.wait(60)


def _every(stage: Callable[[Job], Any], jobs: Sequence[Job], stopped: threading.Event) -> None:
    """One stage of each product; a product that fails is named and the others go on."""
    for job in jobs:
        if stopped.is_set():
            return
        try:
            stage(job)
        except UrbancastError as error:
            console.print(f"[red]✗ {job.product.id}[/] {error}", markup=True)


def _now(job: Job) -> Job:
    return job.at(floor(datetime.now(UTC), as_grain(job.product.grain)))


def _origin(job: Job) -> datetime | None:
    row = serving.current(job.lake).get(job.product.id)
    origin: datetime | None = row["origin"] if row else None
    return origin


def _is_due(job: Job) -> bool:
    origin = _origin(job)
    return origin is None or _now(job).now - origin >= job.recipe.issue_step


@contextmanager
def _server(setup: Setup) -> Iterator[None]:
    """The API in a process of its own: it loads no model and survives whatever the flows do."""
    command = [sys.executable, "-m", "urbancast", "serve", "--lake", setup.lake]
    command += ["--host", setup.host, "--port", str(setup.port)]
    server = subprocess.Popen(command, env=os.environ.copy())  # noqa: S603 - our own command
    try:
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


def _stop_event() -> threading.Event:
    stopped = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


def _tell(product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
    if state == "started":
        return
    mark = "[green]✓[/]" if state == "done" else "[red]✗[/]"
    seconds = f"{facts['seconds']:6.1f} s" if "seconds" in facts else str(facts.get("message", ""))
    console.print(f"{mark} {iso(datetime.now(UTC))}  {product:<16} {step:<32} [dim]{seconds}[/]")
