"""An S3 of moto's on loopback, one for a session, with a new bucket for each test that asks for `bucket`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of the store, `http://127.0.0.1:PORT`."""
    from moto.server import DomainDispatcherApplication, create_backend_app  # only who asks for a bucket waits for it
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = OneWriter(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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
