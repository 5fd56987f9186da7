"""Up: everything on one machine. The API serves from the first second; forecasts improve behind it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape

from urbancast import products
from urbancast.core.errors import BusyError, ContractError, NotReadyError, UrbancastError
from urbancast.core.time import iso
from urbancast.flows import asked, companions as beside, cycle, day, due, maintain, opening, probe
from urbancast.flows.companions import Companion
from urbancast.flows.crew import Crew
from urbancast.flows.due import Stage
from urbancast.flows.job import Job, Steps, Teller
from urbancast.lake import runs, scores, serving, verdicts
from urbancast.lake.store import Lake
from urbancast.process import end_with_parent, give_way
from urbancast.settings import settings

PAUSE_S = 60.0
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


class StoppedError(BaseException):
    """The operator stopped the run; raised before a step begins, so that none is left half told."""


def run(setup: Setup, companions: Sequence[Companion] = (), *, orchestrator: Sequence[Companion] = ()) -> None:
    """Serve, begin every product, improve them, fill the record, then live day by day until stopped.

    ``companions`` run beside for as long, and the API is told where they stand. ``orchestrator``: companions that
    take over what every day owes once the first day is done; while they would both work, one would wait for the other.
    """
    stopped = stop_event()
    _require_free(setup)
    lake = Lake.open(setup.lake)
    options = ["--lake", setup.lake, *(["--live"] if setup.origin.is_live else [])]
    crew = Crew(options=options, stopped=stopped)
    behind = beside.behind([*companions, *orchestrator])
    with beside.started(companions, tell=_warn), _server(setup, behind) as server:
        _print(f"[bold]Urbancast[/] http://{setup.host}:{setup.port}  [dim]lake {escape(setup.lake)}[/]")
        # The product with the shortest history answers first.
        ordered = sorted(setup.only, key=lambda product: (products.recipe(product).history, product))
        for stages in FIRST_DAY:
            crew.work(ordered, stages)
        with beside.started(() if stopped.is_set() else orchestrator, tell=_warn):
            if not stopped.is_set():
                _print("[bold green]ready[/] every forecast is on the map; stop with Ctrl-C")
            while not stopped.is_set():
                _require_alive(server)
                if not orchestrator:
                    _live(lake, crew, ordered)
                stopped.wait(PAUSE_S)
        crew.dismiss()


def work(product: str, stages: Sequence[str], setup: Setup) -> None:
    """What one worker does: the stages that its product is owed; a failure is named, and ends this product's work.

    A product that another run holds is left for later, and so is the rest of what is owed once that is paused.
    """
    stopped = stop_event()
    if settings().with_parent:
        end_with_parent()
        give_way()
    lake = Lake.open(setup.lake)
    try:
        if product == due.EVERY:
            _maintain(lake, stopped)
            return
        with suppress(StoppedError), opening.jobs([product], lake, setup.origin, teller=_teller(stopped)) as jobs:
            job = _counted(jobs[0])
            for name in stages:
                stage, is_owed = STAGES[name]
                if not stopped.is_set() and is_owed(job):
                    stage(_now(job))
    except BusyError as error:
        _print(f"[dim]· {product} later: {escape(str(error))}[/]")
    except UrbancastError as error:
        _print(f"[red]✗ {product}[/] {escape(str(error))}")
        raise SystemExit(1) from error


def _maintain(lake: Lake, stopped: threading.Event) -> None:
    if due.owed(lake, due.EVERY, datetime.now(UTC)) and not stopped.is_set():
        maintain.run(lake)


def _live(lake: Lake, crew: Crew, ids: Sequence[str]) -> None:
    """Work what each product and the lake are owed at this moment."""
    now = datetime.now(UTC)
    crew.work([each for each in (*ids, due.EVERY) if due.owed(lake, each, now)], due.STAGES)


def _counted(job: Job) -> Job:
    """The same job, telling how far its first day has come: some steps, and some for each measure."""
    done = runs.read(job.lake, job.product.id).filter(pl.col("state") == "done").height
    return replace(job, steps=Steps(total=13 + 6 * len(job.product.measures), done=done))


def _now(job: Job) -> Job:
    return job.at(due.moment(job.product, datetime.now(UTC)))


def _has_no_verdict(job: Job) -> bool:
    decided = verdicts.read(job.lake, job.product.id).filter(pl.col("kind").cast(pl.String) == "live")
    return _is_served(job) and decided.is_empty()


def _has_no_record(job: Job) -> bool:
    return _is_served(job) and scores.read(job.lake, job.product.id, kind="replay").is_empty()


def _is_served(job: Job) -> bool:
    row = serving.current(job.lake).get(job.product.id)
    return row is not None and row["origin"] is not None


def _owed(stage: Stage) -> tuple[Callable[[Job], Any], Callable[[Job], bool]]:
    """How a stage is done, and whether it is owed: asked anew before each, for one may make another due."""

    def do(job: Job) -> None:
        for asset in day.OF_STAGE[stage]:
            day.run(job, asset)

    def is_owed(job: Job) -> bool:
        return stage in {one.stage for one in due.owed(job.lake, job.product.id, datetime.now(UTC))}

    return _APART.get(stage, do), is_owed


_APART: dict[Stage, Callable[[Job], Any]] = {"request": asked.run, "begin": cycle.begin, "probe": probe.run}
# Beside what is owed day by day, what a first day owes, also where an earlier run was stopped on the way.
STAGES: dict[str, tuple[Callable[[Job], Any], Callable[[Job], bool]]] = {
    **{stage: _owed(stage) for stage in due.STAGES},
    "improve": (cycle.improve, _has_no_verdict),
    "record": (cycle.show_record, _has_no_record),
}
FIRST_DAY = (("begin", "pull", "forecast", "verify"), ("improve", "record"))  # all answer before any improves


def _require_free(setup: Setup) -> None:
    """ContractError where something listens on the port already: the map shown would be another's."""
    family = socket.AF_INET6 if ":" in setup.host else socket.AF_INET
    try:
        socket.create_server((setup.host, setup.port), family=family).close()
    except OSError as error:
        raise ContractError(
            f"port {setup.port}: expected it free on {setup.host}, found {error.strerror or error}; "
            "stop what listens there, or name another with --port"
        ) from error


