"""Calibration, misses, rolling coverage and the ledger by HTTP: kinds apart, as tables too."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import ORIGIN, City, copy_of
from urbancast.core.time import DAY, HOUR
from urbancast.lake import calibration, contract, digests, ledger, misses

CHAMPION = "bicycles-gbm"
ROW = {name: 6.0 for name, dtype in contract.schema("calibration").items() if dtype == pl.Float64}


def classes(kind: str, day: date, *, held: float) -> list[dict[str, Any]]:
    """Sums of one day: two leads, two deciles, three PIT bins, one rule; n = 40 each."""
    basis = {**ROW, "measure": "bicycles", "release": CHAMPION, "kind": kind, "day": day, "against": "", "n": 40,
             "hits_80": 40 * held, "value": 90.0, "mean": 60.0, "baseline_absolute_error": 8.0}  # fmt: skip
    bins = [("lead", 1), ("lead", 96), ("decile", 1), ("decile", 10), ("pit", 0), ("pit", 4), ("pit", 19)]
    rows = [basis | {"dimension": dimension, "bin": at} for dimension, at in bins]
    return [
        *rows,
        basis | {"dimension": "rule", "bin": 0, "against": "seasonal_naive", "baseline_absolute_error": 12.0},
    ]


def miss(kind: str, rank: int, *, release: str = CHAMPION) -> dict[str, Any]:
    known = {"lead_h": 5.0, "reach_h": 9.0, "newest": {"time": "2021-10-29T20:00:00Z", "value": 31.0},
             "week_before": None, "weather": {"temperature_2m": 9.5}, "holiday": "All Saints' Day"}  # fmt: skip
    day = ORIGIN.date() - timedelta(days=2)
    return {"measure": "bicycles", "release": release, "kind": kind, "day": day, "place": "a", "draw": 0,
            "origin": ORIGIN - 2 * DAY, "time": ORIGIN - 2 * DAY + (rank % 20) * HOUR, "value": 500.0 + rank,
            "mean": 100.0, "q10": 70.0, "q50": 99.0, "q90": 140.0, "crps": 300.0 + rank, "baseline_mean": 110.0,
            "known": json.dumps(known)}  # fmt: skip


@pytest.fixture(scope="module")
def recorded(city: City, tmp_path_factory: pytest.TempPathFactory) -> City:
    """The city with calibration, misses and a ledger."""
    own = copy_of(city, tmp_path_factory.mktemp("recorded"))
    days = [ORIGIN.date() - timedelta(days=back) for back in range(1, 11)]
    rows = [row for i, day in enumerate(days) for row in classes("replay", day, held=0.7 + 0.2 * (i % 2))]
    rows += [row for day in days[:3] for row in classes("live", day, held=1.0)]
    shadow = [row | {"release": "bicycles-base", "hits_80": 0.0} for row in classes("replay", days[0], held=0.5)]
    calibration.put(own.lake, "bikes", pl.DataFrame(rows + shadow), run="t")
    told = [miss("replay", rank) for rank in range(20)] + [miss("live", 3)]
    told += [miss("replay", 90, release="bicycles-base")]
    schema = {name: kind for name, kind in contract.schema("misses").items() if name in told[0]}
    misses.put(own.lake, "bikes", pl.DataFrame(told, schema_overrides=schema), run="t")
    ledger.enter_issued(own.lake, "bikes", run="t", at=ORIGIN + HOUR)
    return own


@pytest.fixture(scope="module")
def asked(recorded: City) -> Any:
    with recorded.client() as client:
        yield client


def payload(asked: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = asked.get("/v1/products/bikes/track-record").json()
    return found


def test_classes_are_those_of_the_release_that_counts_and_kinds_stay_apart(asked: TestClient) -> None:
    kinds = payload(asked)["kinds"]
    replay, live = kinds["replay"], kinds["live"]
    assert [row["lead_h"] for row in replay["by_lead"]] == [1, 96]
    assert [row["n"] for row in replay["by_lead"]] == [400, 400]  # ten days of the champion, nothing of the shadow
    assert replay["by_lead"][0]["coverage"] == pytest.approx(0.8)
    assert replay["by_lead"][0]["skill"] == 0.25
    assert replay["by_lead"][0]["plus_minus"] == pytest.approx(0.0653, abs=1e-3)
    assert [row["n"] for row in live["by_lead"]] == [120, 120]
    assert live["by_lead"][0]["coverage"] == 1.0
    assert [(row["decile"], row["ratio"]) for row in replay["by_decile"]] == [(1, 1.5), (10, 1.5)]


def test_the_pit_has_twenty_bins_that_add_up_to_one(asked: TestClient) -> None:
    pit = payload(asked)["kinds"]["replay"]["pit"]
    assert [(row["from"], row["to"]) for row in pit][:2] == [(0.0, 0.05), (0.05, 0.1)]
    assert len(pit) == 20
    assert sum(row["share"] for row in pit) == pytest.approx(1, abs=1e-4)
    assert [i for i, row in enumerate(pit) if row["share"] > 0] == [0, 4, 19]


def test_skill_is_told_against_each_simple_rule(asked: TestClient) -> None:
    assert payload(asked)["kinds"]["replay"]["rules"] == [{"rule": "seasonal_naive", "n": 400, "skill": 0.5}]


def test_rolling_coverage_has_a_band_as_wide_as_its_days_allow(asked: TestClient) -> None:
    replay = payload(asked)["kinds"]["replay"]
    rolling = replay["rolling"]
    assert [row["day"] for row in rolling] == sorted(row["day"] for row in rolling)
    newest = rolling[-1]
    assert newest["n"] == replay["n"]
    assert newest["coverage"] == replay["coverage_80"]
    assert newest["low"] < newest["coverage"] < newest["high"]
    assert newest["effective_n"] == pytest.approx(replay["effective_n"], rel=1e-3)
    assert newest["effective_n"] < 60 < replay["n"]  # half or all of a day held: days are what is independent
    assert rolling[0]["low"] is None


def test_the_worst_misses_come_worst_first_with_what_was_known(asked: TestClient) -> None:
    found = payload(asked)["misses"]
    assert set(found) == {"replay", "live"}
    assert [row["value"] for row in found["replay"]] == [519.0 - i for i in range(20)]
    first = found["replay"][0]
    assert (first["low"], first["high"], first["baseline_mean"], first["name"]) == (70.0, 140.0, 110.0, "Counter A")
    assert first["known"]["holiday"] == "All Saints' Day"
    assert first["known"]["week_before"] is None


@pytest.mark.parametrize(("table", "count"), [("calibration", 2 + 2 + 20 + 1), ("misses", 20), ("rolling", 20)])
def test_a_table_holds_the_kind_and_provenance_in_each_row(asked: TestClient, table: str, count: int) -> None:
    reply = asked.get("/v1/products/bikes/track-record.csv", params={"table": table})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == f'attachment; filename="bikes-bicycles-{table}.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    replay = [row for row in rows if row["kind"] == "replay"]
    assert len(replay) == count
    assert {(row["provenance"], row["simulated"]) for row in rows} == {("sample", "True")}


def test_a_table_says_what_the_payload_says(asked: TestClient) -> None:
    text = asked.get("/v1/products/bikes/track-record.csv", params={"table": "misses"}).text
    first = next(csv.DictReader(io.StringIO(text)))
    told = payload(asked)["misses"][first["kind"]][0]
    assert (float(first["value"]), first["time"]) == (told["value"], told["time"])
    assert (first["newest_value"], first["week_before_value"], first["holiday"]) == ("31.0", "", "All Saints' Day")


def test_an_unknown_table_is_refused(asked: TestClient) -> None:
    assert asked.get("/v1/products/bikes/track-record.csv", params={"table": "secrets"}).status_code == 422


def test_the_ledger_tells_its_head_and_each_days_digest(asked: TestClient, recorded: City) -> None:
    found = asked.get("/v1/products/bikes/ledger").json()
    entries = ledger.read(recorded.lake, "bikes")
    assert (found["head"], found["entries"]) == (entries["entry"][-1], entries.height)
    assert found["sums"]["issued"]["rows"] == entries["rows"].sum()
    assert found["recent"][0]["subject"]["measure"] == "bicycles"
    day = found["days"][-1]["day"]
    own = asked.get(f"/v1/products/bikes/ledger/{day}").json()
    assert own == dict(digests.read(recorded.lake, "bikes"))[f"ledger/bikes/{day}.json"]


def test_a_day_without_entries_is_not_there(asked: TestClient) -> None:
    reply = asked.get("/v1/products/bikes/ledger/1999-01-01")
    assert (reply.status_code, reply.json()["state"]) == (404, "unknown-day")


def test_a_lake_from_before_says_nothing_of_what_it_has_not(client: TestClient) -> None:
    found = client.get("/v1/products/bikes/track-record").json()
    assert found["misses"] == {}
    assert found["kinds"]["replay"]["by_lead"] == []
    assert found["kinds"]["replay"]["rolling"]
    assert client.get("/v1/products/bikes/ledger").json()["entries"] == 0
