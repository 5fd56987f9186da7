"""Verification: only what was touched is scored again, whatever was killed; and the ledger finds what was changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from tests.flows.conftest import NOW, Open
from tests.flows.tables import contents
from urbancast import cli
from urbancast.flows import cycle, forecast, proof, pull, verify
from urbancast.flows.job import Job
from urbancast.lake import calibration, digests, forecasts, ledger, misses, observations, scores
from urbancast.lake.store import Lake

LATER = NOW + timedelta(days=2)
SPRING = date(2026, 3, 29)  # the clocks changed: a day of 23 hours
TABLES = ("scores", "calibration", "misses", "ledger", "serving")


class Killed(BaseException):
    """The process died here."""


class Dying(Lake):
    """A lake whose process dies before its n-th commit to what verification writes."""

    def __init__(self, url: str, files: Any, *, after: int) -> None:
        super().__init__(url, files)
        self.left = after

    def _commit(self, before: Any, *args: Any, **kwargs: Any) -> bool:
        if before.table in ("scores", "calibration", "misses", "ledger"):
            if self.left == 0:
                raise Killed
            self.left -= 1
        return super()._commit(before, *args, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test fills."""
    return tmp_path_factory.mktemp("verified")


@pytest.fixture
def issued(folder: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake with forecasts from three origins, one before the clocks changed, and their truth."""
    if not (folder / "lake").exists():
        with riverton(Lake.open(str(folder / "filling"))) as (job, _):
            cycle.begin(job)
            for back in (4, 3):
                forecast.run(job, origin=NOW - timedelta(days=back))
            pull.run(job.at(LATER))
        shutil.move(folder / "filling", folder / "lake")
    shutil.copytree(folder / "lake", tmp_path / "issued")
    return Lake.open(str(tmp_path / "issued"))


@pytest.fixture
def verified(folder: Path, issued: Lake, tmp_path: Path, riverton: Open) -> Lake:
    """The same after one verification."""
    if not (folder / "verified").exists():
        with riverton(issued) as (job, _):
            verify.run(job.at(LATER))
        shutil.copytree(issued.url, folder / "verified")
    shutil.copytree(folder / "verified", tmp_path / "scored")
    return Lake.open(str(tmp_path / "scored"))


def versions(lake: Lake) -> dict[str, int]:
    return {table: lake.version(table) for table in TABLES}


def revise(lake: Lake, day: date, *, value: float | None = 999.0, count: int = 1) -> pl.DataFrame:
    """New words, four months later, about the first known values of a UTC day; the rows."""
    known = observations.known_at(lake, "riverton", LATER).filter(pl.col("time").dt.date() == day)
    told = known.head(count).with_columns(value=pl.lit(value, pl.Float64))
    told = told.select("place", "measure", "time", "draw", "value", available_at="time")
    told = told.with_columns(pl.col("available_at") + timedelta(hours=1))
    fetched_at = LATER + timedelta(days=120)
    assert observations.add(lake, "riverton", told, run="late", fetched_at=fetched_at) == count
    return told


def check(lake: Lake, riverton: Open) -> proof.Proof:
    with riverton(lake) as (job, _):
        return proof.run(job.at(LATER))


def test_a_second_verification_writes_nothing(verified: Lake, riverton: Open) -> None:
    before = versions(verified)
    with riverton(verified) as (job, _):
        tally = verify.run(job.at(LATER))
    assert tally.rows == 0
    assert versions(verified) == before


def test_a_wider_look_tells_all_losses_again_and_writes_nothing(verified: Lake, riverton: Open) -> None:
    before = versions(verified)
    with riverton(verified) as (job, _):
        tally = verify.run(job.at(LATER), since=NOW - timedelta(days=10))
    kept = scores.read(verified, "riverton")
    assert tally.rows >= kept["n"].sum() > 0
    assert versions(verified) == before


def test_truth_revised_months_later_is_found_and_only_its_day_is_scored_again(verified: Lake, riverton: Open) -> None:
    before = scores.read(verified, "riverton")
    entries = ledger.read(verified, "riverton").height
    revise(verified, date(2026, 3, 30))
    with riverton(verified) as (job, _):
        verify.run(job.at(LATER + timedelta(days=121)))
    after = scores.read(verified, "riverton")
    is_touched = pl.col("day") == date(2026, 3, 30)
    assert_frame_equal(after.filter(~is_touched), before.filter(~is_touched))  # the run that scored them too
    one, other = before.filter(is_touched), after.filter(is_touched)
    assert other["absolute_error"].sum() > one["absolute_error"].sum() + 100
    new = ledger.read(verified, "riverton").filter(pl.col("number") > entries)
    assert new.select("kind", "rows").rows() == [("rescored", other.height)]
    assert orjson.loads(new["subject"][0])["day"] == "2026-03-30"
    assert check(verified, riverton).is_whole


def test_truth_withdrawn_leaves_no_score_behind(verified: Lake, riverton: Open) -> None:
    known = observations.known_at(verified, "riverton", LATER)
    day = date(2026, 3, 27)
    hours = known.filter(pl.col("time").dt.convert_time_zone("Europe/Brussels").dt.date() == day).height
    assert scores.read(verified, "riverton").filter(pl.col("day") == day).height > 0
    revise(verified, day, value=None, count=known.filter(pl.col("time").dt.date() == day).height)
    revise_hours = observations.known_at(verified, "riverton", LATER + timedelta(days=121))
    assert revise_hours.height < known.height
    with riverton(verified) as (job, _):
        verify.run(job.at(LATER + timedelta(days=121)))
    left = scores.read(verified, "riverton").filter(pl.col("day") == day)
    assert left.is_empty()
    assert hours > 0
    assert misses.read(verified, "riverton").filter(pl.col("day") == day).is_empty()
    assert check(verified, riverton).is_whole


def test_a_day_of_23_hours_is_scored_by_its_23_hours(verified: Lake) -> None:
    rows = scores.read(verified, "riverton").filter(pl.col("day") == SPRING)
    assert sorted(rows["how"].unique().to_list()) == [6 * 24 + hour for hour in range(24) if hour != 2]
    every = forecasts.read(verified, "riverton")
    said = every.filter(pl.col("time").dt.convert_time_zone("Europe/Brussels").dt.date() == SPRING)
    truth = observations.known_at(verified, "riverton", LATER).select("place", "time")
    expected = said.join(truth, on=["place", "time"], how="semi").group_by("release").len().sort("release")
    assert rows.group_by("release").agg(pl.col("n").sum()).sort("release")["n"].to_list() == expected["len"].to_list()


def test_calibration_adds_up_to_the_scores(verified: Lake) -> None:
    kept = scores.read(verified, "riverton")
    rows = calibration.read(verified, "riverton").filter(pl.col("dimension").cast(pl.String) != "rule")
    keys = ["release", "kind", "day"]
    names = ("n", "absolute_error", "crps", "hits_80", "baseline_crps")
    summed = kept.group_by(keys).agg(pl.col(names).sum()).sort(keys)
    for dimension, bins in (("lead", 48), ("decile", 10), ("pit", 20)):
        own = rows.filter(pl.col("dimension").cast(pl.String) == dimension)
        assert own["bin"].n_unique() <= bins
        there = own.group_by(keys).agg(pl.col(names).sum()).sort(keys)
        assert_frame_equal(there, summed.join(there.select(keys), on=keys, how="semi"), check_exact=False)
        assert there.height > 0


def test_a_release_is_held_against_each_simple_rule_where_both_spoke(verified: Lake) -> None:
    rows = calibration.read(verified, "riverton").filter(pl.col("dimension").cast(pl.String) == "rule")
    assert set(rows["against"]) == {"climatology"}  # the baseline is the other rule
    kept = scores.read(verified, "riverton")
    rule = kept.filter(pl.col("release").str.contains("climatology"))
    assert rows["baseline_absolute_error"].sum() == pytest.approx(rule["absolute_error"].sum())
    assert rows["n"].sum() == rule["n"].sum()


def test_the_worst_misses_say_what_was_known_then(verified: Lake) -> None:
    rows = misses.read(verified, "riverton")
    sizes = rows.group_by("release", "kind", "day").len()
    assert sizes["len"].max() == 20
    for row in rows.iter_rows(named=True):
        known = orjson.loads(row["known"])
        assert known["lead_h"] == (row["time"] - row["origin"]) / timedelta(hours=1)
        newest = known["newest"]["time"]
        assert newest < row["origin"].isoformat()
        assert known["reach_h"] >= known["lead_h"]
        week = known["week_before"]
        assert week is None or week["time"] < newest or week["time"] == newest
    spring = orjson.loads(rows.filter(pl.col("day") == SPRING)["known"][0])
    assert spring["week_before"] is not None


def test_a_verification_killed_before_any_commit_comes_out_as_an_undisturbed_one(
    issued: Lake, verified: Lake, tmp_path: Path, riverton: Open
) -> None:
    expected, kills = contents(verified), 0
    while True:
        folder = tmp_path / f"killed-{kills}"
        shutil.copytree(issued.url, folder)
        lake = Dying(str(folder), Lake.open(str(folder)).files, after=kills)
        with riverton(lake) as (job, _):
            if not _dies(job):
                break
        with riverton(Lake.open(str(folder))) as (job, _):
            verify.run(job.at(LATER))
            assert proof.run(job.at(LATER)).is_whole
        found = contents(Lake.open(str(folder)))
        for table in ("scores", "calibration", "misses", "ledger"):
            assert found[table].equals(expected[table]), f"{table} after {kills} commits"
        kills += 1
    assert kills >= 4


def _dies(job: Job) -> bool:
    try:
        verify.run(job.at(LATER))
    except Killed:
        return True
    return False


def test_forecasts_older_than_the_ledger_are_entered_at_the_next_verification(issued: Lake, riverton: Open) -> None:
    shutil.rmtree(Path(issued.url) / "tables" / "ledger")
    lake = Lake.open(issued.url)
    with riverton(lake) as (job, _):
        assert proof.run(job.at(LATER)).unentered > 0
        verify.run(job.at(LATER))
        found = proof.run(job.at(LATER))
    sets = forecasts.origins(lake, "riverton")
    assert (found.is_whole, found.unentered, found.pending) == (True, 0, 0)
    assert ledger.issued_sets(ledger.read(lake, "riverton")).height == sets.height


def test_the_days_digest_tells_the_head(verified: Lake) -> None:
    entries = ledger.read(verified, "riverton")
    day = str(entries["at"][-1].date())
    told = dict(digests.read(verified, "riverton"))[f"ledger/riverton/{day}.json"]
    assert (told["head"], told["number"]) == (entries["entry"][-1], entries.height)
    assert sum(each["entries"] for each in told["sums"].values()) == told["entries"]


def rewritten(lake: Lake, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the largest parquet file of a table behind the lake's back."""
    files = sorted((Path(lake.url) / "tables" / table).rglob("*.parquet"), key=lambda path: path.stat().st_size)
    rows = pl.read_parquet(files[-1], hive_partitioning=False)
    change(rows).write_parquet(files[-1])


def softened(rows: pl.DataFrame) -> pl.DataFrame:
    """One forecast a little nearer to what came."""
    return rows.with_columns(mean=pl.when(pl.int_range(pl.len()) == 7).then(pl.col("mean") * 1.01).otherwise("mean"))


def test_a_forecast_changed_in_its_file_is_found(verified: Lake, riverton: Open) -> None:
    rewritten(verified, "forecasts", softened)
    found = check(Lake.open(verified.url), riverton)
    assert not found.is_whole
    assert found.misfit is not None
    assert found.misfit.kind == "issued"
    assert "the forecasts are not those that were entered" in found.misfit.reason


def test_a_score_changed_in_its_file_is_found(verified: Lake, riverton: Open) -> None:
    rewritten(verified, "scores", lambda rows: rows.with_columns(absolute_error=pl.col("absolute_error") * 0.9))
    found = check(Lake.open(verified.url), riverton)
    assert found.misfit is not None
    assert found.misfit.kind == "scored"


def test_a_changed_entry_is_found(verified: Lake, riverton: Open) -> None:
    rewritten(verified, "ledger", lambda rows: rows.with_columns(at=pl.col("at") - timedelta(days=1)))
    found = check(Lake.open(verified.url), riverton)
    assert found.misfit is not None
    assert "it was changed" in found.misfit.reason


@pytest.mark.parametrize("which", ["first", "last"])
def test_an_entry_taken_out_is_found(verified: Lake, riverton: Open, which: str) -> None:
    numbers = ledger.read(verified, "riverton")["number"]
    gone = 1 if which == "first" else numbers.max()
    for file in (Path(verified.url) / "tables" / "ledger").rglob("*.parquet"):
        pl.read_parquet(file, hive_partitioning=False).filter(pl.col("number") != gone).write_parquet(file)
    found = check(Lake.open(verified.url), riverton)
    assert found.misfit is not None
    assert found.misfit.number == gone


def test_the_command_line_says_whether_the_ledger_is_whole(verified: Lake) -> None:
    ask = ["verify", "riverton", "--ledger", "--json", "--lake", verified.url]
    whole = CliRunner().invoke(cli.app, ask)
    assert whole.exit_code == 0, whole.output
    rewritten(verified, "forecasts", softened)
    broken = CliRunner().invoke(cli.app, ask)
    assert broken.exit_code == 1
    assert '"kind": "issued"' in broken.output
