"""An S3 of moto's on loopback, one for a session, with a new bucket for each test that asks for `bucket`."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROOT = Path(__file__).resolve().parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of the store, `http://127.0.0.1:PORT`; a process of its own, as Delta's calls may hold this one."""
    with subprocess.Popen([sys.executable, "-m", "tests.s3"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def main() -> None:
    """Serve until killed, or until the test run has ended; the port is the first line of output."""
    from moto.server import DomainDispatcherApplication, create_backend_app  # only who asks for a bucket waits for it
    from werkzeug.serving import make_server

    from urbancast.process import end_with_parent

    end_with_parent()
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, OneWriter(DomainDispatcherApplication(create_backend_app)), threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """`s3://NAME` of an empty bucket; the environment has what an operator would set to use it."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    name = f"city-{uuid4().hex[:12]}"
    client().create_bucket(Bucket=name)
    return f"s3://{name}"


def client() -> Any:
    """boto3's client of the store that the environment names."""
    import boto3

    return boto3.client("s3", region_name=KEYS["AWS_REGION"])


class OneWriter:
    """A put that is conditional is checked and done in one, as S3 promises; moto alone would let two through."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app, self.lock = app, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] != "PUT":
            return self.app(environ, start_response)
        with self.lock:
            return self.app(environ, start_response)


if __name__ == "__main__":
    main()
