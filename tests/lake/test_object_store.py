"""The lake on S3: the same promises over HTTP, with nothing but the environment to go by."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from urbancast.core.errors import NotReadyError
from urbancast.lake import Lake, forecasts, maintain, observations, raw, runs

P = "paris_bikes"


def store_module():
    spec = importlib.util.spec_from_file_location("object_store", Path(__file__).with_name("object_store.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def store(monkeypatch):
    with store_module().serving() as server:
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def remote(store) -> Lake:
    return Lake.open("s3://city/lake")


def test_bytes_and_rows_come_back_from_a_bucket(remote, store, at, told, promised, page, kept):
    assert raw.keep(remote, page(days=3), **kept)
    assert observations.add(remote, P, told(("a", 1, 5.0, 2)), run="r", fetched_at=at(3)) == 1
    assert forecasts.add(remote, P, promised(at(3)), run="r", issued_at=at(3)) == 72
    again = Lake.open("s3://city/lake")
    assert raw.read(again, P, "counts")[0].payload == page().payload
    assert observations.known_at(again, P, at(3))["value"].to_list() == [5.0]
    assert forecasts.read(again, P, origin=at(3)).height == 72
    assert again.files.list("raw") == [raw.manifest(again, P)["path"].item()]
    assert {key.split("/")[2] for key in store.objects if key.count("/") > 2} == {"raw", "tables"}


def test_absent_bytes_in_a_bucket_are_named(remote):
    assert not remote.files.exists("releases/r9")
    with pytest.raises(NotReadyError, match="expected bytes at releases/r9, found none"):
        remote.files.get("releases/r9")


def test_writers_of_one_bucket_at_once_all_succeed(remote, at):
    lakes = [Lake.open(remote.url) for _ in range(3)]

    def record(number: int) -> int:
        step = {"flow": "pull", "step": "raw", "state": "done"}
        return sum(runs.record(lakes[number], P, f"{number}-{i}", **step, at=at()) for i in range(2))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(record, range(3))) == 6
    assert runs.read(remote).height == 6


def test_a_bucket_is_maintained(remote, at):
    for i in range(3):
        runs.record(remote, P, f"r{i}", flow="pull", step="raw", state="done", at=at())
    assert maintain.run(remote, now=at(1))["runs"]["files"] == 1
    assert runs.read(remote).height == 3
