"""A lake on S3 loses no commit of several writers, keeps no half of a file, and says what is wrong with the store."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.lake import object_store
from tests.s3 import KEYS, client
from urbancast.core.errors import ContractError, FencedError, NotReadyError
from urbancast.lake import Lake, leases, observations, remote, runs

P = "paris_bikes"
ELSEWHERE = json.dumps({"host": "another", "pid": 1, "started": 0.0})
STEP = {"flow": "pull", "step": "raw", "state": "done"}


@pytest.fixture
def store(monkeypatch):
    """A store whose faults can be chosen."""
    with object_store.serving() as server:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        yield server
        server.released.set()


def test_writers_at_once_lose_no_commit(bucket, at):
    lakes = [Lake.open(f"{bucket}/lake") for _ in range(3)]

    def record(number: int) -> int:
        return sum(runs.record(lakes[number], P, f"{number}-{i}", **STEP, at=at()) for i in range(3))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(record, range(3))) == 9
    assert runs.read(lakes[0], P)["run"].sort().to_list() == [f"{n}-{i}" for n in range(3) for i in range(3)]


def test_a_holder_that_stood_still_cannot_write_to_a_bucket(bucket, at):
    asleep, awake = Lake.open(f"{bucket}/lake"), Lake.open(f"{bucket}/lake")
    leases.take(asleep, P, holder=ELSEWHERE, ttl=timedelta(0))
    assert runs.record(asleep, P, "before", **STEP, at=at()) == 1
    taken = leases.take(awake, P, holder=leases.this_process())
    assert taken.token == 2
    with pytest.raises(FencedError, match="another run took over"):
        runs.record(asleep, P, "late", **STEP, at=at())
    assert runs.read(awake, P)["run"].to_list() == ["before"]


def test_a_store_that_lets_a_writer_replace_a_commit_is_refused(store):
    store.is_conditional = False
    with pytest.raises(ContractError, match="two writers would lose commits; use a newer store"):
        Lake.open("s3://city/lake")
    assert not [key for key in store.objects if "_lake.json" in key or "_probe" in key]


def test_an_unsafe_setting_is_refused_by_name(store, monkeypatch):
    monkeypatch.setenv(remote.UNSAFE, "true")
    with pytest.raises(ContractError, match=rf"{remote.UNSAFE}: expected it unset, found 'true'; two writers could"):
        Lake.open("s3://city/lake")


def test_a_commit_whose_answer_was_lost_is_not_made_twice(store, at, told):
    lake = Lake.open("s3://city/lake")
    observations.add(lake, P, told(("a", 1, 5.0, 2)), run="r", fetched_at=at(3))
    store.deaf_to = f"observations/_delta_log/{lake.version('observations') + 1:020d}.json"
    observations.add(lake, P, told(("a", 2, 6.0, 2)), run="s", fetched_at=at(3))
    assert store.deaf_to is None
    assert observations.versions(Lake.open("s3://city/lake"), P)["value"].to_list() == [5.0, 6.0]


@pytest.mark.parametrize(
    ("hold_at", "work"),
    [
        ("raw/page", "lake.files.put('raw/page', b'x' * 30_000_000)"),
        ("runs/_delta_log", "runs.record(lake, 'p', 'r', flow='f', step='s', state='done', at=datetime.now(UTC))"),
    ],
    ids=["file", "commit"],
)
def test_a_writer_killed_in_the_middle_of_a_put_leaves_nothing(store, at, hold_at, work):
    lake = Lake.open("s3://city/lake")
    runs.record(lake, P, "before", **STEP, at=at())
    before = dict(store.objects)
    store.hold_at = hold_at
    lines = ["from datetime import UTC, datetime", "from urbancast.lake import Lake, runs"]
    lines += ["lake = Lake.open('s3://city/lake')", work]
    writer = subprocess.Popen([sys.executable, "-c", "\n".join(lines)])
    assert store.reached.wait(30)
    writer.kill()
    writer.wait()
    store.hold_at = None
    store.released.set()
    assert {key for key in store.objects if ".parquet" not in key} == {key for key in before if ".parquet" not in key}
    again = Lake.open("s3://city/lake")
    assert not again.files.exists("raw/page")
    assert runs.record(again, P, "after", **STEP, at=at(hours=1)) == 1
    assert runs.read(again)["run"].to_list() == ["before", "after"]


def test_a_missing_bucket_is_named(bucket):
    with pytest.raises(ContractError, match=r"expected bucket absent to exist, found none; create bucket absent"):
        Lake.open("s3://absent/lake")


def test_a_bucket_that_is_deleted_later_is_named(bucket, at):
    lake = Lake.open(bucket)
    keys = [{"Key": each["Key"]} for each in client().list_objects_v2(Bucket=bucket[5:])["Contents"]]
    client().delete_objects(Bucket=bucket[5:], Delete={"Objects": keys})
    client().delete_bucket(Bucket=bucket[5:])
    with pytest.raises(ContractError, match=rf"expected bucket {bucket[5:]} to exist, found none"):
        runs.record(lake, P, "r", **STEP, at=at())


def test_refused_keys_say_which_settings_to_correct(bucket, s3_server):
    _authorise(s3_server, after="0")
    try:
        with pytest.raises(ContractError, match=r"expected the store to accept our key, found it refused .*AWS_ACCESS"):
            Lake.open(bucket)
    finally:
        _authorise(s3_server, after="inf")


def test_a_store_that_is_not_there_is_said_within_seconds(monkeypatch, s3_server):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    with pytest.raises(NotReadyError, match=r"expected the store to answer, found .*check AWS_ENDPOINT_URL"):
        Lake.open("s3://city/lake")
    assert time.monotonic() - started < 15


def test_plain_http_is_allowed_only_to_an_endpoint_that_says_so():
    assert remote.options("/lake", {"AWS_REGION": "x"}) == {}
    assert "AWS_ALLOW_HTTP" not in remote.options("s3://city", {"AWS_ENDPOINT_URL": "https://store"})
    plain = remote.options("s3://city", {"AWS_ENDPOINT_URL": "http://store", "AWS_CONDITIONAL_PUT": "other"})
    assert (plain["AWS_ALLOW_HTTP"], plain["AWS_CONDITIONAL_PUT"]) == ("true", "other")


def _authorise(server: str, *, after: str) -> None:
    """Have moto check keys after so many requests."""
    request = urllib.request.Request(f"{server}/moto-api/reset-auth", data=after.encode(), method="POST")
    request.add_header("Content-Type", "text/plain")
    urllib.request.urlopen(request, timeout=5).read()
