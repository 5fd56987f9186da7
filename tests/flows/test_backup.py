"""The drill: back up while a run writes, destroy the lake, restore it, and answer as before."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.flows.conftest import NOW, Open
from tests.flows.process import Zygote
from tests.flows.tables import assert_equal, contents
from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.errors import ContractError, NotReadyError
from urbancast.core.time import iso
from urbancast.flows import backup, cycle, forecast, proof, pull, verify
from urbancast.flows.job import Job
from urbancast.lake import backup as backups, ledger, raw, runs
from urbancast.lake.files import open_files
from urbancast.lake.store import Lake
from urbancast.registry import release as registry

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test to ask fills with Riverton's first two days."""
    return tmp_path_factory.mktemp("two_days") / "lake"


@pytest.fixture
def lived(two_days: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake in which forecasts were issued, scored and sealed."""
    if not two_days.exists():
        with riverton(Lake.open(two_days)) as (job, _):
            cycle.begin(job)
            a_day(job.at(TOMORROW))
    shutil.copytree(two_days, tmp_path / "lived")
    return Lake.open(tmp_path / "lived")


def a_day(job: Job) -> None:
    pull.run(job)
    forecast.run(job)
    verify.run(job)


def answers(lake: Lake) -> dict[str, object]:
    """What the API says of Riverton: its map, a forecast, its record, its ledger."""
    app = create_app(lake.url, catalog={"riverton": products.get("riverton")}, clock=lambda: TOMORROW, poll_seconds=0)
    at = iso(TOMORROW + timedelta(hours=3))
    paths = ["products", "products/riverton/places", f"products/riverton/map?at={at}", "products/riverton/track-record"]
    paths += [f"products/riverton/forecast?place={place}&at={at}" for place in "nsmp"]
    with TestClient(app) as client:
        told = {path: client.get(f"/v1/{path}") for path in paths}
    assert {answer.status_code for answer in told.values()} == {200}
    return {path: answer.json() for path, answer in told.items()}


def test_a_restored_lake_answers_as_the_destroyed_one_did_and_its_ledger_is_whole(
    lived: Lake, tmp_path: Path, riverton: Open
) -> None:
    told, held = answers(lived), contents(lived)
    copied = backup.backup(lived, tmp_path / "away")
    shutil.rmtree(lived.url)
    again = backup.restore(tmp_path / "away", lived.url)
    lake = Lake.open(lived.url)
    assert (again.files, again.bytes, again.versions) == (copied.files, copied.bytes, copied.versions)
    assert answers(lake) == told
    assert [table for table, rows in contents(lake).items() if not rows.equals(held[table])] == []
    with riverton(lake) as (job, _):
        found = proof.run(job.at(TOMORROW))
        assert (found.is_whole, found.entries) == (True, ledger.read(lake, "riverton").height)
        assert found.entries > 0
        a_day(job.at(TOMORROW + timedelta(days=1)))
    assert runs.read(lake, "all").filter(flow="restore")["state"].to_list() == ["started", "done"]


def test_a_backup_taken_while_a_run_writes_is_the_lake_of_one_instant(
    lived: Lake, tmp_path: Path, riverton: Open, forked: Zygote
) -> None:
    made = [backup.backup(lived, tmp_path / "away")]
    writer = forked.begin("day", lived.url, TOMORROW + timedelta(days=1))
    while forked.is_at_work(writer):
        made.append(backup.backup(lived, tmp_path / "away"))
    assert forked.end().code == 0
    moving = [one for one in made if one.versions["forecasts"] > made[0].versions["forecasts"]]
    assert 0 < len(moving) < len(made), "no backup was taken while the forecasts were written"
    for number, one in enumerate((made[len(made) - len(moving)], made[-1], made[0])):
        backup.restore(tmp_path / "away", tmp_path / f"again{number}", name=one.name)
        lake = Lake.open(tmp_path / f"again{number}")
        for table, version in one.versions.items():
            rows = lived.snapshot(table, version=version).scan().collect()
            assert lake.snapshot(table, version=version).scan().collect().equals(rows), table
        assert_bytes_are_there(lake)
        with riverton(lake) as (job, _):
            assert proof.run(job.at(TOMORROW)).is_whole
    with riverton(Lake.open(tmp_path / "again0")) as (job, _):
        a_day(job.at(TOMORROW + timedelta(days=1)))
    assert_equal(Lake.open(tmp_path / "again0"), lived)


def assert_bytes_are_there(lake: Lake) -> None:
    for release in registry.every(lake, "riverton"):
        registry.load(lake, release)
    for page in raw.read(lake, "riverton", "counts"):
        assert page.payload


def test_a_second_backup_copies_only_what_is_new(lived: Lake, tmp_path: Path, riverton: Open) -> None:
    first = backup.backup(lived, tmp_path / "away")
    second = backup.backup(lived, tmp_path / "away")
    assert first.copied == first.files - repeated(tmp_path / "away", first.name)
    assert second.copied < 12 < first.files
    with riverton(lived) as (job, _):
        pull.run(job.at(TOMORROW + timedelta(days=1)))
    third = backup.backup(lived, tmp_path / "away")
    assert third.files > second.files
    assert third.copied_bytes < third.bytes / 2
    assert backups.names(open_files(str(tmp_path / "away"))) == [first.name, second.name, third.name]
    backup.restore(tmp_path / "away", tmp_path / "old", name=first.name)
    assert Lake.open(tmp_path / "old").version("observations") == first.versions["observations"]


def repeated(away: Path, name: str) -> int:
    """How many files of a backup have the bytes of another one."""
    files = json.loads((away / "backups" / f"{name}.json").read_text())["files"]
    return len(files) - len({row["sha256"] for row in files.values()})


def test_a_lake_that_went_its_own_way_after_a_restore_is_backed_up_as_it_is(
    lived: Lake, tmp_path: Path, riverton: Open
) -> None:
    first = backup.backup(lived, tmp_path / "away")
    runs.record(lived, "riverton", "one", flow="x", step="x", state="done", at=NOW)
    backup.backup(lived, tmp_path / "away")
    shutil.rmtree(lived.url)
    backup.restore(tmp_path / "away", lived.url, name=first.name)
    lake = Lake.open(lived.url)
    runs.record(lake, "riverton", "another", flow="x", step="x", state="done", at=NOW)
    backup.backup(lake, tmp_path / "away")
    backup.restore(tmp_path / "away", tmp_path / "again")
    names = runs.read(Lake.open(tmp_path / "again"), "riverton")["run"].to_list()
    assert "another" in names
    assert "one" not in names


def test_a_restore_into_a_place_with_something_in_it_is_refused(lived: Lake, tmp_path: Path) -> None:
    backup.backup(lived, tmp_path / "away")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for place in (lived.url, tmp_path / "full"):
        with pytest.raises(ContractError, match=r"expected an empty place, found \d+ files.*name another"):
            backup.restore(tmp_path / "away", place)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_a_backup_that_was_damaged_is_named_and_makes_no_lake(lived: Lake, tmp_path: Path) -> None:
    backup.backup(lived, tmp_path / "away")
    blob = max((tmp_path / "away" / "blobs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(ContractError, match=r"file .*: expected sha256 .*the backup was damaged"):
        backup.restore(tmp_path / "away", tmp_path / "again")
    assert not (tmp_path / "again" / "_lake.json").exists()


def test_a_restore_that_was_stopped_goes_on_and_one_of_another_backup_does_not(lived: Lake, tmp_path: Path) -> None:
    one, other = (backup.backup(lived, tmp_path / "away") for _ in range(2))
    backup.restore(tmp_path / "away", tmp_path / "again", name=one.name)
    (tmp_path / "again" / "_lake.json").unlink()
    for path in sorted((tmp_path / "again" / "raw").rglob("*.parquet")):
        path.unlink()
    (tmp_path / "again" / "_restoring.json").write_text(json.dumps({"backup": one.name}))
    with pytest.raises(ContractError, match=f"found a restore of {one.name}"):
        backup.restore(tmp_path / "away", tmp_path / "again", name=other.name)
    done = backup.restore(tmp_path / "away", tmp_path / "again", name=one.name)
    assert 0 < done.copied < done.files
    assert answers(Lake.open(tmp_path / "again"))


def test_a_place_without_a_backup_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"expected one named \(any\), found none"):
        backup.restore(tmp_path / "nothing", tmp_path / "again")


def test_a_backup_within_the_lake_is_refused(lived: Lake) -> None:
    with pytest.raises(ContractError, match="expected a place outside the lake"):
        backup.backup(lived, Path(lived.url) / "backups")


def test_a_backup_killed_on_the_way_is_none_and_the_next_one_is(lived: Lake, tmp_path: Path, forked: Zygote) -> None:
    killed = forked.run("backup", lived.url, NOW, to=str(tmp_path / "away"), kill=1)
    assert (killed.code, "copy was done" in killed.said) == (-9, True)
    assert backup.backup(lived, tmp_path / "away").copied < 12
    backup.restore(tmp_path / "away", tmp_path / "again")
    assert answers(Lake.open(tmp_path / "again"))
