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
def started(lake: str, port: int, **more: str) -> Iterator[list[str]]:
    """Run the server in a process of its own until the block ends; yields the lines it prints."""
    code = f"from urbancast.api.server import serve; serve({lake!r}, port={port})"
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("URBANCAST_")}
    environment = quiet | {"URBANCAST_LOG_LEVEL": "DEBUG", "PYTHONUNBUFFERED": "1"} | more
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


def ask(
    port: int, method: str, path: str, question: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, json.dumps(question) if question else None, headers or {})
    status = connection.getresponse().status
    connection.close()
    return status


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def test_the_server_binds_loopback_and_prints_no_question_even_when_debugging(tmp_path: Path) -> None:
    port = free_port()
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


def test_a_trusted_proxy_names_who_asks_and_nobody_else_does(tmp_path: Path) -> None:
    limits = {"URBANCAST_LOOKUPS_PER_MINUTE": "1", "URBANCAST_HOSTS": "maps.example"}

    def asked(port: int, *addresses: str) -> list[int]:
        headers = [{"Host": "maps.example", "X-Forwarded-For": address} for address in addresses]
        return [ask(port, "GET", "/v1/products", headers=each) for each in headers]

    port = free_port()
    with started(str(tmp_path / "lake"), port, **limits, URBANCAST_TRUSTED_PROXIES="127.0.0.1") as lines:
        chain = "203.0.113.8, 203.0.113.7"  # the nearest is believed, what it was told is not
        assert asked(port, "203.0.113.7", "203.0.113.7", chain, "203.0.113.9") == [200, 429, 429, 200]
        headers = {
            "Host": "maps.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Cookie": "urbancast_session=Secret",
            "X-Forwarded-For": "203.0.113.7",
        }  # fmt: skip
        assert ask(port, "GET", "/ops/dagster/graphql?q=Secret", headers=headers) == 404
    for secret in ("203.0.113", "Secret"):
        assert secret not in "".join(lines)
    port = free_port()
    with started(str(tmp_path / "lake"), port, **limits):
        assert asked(port, "203.0.113.7", "203.0.113.7") == [200, 200]
