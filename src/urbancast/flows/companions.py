"""Companions: processes of others that `up` starts on loopback, starts again where they end, and takes along."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
REST_S, POLL_S, GRACE_S = 10.0, 0.5, 12.0


@dataclass(frozen=True, kw_only=True)
class Companion:
    """A command to keep running beside the API.

    ``port``: where it listens on loopback, None where nobody asks it; ``path_prefix``: under which path of the API
    its pages are passed through. What it prints goes to ``log``, nowhere without one.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    path_prefix: str = ""
    log: Path | None = None

    @property
    def is_listening(self) -> bool:
        """Whether something answers at its port."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return self.port is not None and probe.connect_ex((HOST, self.port)) == 0


def free_port() -> int:
    """Port of loopback that is free now."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def behind(companions: Sequence[Companion]) -> dict[str, str]:
    """Environment that tells the API which companions stand behind its login: ``URBANCAST_BEHIND_<NAME>``, a URL."""
    asked = [companion for companion in companions if companion.port is not None]
    return {f"URBANCAST_BEHIND_{companion.name.upper()}": f"http://{HOST}:{companion.port}" for companion in asked}


@contextmanager
def started(companions: Sequence[Companion], *, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep the companions running until the block ends; ``tell`` gets a line where one had to be started again."""
    ended = threading.Event()
    keepers = [threading.Thread(target=_keep, args=(each, tell, ended)) for each in companions]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        ended.set()
        for keeper in keepers:
            keeper.join()


def _keep(companion: Companion, tell: Callable[[str], None], ended: threading.Event) -> None:
    """Start a companion, and again ``REST_S`` after it ended, until told to end it."""
    while not ended.is_set():
        process = _start(companion)
        while process.poll() is None and not ended.wait(POLL_S):
            continue
        if ended.is_set():
            _end(process)
        else:
            where = f"; see {companion.log}" if companion.log else ""
            tell(f"{companion.name} ended with status {process.returncode}, is started again{where}")
            ended.wait(REST_S)


def _start(companion: Companion) -> subprocess.Popen[bytes]:
    """In a process group of its own, which ends with this process however it ends."""
    command = [sys.executable, "-m", "urbancast.process", *companion.command]
    environment = {**os.environ, **companion.env}
    if companion.log is None:
        return _open(command, environment, subprocess.DEVNULL)
    companion.log.parent.mkdir(parents=True, exist_ok=True)
    with companion.log.open("ab") as log:
        return _open(command, environment, log.fileno())


def _open(command: Sequence[str], environment: Mapping[str, str], out: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    limit = time.monotonic() + GRACE_S
    while process.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
