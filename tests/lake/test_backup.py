"""Backups to and from a bucket, and what a backup holds of tables that were maintained."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.lake import Lake, backup, forecasts, maintain, observations, raw
from urbancast.lake.files import open_files

P = "paris_bikes"
AT = datetime(2021, 7, 20, 3, tzinfo=UTC)


@pytest.fixture
def store(monkeypatch):
    spec = importlib.util.spec_from_file_location("object_store", Path(__file__).with_name("object_store.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.serving() as server:
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def filled(lake, at, promised, told, page, kept) -> Lake:
    raw.keep(lake, page(days=3), **kept)
    for day in (3, 4, 5):
        observations.add(lake, P, told(("a", 24 * day, float(day), day + 1)), run="r", fetched_at=at(day + 1))
        forecasts.add(lake, P, promised(at(day)), run="r", issued_at=at(day))
    return lake


def rows(lake: Lake) -> dict[str, list]:
    tables = ("raw", "observations", "forecasts")
    return {table: lake.scan(table).collect().sort(pl.all()).rows() for table in tables}


@pytest.mark.parametrize(
    ("to", "again"), [("s3://city/away", ""), ("", "s3://city/again"), ("s3://city/a", "s3://b/c")]
)
def test_a_lake_comes_back_from_a_bucket_and_into_one(filled, store, tmp_path, to, again):
    to, again = to or str(tmp_path / "away"), again or str(tmp_path / "again")
    taken = backup.take(filled, open_files(to), at=AT)
    back = backup.put_back(open_files(to), again, at=AT)
    assert (back.files, back.bytes) == (taken.files, taken.bytes)
    lake = Lake.open(again)
    assert rows(lake) == rows(filled)
    assert raw.read(lake, P, "counts")[0].payload == raw.read(filled, P, "counts")[0].payload
    assert not lake.files.exists(backup.RESTORING)
    with pytest.raises(ContractError, match="expected an empty place"):
        backup.put_back(open_files(to), again, at=AT)


def test_a_maintained_lake_comes_back_with_the_forecasts_of_before(filled, tmp_path, at):
    served = filled.version("forecasts")
    maintain.run(filled, now=at(40))
    backup.take(filled, open_files(str(tmp_path / "away")), at=AT)
    backup.put_back(open_files(str(tmp_path / "away")), str(tmp_path / "again"), at=AT)
    lake = Lake.open(tmp_path / "again")
    assert rows(lake) == rows(filled)
    assert lake.version("observations") == filled.version("observations")
    assert lake.snapshot("forecasts", version=served).scan().collect().height == 3 * 72
    assert maintain.run(lake, now=at(41))["forecasts"]["files"] == len(lake.delta("forecasts").file_uris())


def test_pages_that_no_row_names_are_left_out(filled, tmp_path):
    filled.files.put(f"raw/{P}/counts/{'0' * 64}.csv", b"of a pull that was killed before its row")
    backup.take(filled, open_files(str(tmp_path / "away")), at=AT)
    backup.put_back(open_files(str(tmp_path / "away")), str(tmp_path / "again"), at=AT)
    assert len(Lake.open(tmp_path / "again").files.list("raw")) == 1
