from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.tables import TABLES
from urbancast.lake import Lake, runs

WRITER = """
import sys
from datetime import UTC, datetime
from urbancast.lake import Lake, runs
lake = Lake.open(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
for i in range(10):
    runs.record(lake, "paris_bikes", f"{sys.argv[2]}-{i}", flow="pull", step="raw", state="done",
                at=datetime(2021, 7, 12, tzinfo=UTC))
"""


def observed(n: int, *, month: int = 7, place: str = "c") -> pl.DataFrame:
    start = datetime(2021, month, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "product": "paris_bikes",
            "place": [f"{place}{i}" for i in range(n)],
            "measure": "bikes",
            "time": start,
            "draw": 0,
            "value": 1.0,
            "available_at": start + timedelta(days=1),
            "availability": "seen",
            "run": "r",
        }
    )


@pytest.mark.parametrize("table", TABLES)
def test_an_absent_table_reads_as_empty_with_its_schema(lake, table):
    assert lake.version(table) == -1
    rows = lake.scan(table, product="paris_bikes").collect()
    assert rows.height == 0
    assert rows.columns == TABLES[table].column_names()


def test_an_unknown_table_is_refused_by_name(lake):
    with pytest.raises(ContractError, match=r"lake.weather: expected one of raw"):
        lake.scan("weather")


@pytest.mark.parametrize(("version", "action"), [(3, "upgrade urbancast"), (0, "use a new lake")])
def test_a_lake_of_another_version_is_refused(lake, version, action):
    lake.files.put("_lake.json", json.dumps({"version": version}).encode())
    with pytest.raises(ContractError, match=rf"expected 2, found {version}.*{action}"):
        Lake.open(lake.url)


def test_opening_again_keeps_the_day_of_creation(lake):
    Lake.open(lake.url, now=datetime(2031, 1, 1, tzinfo=UTC))
    assert json.loads(lake.files.get("_lake.json"))["created"].startswith("2021-07-12")


def test_a_row_comes_back_in_the_types_of_the_contract(lake):
    lake.append("observations", observed(2))
    rows = lake.scan("observations").collect()
    assert rows.schema == TABLES["observations"].create_empty().schema
    assert rows["availability"].to_list() == ["seen", "seen"]


def test_one_write_is_one_commit_seen_by_another_lake(lake):
    other = Lake.open(lake.url)
    assert other.version("observations") == -1
    lake.append("observations", observed(2))
    first = other.version("observations")
    lake.append("observations", pl.concat([observed(2, month=8, place="d"), observed(1, month=9)]))
    assert other.version("observations") == first + 1
    assert other.scan("observations").collect().height == 5


def test_a_scan_opens_only_the_files_of_its_months(lake):
    lake.append("observations", pl.concat([observed(1, month=m) for m in (6, 7, 8)]))
    since, until = datetime(2021, 7, 1, tzinfo=UTC), datetime(2021, 8, 1, tzinfo=UTC)
    plan = lake.scan("observations", product="paris_bikes", since=since, until=until)
    assert plan.collect()["time"].to_list() == [since]
    assert "month=2021-07" in plan.explain()
    assert "month=2021-06" not in plan.explain()


def test_another_product_is_not_read(lake):
    lake.append("observations", pl.concat([observed(1), observed(1).with_columns(product=pl.lit("nyc_crashes"))]))
    assert lake.scan("observations", product="nyc_crashes").collect()["product"].to_list() == ["nyc_crashes"]


def test_a_snapshot_stays_as_it_was(lake):
    lake.append("observations", observed(2))
    before = lake.snapshot("observations")
    lake.append("observations", observed(3, month=8))
    assert before.scan().collect().height == 2
    assert lake.scan("observations").collect().height == 5
    assert lake.snapshot("observations", version=before.version).scan().collect().height == 2


def test_a_table_of_many_commits_is_opened_from_a_checkpoint_of_the_last_ones(lake, at):
    for i in range(25):
        runs.record(lake, "paris_bikes", "r", flow="pull", step=f"s{i}", state="done", at=at(0, i))
    names = [name.rpartition("/")[2] for name in lake.files.list("tables/runs/_delta_log")]
    checkpoints = [int(name.split(".")[0]) for name in names if name.endswith(".checkpoint.parquet")]
    assert lake.version("runs") - max(checkpoints) < 10
    assert Lake.open(lake.url).version("runs") == lake.version("runs") == 25


