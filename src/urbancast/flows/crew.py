"""Work in processes of their own: two products at a time, and memory goes back to the machine when one is done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

WORKERS = max(1, min(2, os.cpu_count() or 1))
POLL_S, GRACE_S = 0.2, 4.0


@dataclass(kw_only=True)
class Crew:
    """Workers of one lake. ``options``: of ``urbancast work``, the same for all of them."""

    options: Sequence[str]
    stopped: threading.Event
    at_work: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def work(self, products: Sequence[str], stages: Sequence[str]) -> None:
        """Do the stages of every product, in order, ``WORKERS`` at a time; returns when all are done or stopped.

        A product whose worker fails has said so itself; the others go on.
        """
        waiting = deque(products)
        while (waiting or self.at_work) and not self.stopped.is_set():
            self.at_work = [worker for worker in self.at_work if worker.poll() is None]
            while waiting and len(self.at_work) < WORKERS:
                self.at_work.append(self._start(waiting.popleft(), stages))
            self.stopped.wait(POLL_S)
        if self.stopped.is_set():
            self.dismiss()

    def dismiss(self) -> None:
        """Ask every worker to stop before its next step, and end those that do not in time: a lake survives it."""
        for worker in self.at_work:
            worker.terminate()
        for worker in self.at_work:
            try:
                worker.wait(timeout=GRACE_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.at_work = []

    def _start(self, product: str, stages: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "urbancast", "work", product, *self.options]
        command += [word for stage in stages for word in ("--stage", stage)]
        environment = {**os.environ, "URBANCAST_WITH_PARENT": "true"}
        return subprocess.Popen(command, env=environment)  # noqa: S603 - our own command
