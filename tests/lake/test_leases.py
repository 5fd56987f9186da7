from __future__ import annotations

import json
import socket
from datetime import timedelta

import polars as pl
import pytest

from urbancast.core.errors import BusyError, FencedError
from urbancast.core.tables import TABLES
from urbancast.lake import leases, runs
from urbancast.lake.store import Lake

DEAD = json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "started": 0.0})
ELSEWHERE = json.dumps({"host": "another", "pid": 1, "started": 0.0})


def _row(lake, run, at):
    return runs.record(lake, "p", run, flow="pull", step="fetch", state="done", at=at)


def test_a_held_product_refuses_another_run_and_a_released_one_does_not(tmp_path):
    lake = Lake.open(tmp_path)
    with leases.hold(lake, "p") as first:
        with pytest.raises(BusyError, match="found it held by process"):
            leases.take(Lake.open(tmp_path), "p", holder=ELSEWHERE)
        with leases.hold(Lake.open(tmp_path), "another"):
            assert leases.current(lake, "another").token == 1
    assert leases.current(lake, "p") is None
    assert leases.take(Lake.open(tmp_path), "p", holder=ELSEWHERE).token == first.token + 1


def test_the_lease_of_a_dead_process_is_taken_over_at_once(tmp_path):
    leases.take(Lake.open(tmp_path), "p", holder=DEAD)
    assert leases.take(Lake.open(tmp_path), "p", holder=leases.this_process()).token == 2


def test_a_holder_that_stood_still_cannot_write_any_table(tmp_path, at):
    asleep, awake = Lake.open(tmp_path), Lake.open(tmp_path)
    leases.take(asleep, "p", holder=ELSEWHERE, ttl=timedelta(0))
    assert _row(asleep, "before", at()) == 1
    leases.take(awake, "p", holder=leases.this_process())
    assert _row(awake, "new", at()) == 1
    with pytest.raises(FencedError, match="another run took over"):
        _row(asleep, "late", at())
    for table in set(TABLES) - {"leases", "requests", "audit", "keys", "deliveries"}:
        assert awake.delta(table).transaction_version("lease/p") == 2
    assert runs.read(awake, "p")["run"].to_list() == ["before", "new"]


def test_a_commit_begun_before_the_fence_is_refused_when_it_lands(tmp_path, at):
    asleep, awake = Lake.open(tmp_path), Lake.open(tmp_path)
    leases.take(asleep, "p", holder=ELSEWHERE, ttl=timedelta(0))
    row = {
        "product": "p",
        "run": "r",
        "flow": "f",
        "step": "s",
        "state": "done",
        "at": at(),
        "message": "",
        "facts": "",
    }

    def build(before):
        if not awake.tokens:
            leases.take(awake, "p", holder=leases.this_process())
        return pl.DataFrame([row])

    with pytest.raises(FencedError):
        asleep.derive("runs", "p", build)
    assert runs.read(awake).is_empty()


def test_a_lease_is_renewed_while_its_process_runs(tmp_path):
    lake = Lake.open(tmp_path)
    ttl = timedelta(milliseconds=300)
    with leases.hold(lake, "p", ttl=ttl) as lease:
        while leases.current(Lake.open(tmp_path), "p").until == lease.until:
            pass
        assert leases.current(lake, "p").token == lease.token
