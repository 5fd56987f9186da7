"""A portal that fails, lies, changes shape or is gone: the pull ends loud, nothing is written, the map stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from tests.flows.conftest import NOW, Open
from tests.flows.tables import assert_equal, contents, served
from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.errors import ContractError, PortalError
from urbancast.core.product import Layout, Window
from urbancast.core.time import iso
from urbancast.flows import cycle, pull
from urbancast.flows.job import Job
from urbancast.lake import forecasts, observations, places, raw, runs, serving
from urbancast.lake.store import Lake
from urbancast.portals.emulator import Emulator
from urbancast.portals.emulator_faults import KINDS
from urbancast.portals.session import Policy

TOMORROW = NOW + timedelta(days=1)
FOR_EVER = 1_000
HURRIED = Policy(attempts=3, wait_initial_s=0)
IMPATIENT = Policy(attempts=2, wait_initial_s=0, read_s=0.3)
# Kind, the answers it befalls, the error, and the words that say what was found and what to do.
FAULTS = [
    ("429", "", PortalError, ("riverton.counts", "found 429", "try again later")),
    ("500", "", PortalError, ("riverton.counts", "found 500", "try again later")),
    ("503", "", PortalError, ("riverton.counts", "found 503", "try again later")),
    ("timeout", "", PortalError, ("riverton.counts", "ReadTimeout", "try again later")),
    ("truncation", "exports", PortalError, ("riverton.counts", "expected a whole answer", "try again later")),
    ("cut_body", "exports", PortalError, ("riverton.counts", "expected parquet", "ask again")),
    ("cut_body", "records", PortalError, ("riverton.counts", "expected total_count", "check the dataset")),
    ("html200", "", PortalError, ("riverton.counts", "found a web page", "try again later")),
    ("wrong_count", "", PortalError, ("riverton.counts", "as opendatasoft counts them", "try again later")),
    ("dropped_column", "", ContractError, ("counts", "missing 'bikes'", "add a layout")),
    ("renamed_column", "", ContractError, ("counts", "'bikes' seems renamed to 'bikes_v2'", "add a layout")),
    ("retyped_column", "", ContractError, ("counts", "bikes String", "add a layout")),
]
PAGED = ("repeated_page", "shuffled_page")


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a lake that the first test to ask fills with Riverton's first day."""
    return tmp_path_factory.mktemp("first_day") / "lake"


@pytest.fixture
def begun(first_day: Path, tmp_path: Path, riverton: Open) -> Lake:
    """A copy of a lake after its first day: baseline served from NOW."""
    if not served(lake := Lake.open(str(first_day))):
        with riverton(lake) as (job, _):
            cycle.begin(job)
    shutil.copytree(first_day, tmp_path / "begun")
    return Lake.open(str(tmp_path / "begun"))


def test_every_fault_of_the_emulator_is_tried() -> None:
    assert {kind for kind, *_ in FAULTS} | set(PAGED) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "match", "error", "words"), FAULTS, ids=[f"{kind}-{match}".strip("-") for kind, match, *_ in FAULTS]
)
def test_a_fault_that_lasts_ends_loud_and_the_old_forecasts_stay_served(
    begun: Lake, riverton: Open, kind: str, match: str, error: type[Exception], words: tuple[str, ...]
) -> None:
    before = contents(begun)
    with riverton(begun) as (job, emulator):
        emulator.faults.inject(kind, times=FOR_EVER, match=match)
        patience = IMPATIENT if kind == "timeout" else HURRIED
        with pytest.raises(error) as caught:
            pull.run(replace(job.at(TOMORROW), policy=patience))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert_nothing_written(begun, before)
    assert_failure_recorded(begun, caught.value)
    assert_old_forecasts_served(begun)


