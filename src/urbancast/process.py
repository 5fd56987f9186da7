"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import os
import signal
import threading


def end_with_parent() -> None:
    """End this process soon after the one that started it, so that none is left behind holding a port or a core."""
    parent = os.getppid()

    def watch() -> None:
        waiting = threading.Event()
        while os.getppid() == parent:
            waiting.wait(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
