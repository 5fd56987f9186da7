from __future__ import annotations

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