@pytest.mark.parametrize("kind", PAGED)
def test_pages_that_repeat_or_overlap_are_refused(begun: Lake, riverton: Open, kind: str) -> None:
    before = contents(begun)
    with moved(begun, riverton) as (job, emulator):
        emulator.faults.inject(kind, times=FOR_EVER)
        with pytest.raises(
            PortalError, match=r"riverton\.counts: .*pages repeat or overlap.*try again later"
        ) as caught:
            pull.run(job)
        assert_nothing_written(begun, before)
        assert_failure_recorded(begun, caught.value)
        assert_old_forecasts_served(begun)
        emulator.faults.clear()
        assert pull.run(job).added > 0


def test_a_portal_that_is_gone_ends_loud_and_the_old_forecasts_stay_served(begun: Lake, riverton: Open) -> None:
    before = contents(begun)
    with riverton(begun) as (job, _):
        pass
    with pytest.raises(PortalError, match=r"riverton\.counts: .*ConnectError.*try again later") as caught:
        pull.run(replace(job.at(TOMORROW), policy=HURRIED))
    assert_nothing_written(begun, before)
    assert_failure_recorded(begun, caught.value)
    assert_old_forecasts_served(begun)


@pytest.mark.parametrize("kind", ["503", "html200", "truncation", "wrong_count", "cut_body"])
def test_a_fault_that_passes_leaves_no_trace(begun: Lake, riverton: Open, tmp_path: Path, kind: str) -> None:
    spared = copy_of(begun, tmp_path / "spared")
    with riverton(spared) as (job, _):
        pull.run(job.at(TOMORROW))
    with riverton(begun) as (job, emulator):
        emulator.faults.inject(kind, times=1)
        pulled = pull.run(replace(job.at(TOMORROW), policy=HURRIED))
    assert pulled.added > 0
    assert_equal(begun, spared)


def test_after_the_fault_is_gone_the_next_pull_catches_up_on_all_of_it(
    begun: Lake, riverton: Open, tmp_path: Path
) -> None:
    spared = copy_of(begun, tmp_path / "spared")
    with riverton(spared) as (job, _):
        pull.run(job.at(TOMORROW))
    with riverton(begun) as (job, emulator):
        emulator.faults.inject("500", times=FOR_EVER)
        with pytest.raises(PortalError):
            pull.run(replace(job.at(TOMORROW), policy=HURRIED))
        emulator.faults.clear()
        pull.run(replace(job.at(TOMORROW), policy=HURRIED))
    assert_equal(begun, spared)


