"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

GRACE_S = 8.0


def give_way() -> None:
    """Let others have the cores first: work done ahead of time never makes an answer wait."""
    os.nice(5)


def end_with_parent() -> None:
    """End this process soon after the one that started it, so that none is left behind holding a port or a core."""
    parent = os.getppid()

    def watch() -> None:
        waiting = threading.Event()
        while os.getppid() == parent:
            waiting.wait(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def keep(command: Sequence[str]) -> int:
    """Run a command of others and return its status; on SIGTERM, or when our parent ends, its whole group ends.

    To be run as leader of a process group: ``python -m urbancast.process COMMAND…``.
    """
    end_with_parent()
    give_way()
    child = subprocess.Popen(command)  # noqa: S603 - what our own flows ask for
    asked = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            os.killpg(0, signal.SIGTERM)  # this process too, which has heard it already

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    status = None
    while status is None:
        try:
            status = child.wait(timeout=GRACE_S if asked.is_set() else 1)
        except subprocess.TimeoutExpired:
            if asked.is_set():
                break
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGKILL if asked.is_set() else signal.SIGTERM)  # what of the group is left
    return status or 0


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
