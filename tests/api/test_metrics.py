"""Metrics: what the service and the loop behind it did, and never who asked for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from urbancast.api.asked import ENOUGH, Asked
from urbancast.api.loop import Loop
from urbancast.lake import alerts, leases, runs
from urbancast.lake.store import Lake

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
ASK = "/v1/products/bikes/forecast?place=a&at=2021-10-30T16:00Z"


def samples(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def of(found: dict[Any, float], name: str, **labels: str) -> float:
    return found[(name, tuple(sorted(labels.items())))]


def gauges(loop: Loop, name: str) -> dict[tuple[str, ...], float]:
    family = next(family for family in loop.collect() if family.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_a_place_and_hour_is_told_only_when_enough_have_asked(city):
    with city.client() as client:
        for _ in range(ENOUGH - 1):
            assert client.get(ASK).status_code == 200
        assert not [name for name, _ in samples(client) if name.startswith("urbancast_asked")]
        client.post("/v1/products/bikes/answer", json={"place": "a", "at": "2021-10-30T16:20Z"})
        assert of(samples(client), "urbancast_asked_total", product="bikes", place="a", hour="18") == ENOUGH


def test_no_more_places_are_counted_than_fit(monkeypatch):
    monkeypatch.setattr("urbancast.api.asked.MOST", 1)
    asked = Asked()
    for place in ("a", "b"):
        for _ in range(ENOUGH):
            asked.count("p", place, 1)
    assert [sample.labels["place"] for family in asked.collect() for sample in family.samples] == ["a"]


def test_forecasts_in_answers_are_counted(city):
    with city.client() as client:
        client.get(ASK)
        client.get("/v1/products/bikes/map?at=2021-10-30T16:00Z")
        client.get("/v1/products/bikes/forecast?place=a&from=2021-10-30T16:00Z&to=2021-10-30T20:00Z")
        found = samples(client)
    assert of(found, "urbancast_forecasts_given_total", route="/v1/products/{product}/forecast") == 1 + 4
    assert of(found, "urbancast_forecasts_given_total", route="/v1/products/{product}/map") == 4
    assert of(found, "urbancast_requests_in_flight") == 1  # the scrape itself


def test_quality_is_the_track_records_own(client):
    found = samples(client)
    kind = client.get("/v1/products/bikes/track-record").json()["kinds"]["replay"]
    names = {"product": "bikes", "measure": "bicycles", "kind": "replay"}
    for gauge, key in (("coverage_80", "coverage_80"), ("skill", "skill"), ("mae", "mae"), ("scored", "n")):
        assert of(found, f"urbancast_{gauge}", **names) == kind[key]
    assert of(found, "urbancast_mae_by_hour", **names, hour="05") == kind["by_local_hour"][5]["mae"]
    assert of(found, "urbancast_forecast_rows", product="bikes") > 1000


def test_steps_tell_their_newest_end_and_the_failures_of_a_day(tmp_path):
    lake, loop = Lake.open(tmp_path), Loop()
    told = {"flow": "pull", "step": "fetch"}
    for hours, state, facts in (
        (50, "failed", {}), (3, "done", {"seconds": 9.0, "rows": 5}), (2, "failed", {"message": "gone"}),
        (1, "done", {"seconds": 3.0, "rows": 7}),
    ):  # fmt: skip
        runs.record(lake, "p", f"r{hours}", state=state, at=AT - timedelta(hours=hours), facts=facts, **told)
    loop.read(lake, {"p": {}}, AT)
    assert gauges(loop, "urbancast_run_seconds") == {("p", "pull", "fetch"): 3.0}
    assert gauges(loop, "urbancast_run_seconds_day") == {("p", "pull", "fetch"): 6.0}
    assert gauges(loop, "urbancast_run_rows") == {("p", "pull", "fetch"): 7.0}
    assert gauges(loop, "urbancast_run_failures") == {("p", "pull"): 1.0}
    assert gauges(loop, "urbancast_run_steps") == {("p", "pull"): 2.0}


def test_drift_alerts_leases_and_disk_are_told(tmp_path):
    lake, loop = Lake.open(tmp_path), Loop()
    basis = {"product": "p", "measure": "m", "place": "", "threshold": 0.2, "n": 10, "facts": "{}", "run": "r"}
    lake.append("drift", pl.DataFrame([
        basis | {"kind": kind, "signal": signal, "day": (AT - timedelta(days=back)).date(), "score": score,
                 "is_drifted": score > 0.2}
        for kind, signal, back, score in (
            ("input", "rain", 1, 0.9), ("input", "rain", 0, 0.1), ("input", "heat", 0, 0.3), ("missing", "m", 0, 0.05))
    ]))  # fmt: skip
    alerts.open_alert(lake, "p", alert="stale-source:counts", severity="warning", message="", action="", at=AT, run="r")
    with leases.hold(lake, "p"):
        loop.read(lake, {"p": {}}, AT)
    assert gauges(loop, "urbancast_drift_score")[("p", "m", "input", "rain")] == 0.1
    assert gauges(loop, "urbancast_drifted_share")[("p", "input")] == 0.5
    assert gauges(loop, "urbancast_missing_share") == {("p",): 0.05}
    assert gauges(loop, "urbancast_alerts") == {("p", "stale-source", "warning"): 1.0}
    assert gauges(loop, "urbancast_lease_held") == {("p",): 1.0}
    assert gauges(loop, "urbancast_disk_free_bytes")[()] > 0


def test_the_lake_is_read_again_only_where_it_moved(tmp_path):
    lake, loop = Lake.open(tmp_path), Loop()
    loop.read(lake, {}, AT)
    before = list(loop.collect())
    loop.read(lake, {}, AT + timedelta(seconds=10))
    assert [id(one) for one in loop.collect()] == [id(one) for one in before]
    runs.record(lake, "p", "r", flow="f", step="s", state="done", at=AT, facts={"seconds": 1.0})
    loop.read(lake, {}, AT + timedelta(seconds=20))
    assert gauges(loop, "urbancast_run_seconds") == {("p", "f", "s"): 1.0}


def test_no_label_holds_what_an_asker_wrote(city):
    with city.client() as client:
        client.post("/v1/products/bikes/answer", json={"address": "12 Secret Street"})
        client.get("/v1/products/bikes/forecast?place=secret-place")
        client.get("/secret/path?lat=1.2345")
        text = client.get("/metrics").text
    assert "ecret" not in text
    assert "1.2345" not in text
