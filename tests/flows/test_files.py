"""Files named with --source: each is read whole, whatever was read before it, and an empty one is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.flows.conftest import NOW, Open
from urbancast.core.errors import ContractError
from urbancast.flows import pull
from urbancast.flows.job import Job
from urbancast.lake import observations
from urbancast.lake.store import Lake


def written(path: Path, days: range) -> Path:
    """Counts at two places, an hour a day, for some days before now."""
    rows = [(place, NOW - timedelta(days=day), 5.0 + day) for day in days for place in ("n", "s")]
    pl.DataFrame(rows, schema=["counter", "at", "bikes"], orient="row").write_parquet(path)
    return path


def of_file(job: Job, path: Path) -> Job:
    """The same job, reading its counts from a file."""
    return replace(job, provenance="extract", links={"counts": str(path)}, clock=None, portal_url=None)


def test_a_second_file_at_the_same_moment_is_read_too(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    with riverton(lake) as (job, _):
        first = pull.run(of_file(job, written(tmp_path / "a.parquet", range(5, 10))))
        second = pull.run(of_file(job, written(tmp_path / "b.parquet", range(200, 240))))
    assert first.added == 5 * 2
    assert second.added == 40 * 2
    assert second.raw_rows["counts"] == second.used["counts"] == (5 + 40) * 2
    assert observations.versions(lake, "riverton").height == 45 * 2


def test_an_older_file_loses_no_row_a_day_later(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    with riverton(lake) as (job, _):
        pull.run(of_file(job, written(tmp_path / "a.parquet", range(5, 10))))
        later = pull.run(of_file(job.at(NOW + timedelta(days=1)), written(tmp_path / "b.parquet", range(300, 340))))
    assert later.added == 40 * 2


def test_an_empty_file_is_refused_by_name(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    with riverton(lake) as (job, _), pytest.raises(ContractError, match=r"counts: expected a table in .*empty\.csv"):
        pull.run(of_file(job, empty))
    assert observations.versions(lake, "riverton").is_empty()
