"""Nightly upkeep: recorded, once, beside whoever works, and nothing that a row names is ever removed."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import NOW, Open
from tests.flows.process import Zygote
from tests.flows.tables import assert_equal, contents
from urbancast.core.errors import BusyError
from urbancast.flows import cycle, forecast, maintain
from urbancast.lake import leases, logs, raw, runs
from urbancast.lake.store import Lake


def test_upkeep_changes_no_row_and_is_recorded_for_the_whole_lake(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        before = contents(lake)
        first = maintain.run(lake, now=NOW)
        again = maintain.run(lake, now=NOW)
        after = contents(lake)
        assert forecast.run(job.at(NOW + timedelta(days=1))) > 0
    assert [table for table in before if table != "leases" and not before[table].equals(after[table])] == []
    assert first["runs"]["files"] < first["runs"]["files_before"]
    assert (again["forecasts"]["version"], again["swept"]) == (first["forecasts"]["version"], 0)
    ran = runs.read(lake, "all")
    assert ran["step"].unique().to_list() == ["upkeep"]
    assert ran["state"].to_list() == ["started", "done"] * 2
    assert [line["event"] for line in logs.read(lake, "all", ran["run"][0])] == ["started", "done"] * 2


def test_a_second_upkeep_at_once_is_refused(lake: Lake) -> None:
    with leases.hold(lake, "all"), pytest.raises(BusyError, match="lease of all"):
        maintain.run(lake, now=NOW)


def test_raw_pages_and_named_releases_stay_and_files_of_no_release_go(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        served = forecast.serving_releases(job)["bikes"]
    lake.files.put(f"{served.path}/evidence/plots/pit.png", b"deep beside a release")
    kept = [*lake.files.list("raw"), *lake.files.list("releases")]
    lake.files.put("releases/riverton/bikes-gbm-0123456789/model.json", b"{}")
    assert maintain.run(lake, now=NOW)["swept"] == 1
    assert [*lake.files.list("raw"), *lake.files.list("releases")] == kept
    assert set(raw.manifest(lake, "riverton")["path"]) <= set(kept)


def test_a_release_being_written_is_left_alone(lake: Lake) -> None:
    lake.files.put("releases/riverton/bikes-gbm-0123456789/model.json", b"{}")
    with leases.hold(lake, "riverton"):
        assert maintain.run(lake, now=NOW)["swept"] == 0
    assert maintain.run(lake, now=NOW)["swept"] == 1


def test_logs_of_more_than_90_days_ago_go(lake: Lake) -> None:
    for day in ("2025-12-30", "2025-12-31"):
        logs.append(lake, "riverton", day, [{"at": f"{day}T10:00:00Z", "event": "x"}])
    assert maintain.run(lake, now=NOW)["logs"] == 1
    assert logs.kept(lake, "riverton") == ["2025-12-31"]


def test_upkeep_beside_a_run_disturbs_neither_it_nor_who_reads(
    lake: Lake, riverton: Open, tmp_path: Path, forked: Zygote
) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
    spared = Lake.open(shutil.copytree(lake.url, tmp_path / "spared"))
    tomorrow = NOW + timedelta(days=1)
    reader = lake.snapshot("forecasts")
    held, upkeeps = reader.scan().collect(), 0
    writer = forked.begin("day", lake.url, tomorrow)
    while forked.is_at_work(writer):
        maintain.run(lake)
        upkeeps += 1
    assert (forked.end().code, upkeeps > 1) == (0, True)
    assert reader.scan().collect().equals(held)
    assert forked.run("day", spared.url, tomorrow).code == 0
    assert_equal(lake, spared)