SHAPES = {
    "missing": (lambda rows: rows.drop("bikes"), "missing 'bikes'"),
    "renamed": (lambda rows: rows.rename({"counter": "counter_id"}), "'counter' seems renamed to 'counter_id'"),
    "retyped": (lambda rows: rows.with_columns(bikes=pl.lit("plenty")), "bikes"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_another_shape_is_refused_by_name_and_nothing_written(
    lake: Lake, riverton: Open, tmp_path: Path, shape: str, suffix: str
) -> None:
    change, words = SHAPES[shape]
    path = written(change(counted(NOW)), tmp_path / f"counts.{suffix}")
    with riverton(lake) as (job, _), pytest.raises(ContractError) as caught:
        pull.run(extract(job, path))
    told = str(caught.value)
    assert told.startswith("counts: expected")
    assert words in told
    assert "add a layout" in told
    assert_failure_recorded(lake, caught.value)
    assert observations.versions(lake, "riverton").is_empty()
    assert places.get(lake, "riverton").is_empty()
    assert forecasts.read(lake, "riverton").is_empty()
    assert raw.read(lake, "riverton", "counts") == []


def test_a_file_that_changed_shape_leaves_what_the_first_one_gave(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    good = written(counted(NOW), tmp_path / "good.parquet")
    bad = written(counted(TOMORROW).drop("counter"), tmp_path / "bad.parquet")
    with riverton(lake) as (job, _):
        cycle.begin(extract(job, good))
        before = contents(lake)
        with pytest.raises(ContractError, match="missing 'counter'"):
            pull.run(extract(job.at(TOMORROW), bad))
    assert before["observations"].height > 0
    assert_nothing_written(lake, before)
    assert_old_forecasts_served(lake)


def test_a_file_that_is_not_there_is_named(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    with riverton(lake) as (job, _), pytest.raises(PortalError, match=r"riverton\.counts: .*gone\.csv; check the path"):
        pull.run(extract(job, tmp_path / "gone.csv"))
    assert observations.versions(lake, "riverton").is_empty()


def assert_nothing_written(lake: Lake, before: Mapping[str, pl.DataFrame]) -> None:
    after = contents(lake)
    assert [table for table in before if not before[table].equals(after[table])] == []
    assert serving.current(lake)["riverton"]["origin"] == NOW


def assert_failure_recorded(lake: Lake, error: Exception) -> None:
    last = runs.latest(lake, "riverton")
    assert last is not None
    assert (last["flow"], last["step"], last["state"]) == ("pull", "fetch", "failed")
    assert (last["message"], last["facts"]["error"]) == (str(error), type(error).__name__)


def assert_old_forecasts_served(lake: Lake) -> None:
    app = create_app(lake.url, catalog={"riverton": products.get("riverton")}, clock=lambda: TOMORROW, poll_seconds=0)
    at = iso(TOMORROW + timedelta(hours=2))
    with TestClient(app) as client:
        answer = client.get("/v1/products/riverton/forecast", params={"place": "n", "at": at})
        ready = client.get("/readyz")
        listed = client.get("/v1/products").json()
    assert answer.status_code == 200, answer.text
    assert answer.json()["origin"] == iso(NOW)
    assert answer.json()["median"] > 0
    assert ready.status_code == 200
    assert ready.json()["products"]["riverton"]["origin_age_hours"] == 24
    shown = next(row for row in listed if row["id"] == "riverton")
    assert shown["state"] == "failed"
    assert "pull fetch" in json.dumps(shown["step"])


def copy_of(lake: Lake, to: Path) -> Lake:
    shutil.copytree(lake.url, to)
    return Lake.open(str(to))


def counted(until: datetime) -> pl.DataFrame:
    """Riverton's counts as its portal would write them, of the ten weeks before ``until``."""
    rows: pl.DataFrame = products.sample("riverton").datasets()[0]["rows"](
        Window(start=until - timedelta(days=70), end=until)
    )
    return rows


def written(rows: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        rows.write_parquet(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    return path


def extract(job: Job, path: Path) -> Job:
    return replace(job, provenance="extract", links={"counts": str(path)}, portal_url=None, clock=None)


@contextmanager
def moved(lake: Lake, riverton: Open) -> Iterator[tuple[Job, Emulator]]:
    """Riverton after its counts moved to a portal that gives them page by page, under other names."""

    def rows(window: Window) -> pl.DataFrame:
        given: pl.DataFrame = products.sample("riverton").datasets()[0]["rows"](window)
        return given.select(site="counter", hour=pl.col("at").dt.replace_time_zone(None), bikes="bikes")

    paged = Layout(
        name="paged",
        columns=("site", "hour", "bikes"),
        parse=lambda native: native.select(
            place=pl.col("site"),
            time=pl.col("hour").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f", time_unit="us", time_zone="UTC"),
            value=pl.col("bikes").cast(pl.Float64),
        ),
    )
    with riverton(lake) as (job, _):
        clock, old = job.clock, job.recipe.sources[0]
        assert clock is not None
        query = {"time_field": "hour", "tz": "UTC", "order": "hour,site", "limit": 150}
        new = replace(old, portal="socrata", dataset="rivr-cnts", layouts=(*old.layouts, paged), query=query)
        dataset = {"protocol": "socrata", "id": new.dataset, "rows": rows, "time": "hour"}
        with Emulator([dataset], clock=lambda: clock.now) as emulator:
            recipe = replace(job.recipe, sources=(new,))
            yield replace(job.at(TOMORROW), recipe=recipe, portal_url=emulator.url, policy=HURRIED), emulator