def test_the_version_is_the_newest_of_any_writer(lake, at):
    step = {"flow": "pull", "step": "s", "state": "done"}
    other = Lake.open(lake.url)
    for i, writer in enumerate((lake, other, lake, other, other)):
        runs.record(writer, "paris_bikes", "r", **step, at=at(0, i))
        assert lake.version("runs") == other.version("runs") == i + 1


def test_replace_changes_what_the_predicate_names_and_nothing_else(lake):
    lake.append("observations", pl.concat([observed(3), observed(2, month=8)]))
    version = lake.version("observations")
    lake.replace("observations", observed(1), predicate="product = 'paris_bikes' AND month = '2021-07'")
    assert lake.version("observations") == version + 1
    assert sorted(lake.scan("observations").collect()["time"].dt.month()) == [7, 8, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"value": pl.lit("many")},
            r"observations.value: expected Float64, found String such as 'many' in 2 of 2 rows",
        ),
        ({"value": pl.lit(float("nan"))}, r"observations.value: expected .*found Float64 such as nan"),
        ({"place": pl.lit(None, pl.String)}, r"observations.place: expected no nulls, found 2 of 2 rows"),
        (
            {"availability": pl.lit("guessed")},
            r"observations.availability: expected Enum.*found String such as 'guessed'",
        ),
        (
            {"available_at": pl.col("time")},
            r"observations: expected rule 'available_after_start' to hold, found 2 rows",
        ),
        ({"place": pl.lit("same")}, r"observations.product\+place.*: expected one row a key, found 2 rows that share"),
        ({"product": pl.lit("")}, r"observations.product: expected letters.*found ''; use the product's id"),
    ],
)
def test_a_frame_against_the_contract_is_refused_in_full(lake, change, message):
    with pytest.raises(ContractError, match=message):
        lake.append("observations", observed(2).with_columns(**change))
    assert lake.version("observations") == -1


def test_a_missing_column_is_refused_by_name(lake):
    with pytest.raises(ContractError, match=r"observations.draw: expected columns .*found none named draw, value; add"):
        lake.append("observations", observed(1).drop("draw", "value"))


def test_a_lake_travels_to_another_process_as_its_url(lake):
    make, arguments = lake.__reduce__()
    assert make(*arguments).url == lake.url


def test_two_processes_that_write_one_table_both_succeed(lake):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, lake.url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("left", "right")
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    names = lake.scan("runs").collect()["run"].to_list()
    assert sorted(names) == sorted(f"{side}-{i}" for side in ("left", "right") for i in range(10))


def test_a_reader_sees_a_write_whole_or_not_at_all(lake):
    months = (5, 6, 7)
    done = threading.Event()

    def write() -> None:
        for batch in range(8):
            lake.append("observations", pl.concat([observed(2, month=m, place=f"{batch}-") for m in months]))
        done.set()

    writer = threading.Thread(target=write)
    reader = Lake.open(lake.url)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(reader.scan("observations").select(pl.len()).collect().item())
    writer.join()
    assert {n % 6 for n in seen} == {0}
    assert reader.scan("observations").select(pl.len()).collect().item() == 48


def test_a_writer_killed_at_work_leaves_whole_commits(lake):
    code = WRITER.replace("range(10)", "range(100000)").replace("at=datetime", "message='x' * 100000, at=datetime")
    writer = subprocess.Popen(
        [sys.executable, "-c", code, lake.url, "w"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    writer.stdout.readline()
    writer.stdin.write("go\n")
    writer.stdin.flush()
    while lake.version("runs") < 5:
        assert writer.poll() is None
    writer.kill()
    writer.communicate(timeout=60)
    rows = lake.scan("runs").collect()
    assert rows.height == lake.version("runs")
    assert rows["message"].str.len_bytes().unique().to_list() == [100000]
    assert lake.append("observations", observed(1)) == 1
