"""Files too large for memory: kept page by page, observed page by page, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.product import Window
from urbancast.flows import pull
from urbancast.flows.job import Job
from urbancast.lake import observations, places, quarantine, raw
from urbancast.lake.store import Lake
from urbancast.portals import pages
from urbancast.products.madrid_parking import drawn
from urbancast.products.madrid_parking.sample import SEED, City

ID = "madrid_parking"
WEEK = Window(start=datetime(2025, 10, 5, 22, tzinfo=UTC), end=datetime(2025, 10, 8, 22, tzinfo=UTC))
NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tickets() -> pl.DataFrame:
    return City(SEED).rows(WEEK)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 100_000)


def file_of(tickets: pl.DataFrame, folder: Path, name: str = "tickets-2025-Q4") -> Path:
    path = folder / f"{name}.csv"
    path.write_bytes(drawn.written(tickets, name))
    return path


def job(lake: Lake, path: Path) -> Job:
    return Job(product=products.get(ID), recipe=products.recipe(ID), lake=lake, now=NOW, provenance="extract",
               links={"tickets": str(path)})  # fmt: skip


def test_a_file_kept_in_pages_is_the_file_and_a_second_pull_changes_nothing(
    lake: Lake, tmp_path: Path, tickets: pl.DataFrame
) -> None:
    path = file_of(tickets, tmp_path)
    first = pull.run(job(lake, path))
    kept = raw.read(lake, ID, "tickets")
    assert len(kept) == first.new_pages > 3
    assert (
        b"".join(page.payload for page in sorted(kept, key=lambda page: page.query["first_byte"])) == path.read_bytes()
    )
    assert first.raw_rows["tickets"] == tickets.height
    assert first.used["tickets"] + first.quarantined["tickets"] + first.repeated["tickets"] == tickets.height
    assert first.quarantined["tickets"] == quarantine.read(lake, ID).height > 0
    assert sum(page.rows_received for page in kept) == tickets.height
    before = observations.versions(lake, ID)
    second = pull.run(job(lake, path))
    assert (second.new_pages, second.added) == (0, 0)
    assert_frame_equal(observations.versions(lake, ID), before)
    assert first.notes["paid_hours"] == first.notes["regulated_ticket_hours"]


def test_a_pull_that_dies_between_pages_is_made_whole_by_the_next(
    lake: Lake, tmp_path: Path, tickets: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, keep, calls = file_of(tickets, tmp_path), raw.keep, []

    def dying(*args: object, **named: object) -> bool:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return keep(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(raw, "keep", dying)
    with pytest.raises(KeyboardInterrupt):
        pull.run(job(lake, path))
    assert len(raw.read(lake, ID, "tickets")) == 2
    monkeypatch.setattr(raw, "keep", keep)
    found = pull.run(job(lake, path))
    assert found.raw_rows["tickets"] == tickets.height
    whole = Lake.open(str(tmp_path / "other"))
    pull.run(job(whole, path))
    columns = ["place", "measure", "time", "value"]
    assert_frame_equal(
        observations.versions(lake, ID).select(columns), observations.versions(whole, ID).select(columns)
    )


def test_spaces_of_a_folder_of_vintages_hold_each_from_its_date(
    lake: Lake, tmp_path: Path, tickets: pl.DataFrame
) -> None:
    for dataset in drawn.tables(SEED, City(SEED).places):
        if dataset["id"].startswith("spaces"):
            text = dataset["written"](dataset["rows"](WEEK), "")
            (tmp_path / f"{dataset['id']}.csv").write_bytes(text)
    one = job(lake, file_of(tickets.head(50), tmp_path))
    links = {**one.links, "spaces": str(tmp_path / "spaces_*.csv")}
    pull.run(Job(**{**vars(one), "links": links}))
    then, now = (places.get(lake, ID, at=at) for at in (datetime(2021, 1, 1, tzinfo=UTC), NOW))
    outer = pl.col("place") == "11-03"
    assert '"paid": 0' in then.filter(outer)["attributes"][0]
    assert '"streets": [["' in now.filter(outer)["attributes"][0]
    assert then["valid_from"].unique().to_list() == [datetime(2019, 12, 31, 23, tzinfo=UTC)]
    assert now["valid_from"].unique().to_list() == [datetime(2023, 7, 31, 22, tzinfo=UTC)]