def _require_alive(server: subprocess.Popen[bytes]) -> None:
    status = server.poll()
    if status is not None:
        raise NotReadyError(f"API: expected it to serve, found it ended with status {status}; start again")


@contextmanager
def _server(setup: Setup, behind: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The API in a process of its own: it loads no model and survives whatever the flows do."""
    command = [sys.executable, "-m", "urbancast", "serve", "--lake", setup.lake]
    command += ["--host", setup.host, "--port", str(setup.port)]
    environment = {**os.environ, **behind, "URBANCAST_WITH_PARENT": "true"}
    server = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command
    try:
        yield server
    finally:
        server.terminate()
        server.wait(timeout=10)


def stop_event() -> threading.Event:
    """Event that SIGINT or SIGTERM sets; a second signal interrupts."""
    stopped = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


def _teller(stopped: threading.Event) -> Teller:
    """Tell each finished step; when stopped, begin no other."""

    def tell(product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
        if state == "started":
            if stopped.is_set():
                raise StoppedError
            return
        mark = "[green]✓[/]" if state == "done" else "[red]✗[/]"
        seconds = f"{facts['seconds']:6.1f} s" if "seconds" in facts else str(facts.get("message", ""))
        _print(f"{mark} {iso(datetime.now(UTC))}  {product:<16} {escape(f'{step:<32}')} [dim]{escape(seconds)}[/]")

    return tell


def _warn(line: str) -> None:
    _print(f"[yellow]![/] {escape(line)}")


def _print(line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False)
