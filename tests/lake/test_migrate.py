"""A lake of schema version 1 becomes one of version 2: whole, once, whoever opens it and whenever that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from urbancast.core.errors import ContractError
from urbancast.core.tables import SCHEMA_VERSION, TABLES
from urbancast.lake import Lake, contract, migrate, requests, runs, verdicts

MONDAY = datetime(2021, 7, 12, tzinfo=UTC)
# The tables as version 1 made them, where they are not as they are now.
VERDICTS = ["product", "measure", "challenger", "champion", "action", "wins", "skill", "low", "high", "reason"]
VERDICTS += ["numbers", "decided_at", "run"]
REQUESTS = ["product", "request", "verb", "arguments", "state", "at"]


def decided(product: str, action: str, hour: int) -> dict:
    at = MONDAY.replace(hour=hour)
    names = {"product": product, "measure": "bikes", "challenger": f"gbm-{hour}", "champion": "rule", "action": action}
    numbers = {"wins": action == "promoted", "skill": 0.1, "low": None, "high": 0.2, "reason": "", "numbers": "{}"}
    return {**names, **numbers, "decided_at": at, "run": "promote-1"}


def asked(product: str, state: str, hour: int) -> dict:
    names = {"product": product, "request": "q1", "verb": "retrain", "arguments": "{}", "state": state}
    return {**names, "at": MONDAY.replace(hour=hour)}


OLD = {
    "verdicts": [decided("a", "promoted", 1), decided("b", "refused", 2), decided("a", "rolled_back", 3)],
    "requests": [asked("a", "asked", 1), asked("a", "done", 2), asked("b", "asked", 3)],
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A lake as version 1 left it: one commit an entry, tables partitioned by product, one never written."""
    lake = tmp_path / "old"
    lake.mkdir()
    (lake / "_lake.json").write_text(json.dumps({"version": 1, "created": "2021-07-12T00:00:00+00:00"}))
    ran = {"product": "a", "run": "r", "flow": "pull", "step": "fetch", "state": "done", "at": MONDAY, "message": ""}
    for table, rows in {**OLD, "runs": [{**ran, "facts": "{}"}]}.items():
        for row in rows:
            empty = contract.empty(table).select(list(row))
            frame = pl.DataFrame([row], schema=empty.schema).with_columns(pl.col(pl.Enum).cast(pl.String))
            write_deltalake(str(lake / "tables" / table), frame, mode="append", partition_by=["product"])
    return lake


def assert_migrated(lake: Lake) -> None:
    assert json.loads(lake.files.get("_lake.json"))["version"] == SCHEMA_VERSION
    for table, columns, key in (("verdicts", VERDICTS, "decided_at"), ("requests", REQUESTS, "at")):
        rows = lake.scan(table).sort(key).collect()
        assert rows.select(columns).with_columns(pl.col(pl.Enum).cast(pl.String)).to_dicts() == OLD[table]
        assert contract.check(table, rows).height == 3
        assert set(contract.schema(table)) == set(migrate.columns(lake.delta(table)))
    assert verdicts.read(lake, "a")["kind"].to_list() == ["live", "live"]
    assert requests.read(lake).select("by", "message").unique().rows() == [("unknown", "")]
    assert runs.read(lake, "a").height == 1


def test_the_old_tables_are_those_of_version_1(old):
    for table, columns in (("verdicts", VERDICTS), ("requests", REQUESTS)):
        delta = DeltaTable(old / "tables" / table)
        assert migrate.columns(delta) == columns
        assert set(contract.lacks(table, columns)) == set(contract.schema(table)) - set(columns)
        assert delta.metadata().partition_columns == ["product"]


def test_opening_an_old_lake_migrates_it_and_every_row_is_there(old):
    lake = Lake.open(old)
    assert_migrated(lake)
    assert {table for table in TABLES if lake.version(table) >= 0} == {"verdicts", "requests", "runs"}


def test_opening_it_again_writes_nothing(old):
    Lake.open(old)
    versions = {table: Lake.open(old).version(table) for table in OLD}
    migrate.to_2(Lake.open(old))
    assert {table: Lake.open(old).version(table) for table in OLD} == versions


def test_what_runs_next_writes_and_reads_as_if_it_had_always_been_so(old):
    lake = Lake.open(old)
    assert requests.mark(lake, "b", "q1", state="refused", at=MONDAY.replace(hour=9), message="no history yet") == 1
    assert requests.pending(lake) == []
    row = {**decided("a", "promoted", 9), "kind": "replay"}
    assert verdicts.add(lake, pl.DataFrame([row])) == 1
    assert verdicts.read(lake, "a")["kind"].to_list() == ["live", "live", "replay"]


def test_a_version_of_a_table_from_before_stays_readable(old):
    before = DeltaTable(old / "tables" / "verdicts").version()
    lake = Lake.open(old)
    assert lake.version("verdicts") == before + 1
    assert lake.snapshot("verdicts", version=before).scan().collect()["kind"].to_list() == ["live"] * 3


# Kill this process at the commit of a table: before it, after it, or after all of them and before the version.
KILLED = """
import os, signal, sys
from urbancast.lake import Lake, migrate
commit, when, table, done = migrate._commit, sys.argv[2], sys.argv[3], []
def killing(lake, name, delta):
    if (name, when) == (table, "before"):
        os.kill(os.getpid(), signal.SIGKILL)
    went_in = commit(lake, name, delta)
    if (name, when) == (table, "after"):
        os.kill(os.getpid(), signal.SIGKILL)
    return went_in
migrate._commit = killing
Lake.open(sys.argv[1])
"""


@pytest.mark.parametrize(("when", "table"), [("before", "verdicts"), ("after", "verdicts"), ("after", "requests")])
def test_a_migration_killed_half_way_is_finished_by_the_next_opening(old, when, table):
    done = subprocess.run([sys.executable, "-c", KILLED, str(old), when, table], check=False)
    assert done.returncode == -signal.SIGKILL
    assert json.loads((old / "_lake.json").read_text())["version"] == 1
    assert_migrated(Lake.open(old))


OPENED = """
import sys
from urbancast.lake import Lake
print("ready", flush=True)
sys.stdin.readline()
Lake.open(sys.argv[1])
"""


def test_processes_that_open_it_at_once_all_find_it_whole(old):
    command = [sys.executable, "-c", OPENED, str(old)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for one in started:
        assert one.stdout.readline() == "ready\n"
    for one in started:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate(timeout=60) and one.returncode for one in started] == [0, 0, 0]
    assert_migrated(Lake.open(old))


def test_a_commit_that_comes_between_is_not_lost(old):
    lake = Lake.open(old.parent / "new")
    lake.url = str(old)
    stale = DeltaTable(old / "tables" / "verdicts")
    row = contract.empty("verdicts").select(VERDICTS)
    late = pl.DataFrame([decided("c", "refused", 4)], schema=row.schema).with_columns(pl.col(pl.Enum).cast(pl.String))
    write_deltalake(str(old / "tables" / "verdicts"), late, mode="append", partition_by=["product"])
    assert not migrate._commit(lake, "verdicts", stale)
    assert Lake.open(old).scan("verdicts").collect().height == 4


def test_a_newer_lake_is_refused_with_what_to_do(old):
    (old / "_lake.json").write_text(json.dumps({"version": SCHEMA_VERSION + 1}))
    before = sorted(os.walk(old))
    with pytest.raises(
        ContractError, match=rf"expected {SCHEMA_VERSION}, found {SCHEMA_VERSION + 1}.*upgrade urbancast"
    ):
        Lake.open(old)
    assert sorted(os.walk(old)) == before
