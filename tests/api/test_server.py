"""The server as it is started: on loopback, quiet about questions, quick to stop."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def started(lake: str, port: int) -> Iterator[list[str]]:
    """Run the server in a process of its own until the block ends; yields the lines it prints."""
    code = f"from urbancast.api.server import serve; serve({lake!r}, port={port})"
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("URBANCAST_")}
    environment = quiet | {"URBANCAST_LOG_LEVEL": "DEBUG", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Uvicorn running" in line:
            break
    rest = threading.Thread(target=lines.extend, args=(process.stdout,))
    rest.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(timeout=20)
        rest.join(timeout=20)
        process.stdout.close()


def ask(port: int, method: str, path: str, question: dict[str, Any] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, json.dumps(question) if question else None)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_server_binds_loopback_and_prints_no_question_even_when_debugging(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with started(str(tmp_path / "lake"), port) as lines:
        assert ask(port, "GET", "/healthz") == 200
        assert ask(port, "GET", "/v1/products/x/forecast?place=Secret&at=48.86123") == 404
        assert ask(port, "POST", "/v1/products/x/answer", {"lat": 48.86123, "lon": 2.35123}) == 404
        assert ask(port, "GET", "/Secret/48.86123") == 404
    printed = "".join(lines)
    assert f"http://127.0.0.1:{port}" in printed
    assert "/v1/products/{product}/answer" in printed
    for secret in ("Secret", "48.86123", "2.35123"):
        assert secret not in printed
