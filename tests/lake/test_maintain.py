from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from urbancast.lake import Lake, forecasts, maintain, observations, runs

P = "paris_bikes"


@pytest.fixture
def worn(lake, at, promised, told) -> Lake:
    """A lake after some days of small writes: forecasts of July and August."""
    for day in (17, 18, 19, 20, 21):
        forecasts.add(lake, P, promised(at(day)), run="r", issued_at=at(day))
        observations.add(lake, P, told(("a", 24 * day, 1.0, day + 1)), run="r", fetched_at=at(day + 1))
        runs.record(lake, P, f"r{day}", flow="pull", step="raw", state="done", at=at(day))
    return lake


def test_maintenance_merges_files_and_changes_no_row(worn, at):
    tables = ("forecasts", "observations", "runs")
    before = {table: worn.scan(table).collect() for table in tables}
    facts = maintain.run(worn, now=at(22))
    assert set(facts) == set(tables)
    assert facts["runs"] | {"version": 0} == {
        "version": 0,
        "files_before": 5,
        "files": 1,
        "compacted": True,
        "vacuumed": 0,
    }
    for table in tables:
        after = Lake.open(worn.url).scan(table).collect()
        assert after.sort(pl.all()).equals(before[table].sort(pl.all()))
        assert worn.scan(table).collect().height == after.height


def test_only_closed_months_of_forecasts_are_merged_and_only_once(worn, at):
    assert maintain.run(worn, now=at(22))["forecasts"]["files"] == 3
    version = worn.version("forecasts")
    assert maintain.run(worn, now=at(23))["forecasts"]["version"] == version


def test_forecasts_as_they_were_served_stay_readable(worn, at):
    served = worn.version("forecasts")
    maintain.run(worn, now=at(22))
    assert worn.snapshot("forecasts", version=served).scan().collect().height == 5 * 72


def test_a_busy_table_is_tidied_between_nights(lake, at):
    steps = [{"flow": "pull", "step": f"s{i}", "state": "done", "at": at(0, i)} for i in range(6)]
    for step in steps:
        runs.record(lake, P, "r", **step)
    assert not maintain.tidy(lake, "runs", every=5)
    assert maintain.tidy(lake, "runs", every=6)
    assert len(lake.delta("runs").file_uris()) == 1
    for step in steps:
        assert runs.record(lake, P, "r", **step) == 0
    assert runs.read(lake, P)["step"].to_list() == [step["step"] for step in steps]


def test_writing_goes_on_after_a_checkpoint(worn, at, promised):
    maintain.run(worn, now=at(22))
    assert forecasts.add(worn, P, promised(at(22)), run="r", issued_at=at(22)) == 72
    assert forecasts.add(worn, P, promised(at(17)), run="r", issued_at=at(17)) == 0


def aged(lake: Lake, days: int) -> Lake:
    """The same lake as if nothing had been written for so many days."""
    then = datetime.now(UTC) - timedelta(days=days)
    for path in Path(lake.url).rglob("*"):
        if path.parent.name == "_delta_log" and path.suffix == ".json":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            for action in lines:
                if "remove" in action:
                    action["remove"]["deletionTimestamp"] = int(then.timestamp() * 1000)
            path.write_text("\n".join(json.dumps(action) for action in lines))
        if path.is_file():
            os.utime(path, (then.timestamp(), then.timestamp()))
    return Lake.open(lake.url)


def parts(lake: Lake, table: str) -> set[str]:
    return {
        path for path in lake.files.list(f"tables/{table}") if path.endswith(".parquet") and "_delta_log" not in path
    }


def entries(lake: Lake, table: str) -> list[str]:
    return [path for path in lake.files.list(f"tables/{table}/_delta_log") if path.endswith(".json")]


@pytest.fixture
def replaced(worn) -> Lake:
    """A lake whose files were merged, and no checkpoint remembers when."""
    for table in ("forecasts", "observations", "runs"):
        worn.delta(table).optimize.compact()
    return worn


def test_what_was_replaced_within_a_month_stays_for_who_reads_it(replaced, at):
    before = parts(replaced, "runs")
    reader = replaced.snapshot("runs", version=5)
    maintain.run(aged(replaced, 29), now=at(60))
    assert parts(replaced, "runs") >= before
    assert reader.scan().collect().height == 5


def test_what_was_replaced_a_month_ago_is_gone_and_what_is_in_force_is_not(replaced, at):
    before = {table: replaced.scan(table).collect() for table in ("observations", "runs")}
    reader = replaced.snapshot("runs")
    facts = maintain.run(aged(replaced, 31), now=at(60))
    assert facts["runs"]["vacuumed"] == 5
    assert len(parts(replaced, "runs")) == 1
    for table, rows in before.items():
        assert Lake.open(replaced.url).scan(table).collect().sort(pl.all()).equals(rows.sort(pl.all()))
    assert reader.scan().collect().height == 5
    assert maintain.run(Lake.open(replaced.url), now=at(60))["runs"]["vacuumed"] == 0


def test_a_file_that_a_killed_writer_left_goes_after_a_month(worn, at):
    left = Path(worn.url) / "tables/runs/product=paris_bikes/part-00000-left-c000.parquet"
    left.write_bytes(b"half a file")
    maintain.run(worn, now=at(22))
    assert left.exists()
    maintain.run(aged(worn, 31), now=at(60))
    assert not left.exists()


def test_what_was_forecast_stays_readable_as_it_was_served_for_ever(worn, at):
    served = worn.version("forecasts")
    maintain.run(worn, now=at(50))
    old = aged(worn, 400)
    kept = parts(old, "forecasts")
    maintain.run(old, now=at(500))
    again = Lake.open(worn.url)
    assert parts(again, "forecasts") >= kept
    assert again.snapshot("forecasts", version=served).scan().collect().height == 5 * 72


def test_log_entries_older_than_a_month_go_once_a_checkpoint_holds_them(worn, at):
    maintain.run(worn, now=at(22))
    assert len(entries(worn, "runs")) > 5
    old = aged(worn, 31)
    before = worn.scan("runs").collect()
    runs.record(old, P, "r", flow="pull", step="raw", state="done", at=at(60))
    maintain.run(old, now=at(60))
    assert entries(old, "runs")[0] > f"tables/runs/_delta_log/{5:020d}.json"
    assert Lake.open(worn.url).scan("runs").collect().height == before.height + 1
