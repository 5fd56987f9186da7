"""Flows as real processes, forked from one that has loaded everything: to be killed, stopped, and run beside others.

Commands are JSON lines on standard input, answers two JSON lines each on standard output: the number of the process
when it begins, its exit code and what it wrote to standard error when it ends. ``{"verb", "lake", "now"}`` runs a
flow of Riverton under its lease in a process of its own; ``kill``: SIGKILL at the n-th boundary of its steps (0: the
first step's start; then its end, the next one's start, …); ``stop``: SIGSTOP there; ``environment``: settings of it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

PRODUCT = "riverton"


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (−9: killed) and the lines it wrote to standard error."""

    code: int
    said: str


class Zygote:
    """The process that the others are forked from, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, verb: str, lake: Any, now: datetime, **more: Any) -> Ended:
        """Run a verb in a process of its own to its end."""
        self.begin(verb, lake, now, **more)
        return self.end()

    def begin(self, verb: str, lake: Any, now: datetime, **more: Any) -> int:
        """Begin a verb in a process of its own, whose number is returned; ``end`` is to follow."""
        assert self._process.stdin is not None
        command = {"verb": verb, "lake": str(lake), "now": now.isoformat(), **more}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        number: int = self._told()
        return number

    def end(self) -> Ended:
        """Wait for the end of what was begun."""
        return Ended(*self._told())

    def is_at_work(self, number: int) -> bool:
        """Whether a process that was begun goes on (or stands still)."""
        return state(number) not in ("", "Z")

    def _told(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def state(number: int) -> str:
    """State of a process as a letter (``T`` stands still, ``Z`` has ended); empty where there is none."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


@contextmanager
def zygote(**environment: str) -> Iterator[Zygote]:
    """A zygote with the environment as it is, and what is said beside."""
    told = {**os.environ, **environment}
    command = [sys.executable, "-P", __file__]  # wherever a test stands
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=told) as process:
        yield Zygote(process)


def main() -> None:
    """Fork a process for each command, one after the other."""
    load()
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as said:
            child = os.fork()
            if child == 0:
                os.dup2(said.fileno(), 2)
                code = 70
                try:
                    code = work(json.loads(line))
                except BaseException:  # noqa: BLE001 - the outermost line of this process
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            sys.stdout.write(json.dumps([code, said.read()]) + "\n")
            sys.stdout.flush()


def load() -> None:
    """Import all that a flow needs, so that a fork is ready at once; no thread pool may have started by then."""
    import lightgbm  # noqa: F401
    import matplotlib.backends.backend_agg  # noqa: F401
    import mlflow.tracking  # noqa: F401

    from urbancast.flows import asked, backup, cycle, maintain, opening, retraining, watch  # noqa: F401
    from urbancast.portals import emulator  # noqa: F401

    gc.collect()
    gc.freeze()
    names = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    unsafe = {name for name in names if not name.startswith(("python", "jemalloc", "polars-ooc"))}
    assert not unsafe, f"expected no thread at work before a fork, found {unsafe}"


def work(given: Mapping[str, Any]) -> int:
    """Run a verb; the exit code as of the command line."""
    os.environ.update(given.get("environment", {}))
    import structlog

    from urbancast.core.errors import UrbancastError
    from urbancast.flows.job import tell_nobody

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    signals = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
    wanted = next((name for name in signals if name in given), None)
    teller = _signalling(signals[wanted], given[wanted]) if wanted else tell_nobody
    try:
        _VERBS.get(given["verb"], _of_product)(given, teller)
    except UrbancastError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _of_product(given: Mapping[str, Any], teller: Any) -> None:
    from urbancast.flows import cycle, opening
    from urbancast.lake.store import Lake

    def flow(name: str, function: str = "run") -> Callable[[Any], Any]:
        found: Callable[[Any], Any] = getattr(importlib.import_module(f"urbancast.flows.{name}"), function)
        return found

    apart = {
        "begin": cycle.begin, "improve": cycle.improve, "daily": cycle.daily, "day": _day,
        "baselines": flow("train", "baselines"), "probation": flow("probation", "review"),
    }  # fmt: skip
    verb = apart.get(given["verb"]) or flow(given["verb"])
    now = datetime.fromisoformat(given["now"])
    with opening.jobs(
        [PRODUCT], Lake.open(given["lake"]), opening.Origin(is_sample=True), now=now, teller=teller
    ) as jobs:
        verb(_light(jobs[0]))


def _light(job: Any) -> Any:
    """The same job without the candidate that takes seconds to train: what is tried here is not its skill."""
    quick = tuple(candidate for candidate in job.recipe.candidates if candidate.model != "gbm")
    return replace(job, recipe=replace(job.recipe, candidates=quick))


def _day(job: Any) -> None:
    """One day without training."""
    from urbancast.flows import forecast, pull, verify

    pull.run(job)
    forecast.run(job)
    verify.run(job)


def _maintain(given: Mapping[str, Any], teller: Any) -> None:
    from urbancast.flows import maintain
    from urbancast.lake.store import Lake

    maintain.run(Lake.open(given["lake"]), now=datetime.fromisoformat(given["now"]), teller=teller)


def _backup(given: Mapping[str, Any], teller: Any) -> None:
    from urbancast.flows import backup
    from urbancast.lake.store import Lake

    backup.backup(Lake.open(given["lake"]), given["to"], teller=teller)


_VERBS = {"maintain": _maintain, "backup": _backup}


def _signalling(number: signal.Signals, at: int | str) -> Any:
    """Teller that sends this process a signal at a boundary of its steps, by number or as `flow: step state`."""
    seen = 0

    def tell(product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
        nonlocal seen
        if state == "failed":
            return
        if at in (seen, f"{step} {state}"):
            sys.stderr.write(f"killed as {step} was {state}")
            sys.stderr.flush()
            os.kill(os.getpid(), number)
        seen += 1

    return tell


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
