"""Behind the login: how the products stand, what ran and why it failed, and what an operator may ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import NOW, ORIGIN, City, copy_of
from urbancast.api import runbooks
from urbancast.core.time import DAY, HOUR
from urbancast.lake import alerts, audit, drift, keys, leases, logs, raw, releases, requests, runs
from urbancast.lake.store import Lake

BASE = "/v1/operations"
RUN = "pull-bikes-2021-10-30T05:00:00Z"
GETS = ("", "/bikes/runs", "/bikes/runs.csv", f"/bikes/runs/{RUN}", "/bikes/raw")


@dataclass(frozen=True)
class Page:
    """A page as a portal hands it over."""

    url: str
    payload: bytes
    fetched_at: datetime
    rows_received: int
    query: dict[str, Any]
    media: str = "text/csv"
    rows_claimed: int | None = None
    window: Any = None


@dataclass
class Desk:
    """A city behind the login, and what opens it."""

    city: City
    client: TestClient
    texts: dict[str, str]

    @property
    def lake(self) -> Lake:
        return self.city.lake

    def get(self, path: str, role: str = "reader") -> Any:
        return self.client.get(BASE + path, headers=self.bearer(role))

    def ask(self, product: str, body: Any, role: str = "operator") -> Any:
        return self.client.post(f"{BASE}/{product}/requests", json=body, headers=self.bearer(role))

    def standing(self, product: str) -> dict[str, Any]:
        reply = self.get("")
        assert reply.status_code == 200, reply.text
        return next(one for one in reply.json()["products"] if one["product"] == product)

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[role]}"}


def trouble(lake: Lake) -> None:
    """A failed pull with its log, a training cut short, an alert, two raw pages, a signal that moved."""
    told = {"flow": "pull", "at": NOW - HOUR}
    runs.record(lake, "bikes", RUN, step="fetch", state="started", **told)
    runs.record(lake, "bikes", RUN, step="fetch", state="failed", flow="pull", at=NOW - HOUR + timedelta(seconds=90),
                message="counts: found status 503", facts={"error": "PortalError", "pages": 2})  # fmt: skip
    logs.append(lake, "bikes", RUN, [logs.line("asked again", level="warning", step="fetch", status=503)])
    runs.record(lake, "bikes", "train-bikes-1", flow="train", step="fit", state="started", at=NOW - 2 * HOUR)
    for back in (3, 4, 5):
        name = f"forecast-bikes-{back}"
        runs.record(lake, "bikes", name, flow="forecast", step="serve", state="started", at=NOW - back * DAY)
        runs.record(lake, "bikes", name, flow="forecast", step="serve", state="done", facts={"seconds": back},
                    at=NOW - back * DAY + timedelta(seconds=back))  # fmt: skip
    alerts.open_alert(lake, "bikes", alert="stale-source:counts", severity="warning", message="3 missing",
                      action="Look.", at=NOW - DAY, run="w")  # fmt: skip
    alerts.open_alert(lake, "crashes", alert="disk-full", severity="critical", message="full", action="Free some.",
                      at=NOW, run="w")  # fmt: skip
    for back, payload in ((9, b"a,b\n1,2\n"), (1, b"a,b\n1,2\n3,4\n")):
        page = Page("https://example.org/counts", payload, ORIGIN - back * DAY, back, {"back": back})
        raw.keep(
            lake, page, product="bikes", source="counts", layout="csv", provenance="sample", licence="ODbL", run="p"
        )
    row = {"measure": "bicycles", "kind": "target", "signal": "level", "place": "", "day": NOW.date(), "score": 0.4,
           "threshold": 0.2, "is_drifted": True, "n": 96, "facts": "{}"}  # fmt: skip
    drift.add(lake, "bikes", pl.DataFrame([row, row | {"signal": "lag", "score": 0.1, "is_drifted": False}]), run="w")


@pytest.fixture(scope="module")
def desk(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A city in trouble, behind the login; what tests ask for stays asked."""
    own = copy_of(city, tmp_path_factory.mktemp("desk"))
    trouble(own.lake)
    made = {role: keys.new(own.lake, name=f"the {role}", role=role, at=NOW) for role in ("reader", "operator")}
    with own.client() as client:
        yield Desk(own, client, {role: text for role, (_, text) in made.items()})


@pytest.mark.parametrize("path", [*GETS, "/audit"])
def test_nothing_is_shown_without_a_key(desk: Desk, path: str) -> None:
    reply = desk.client.get(BASE + path)
    assert (reply.status_code, reply.json()["state"]) == (401, "no-key")


def test_nothing_is_asked_for_without_a_key_or_as_a_reader(desk: Desk) -> None:
    before = requests.read(desk.lake).height
    assert desk.client.post(f"{BASE}/bikes/requests", json={"verb": "pause"}).status_code == 401
    refused = desk.ask("bikes", {"verb": "pause"}, role="reader")
    assert (refused.status_code, refused.json()["state"]) == (403, "role-too-small")
    assert desk.get("/audit").status_code == 403
    assert requests.read(desk.lake).height == before


@pytest.mark.parametrize("path", GETS)
def test_a_reader_sees_every_page(desk: Desk, path: str) -> None:
    reply = desk.get(path)
    assert reply.status_code == 200, reply.text
    assert "no-store" in reply.headers["cache-control"]


@pytest.mark.parametrize("path", ["/nowhere/runs", "/nowhere/runs.csv", "/nowhere/raw", "/nowhere/runs/x"])
def test_an_unknown_product_is_named_with_the_known_ones(desk: Desk, path: str) -> None:
    found = desk.get(path)
    assert (found.status_code, found.json()["state"]) == (404, "unknown-product")
    assert "bikes" in found.json()["expected"]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/bikes/runs?state=odd", 422, "running, done, failed, stopped"),
        ("/bikes/runs?flow=odd", 422, "forecast, pull, train"),
        ("/bikes/runs?before=soon", 422, "ISO 8601"),
        ("/bikes/runs?limit=0", 422, "limit"),
        ("/bikes/runs?odd=1", 422, "query parameters out of"),
        ("/bikes/runs.csv?state=odd", 422, "running, done, failed, stopped"),
        ("/bikes/runs/odd", 404, "a run of bikes"),
        ("/bikes/raw?release=odd", 422, "bicycles-gbm"),
        ("?odd=1", 422, "no query parameters"),
    ],
)
def test_a_bad_question_is_told_what_is_known(desk: Desk, path: str, status: int, told: str) -> None:
    found = desk.get(path)
    assert found.status_code == status, found.text
    assert told in found.json()["expected"]


def test_the_product_that_most_needs_a_person_comes_first(desk: Desk) -> None:
    found = desk.get("").json()["products"]
    assert [(one["product"], one["state"]) for one in found] == [
        ("crashes", "critical"), ("bikes", "warning"), ("empty", "warning")
    ]  # fmt: skip


def test_a_champion_is_shown_with_its_record_and_the_raw_pages_it_could_have_seen(desk: Desk) -> None:
    one = desk.standing("bikes")["serving"]["measures"][0]
    assert (one["release"], one["candidate"], one["number"]) == ("bicycles-gbm", "gbm", 1)
    assert one["promoted_at"] == "2021-10-27T00:00:00Z"
    assert (one["scored"], one["days"], one["skill"]) == ("live", 3, pytest.approx(0.25))
    pages = one["lineage"]["raw"]
    assert (pages["pages"], pages["rows"], pages["bytes"]) == (1, 9, 8)  # the newer page came after it was frozen
    listed = desk.get("/bikes/raw?release=bicycles-gbm").json()
    assert [each["sha256"] for each in listed["listed"]] == [pages["newest"]]
    assert desk.get("/bikes/raw").json()["pages"] == 2
    assert json.dumps(listed).count("example.org") == 1


def test_an_alert_names_its_runbook(desk: Desk) -> None:
    one = desk.standing("bikes")["alerts"][0]
    assert (one["alert"], one["runbook"], one["since"]) == (
        "stale-source:counts", "/runbooks/stale-source", "2021-10-29T06:00:00Z",
    )  # fmt: skip


def test_signals_beyond_their_threshold_come_first(desk: Desk) -> None:
    found = desk.standing("bikes")["drift"]
    assert [(one["signal"], one["is_drifted"]) for one in found] == [("level", True), ("lag", False)]


def test_runs_are_one_entry_each_newest_first_and_paged(desk: Desk) -> None:
    first = desk.get("/bikes/runs?limit=2").json()
    assert [(one["run"], one["state"]) for one in first["runs"]] == [(RUN, "failed"), ("train-bikes-1", "stopped")]
    assert (first["runs"][0]["seconds"], first["runs"][0]["message"]) == (90.0, "counts: found status 503")
    assert (first["n"], first["flows"]) == (5, ["forecast", "pull", "train"])
    second = desk.get(f"/bikes/runs?limit=9&before={first['next']}").json()
    assert [one["run"] for one in second["runs"]] == [f"forecast-bikes-{back}" for back in (3, 4, 5)]
    assert (second["next"], second["runs"][1]["seconds"]) == (None, 4.0)
    only = desk.get("/bikes/runs?state=failed").json()["runs"]
    assert [one["run"] for one in only] == [RUN]


def test_runs_as_csv_are_those_of_the_page(desk: Desk) -> None:
    reply = desk.get("/bikes/runs.csv?flow=forecast")
    assert reply.headers["content-type"].startswith("text/csv")
    table = pl.read_csv(reply.content)
    assert table["run"].to_list() == [f"forecast-bikes-{back}" for back in (3, 4, 5)]


def test_a_run_shows_its_steps_facts_and_log(desk: Desk) -> None:
    found = desk.get(f"/bikes/runs/{RUN}").json()
    assert found["steps"][0]["state"] == "failed"
    assert found["steps"][0]["facts"]["pages"] == 2
    assert [(line["event"], line["level"]) for line in found["log"]] == [("asked again", "warning")]


def test_who_holds_a_product_and_what_it_does_is_shown(desk: Desk) -> None:
    product = "empty"
    assert desk.standing(product)["doing"] is None
    with leases.hold(desk.lake, product):
        started = datetime.now(UTC)
        runs.record(desk.lake, product, "train-empty-2", flow="train", step="fit", state="started", at=started)
        doing = desk.standing(product)["doing"]
        assert (doing["flow"], doing["step"]) == ("train", "fit")
        assert doing["by"].startswith("process ")
        assert [one["product"] for one in desk.get("").json()["leases"]] == [product]
        assert desk.get(f"/{product}/runs").json()["runs"][0]["state"] == "running"
    assert desk.standing(product)["doing"] is None
    assert desk.get(f"/{product}/runs").json()["runs"][0]["state"] == "stopped"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"verb": "jump"}, "retrain, promote, rollback, pause, resume"),
        ({"verb": "pause", "arguments": {"measure": "bicycles"}}, "arguments of pause: none"),
        ({"verb": "rollback", "arguments": {"release": "bicycles-gbm"}}, "arguments of rollback: measure, to"),
        ({"verb": "rollback", "arguments": {"measure": "odd"}}, "one of bicycles"),
        ({"verb": "rollback", "arguments": {"to": "odd"}}, "bicycles-base"),
        ({"verb": "promote", "arguments": {"release": "crashes-gbm"}}, "a release of bikes"),
        ({"verb": "promote", "arguments": {"release": 3}}, "string"),
        ({"verb": "pause", "request": "short"}, "request"),
        ({"verb": "pause", "why": "odd"}, "why"),
        ({}, "verb"),
        ([], "body"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_with_what_is_known(desk: Desk, body: Any, told: str) -> None:
    before = requests.read(desk.lake).height
    reply = desk.ask("bikes", body)
    assert reply.status_code == 422, reply.text
    assert told in reply.json()["expected"]
    assert requests.read(desk.lake).height == before


def test_a_request_is_written_down_once_by_its_id_and_by_whom(desk: Desk) -> None:
    body = {"verb": "rollback", "arguments": {"measure": "bicycles"}, "request": "once-and-only"}
    assert [desk.ask("bikes", body).status_code for _ in range(2)] == [202, 202]
    rows = requests.read(desk.lake, "bikes").filter(pl.col("request") == "once-and-only")
    assert (rows.height, rows["by"][0], rows["state"][0]) == (1, "the operator", "asked")
    other = desk.ask("bikes", {"verb": "pause", "request": "once-and-only"})
    assert (other.status_code, other.json()["state"]) == (409, "known-request")
    shown = desk.standing("bikes")["requests"][0]
    assert (shown["verb"], shown["arguments"], shown["state"]) == ("rollback", {"measure": "bicycles"}, "asked")
    entry = next(one for one in audit.read(desk.lake) if one["subject"] == "once-and-only")
    assert (entry["actor"], entry["action"], entry["product"]) == ("the operator", "request", "bikes")
    page = desk.get("/audit?limit=1", role="operator").json()
    assert page["audit"][0]["action"] == "request"
    older = desk.get(f"/audit?before={page['next']}", role="operator").json()["audit"]
    assert all(one["at"] < page["next"] for one in older)


def test_a_product_that_serves_nothing_cannot_be_rolled_back(desk: Desk) -> None:
    reply = desk.ask("empty", {"verb": "rollback"})
    assert (reply.status_code, reply.json()["state"]) == (422, "nothing-served")


def test_a_cookie_needs_the_token_of_its_session(desk: Desk) -> None:
    with desk.city.client() as browser:
        told = browser.post("/v1/session", json={"key": desk.texts["operator"]}).json()
        path, body = f"{BASE}/bikes/requests", {"verb": "resume"}
        assert browser.post(path, json=body).json()["state"] == "no-csrf-token"
        assert browser.post(path, json=body, headers={"X-CSRF-Token": told["csrf"]}).status_code == 202


def test_what_moved_is_shown_at_the_next_look_and_what_did_not_keeps_its_tag(desk: Desk) -> None:
    first = desk.get("")
    again = desk.client.get(BASE, headers={**desk.bearer("reader"), "If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    row = releases.read(desk.lake, "bikes").tail(1).with_columns(release=pl.lit("bicycles-new"), number=pl.lit(7))
    releases.add(desk.lake, row.with_columns(pl.col("number").cast(pl.Int64)))
    changed = desk.client.get(BASE, headers={**desk.bearer("reader"), "If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "bicycles-new" in [one["release"] for one in desk.standing("bikes")["choices"]]


def test_a_page_on_drift_is_listed_and_sent_to_be_kept(desk: Desk) -> None:
    assert desk.get("/bikes/reports/2021-10-29").json()["state"] == "unknown-report"
    assert desk.get("/bikes/reports/odd").status_code == 422
    assert desk.client.get(f"{BASE}/bikes/reports/2021-10-29").status_code == 401
    path = "reports/bikes/2021-10-29/drift.html"
    desk.lake.files.put(path, b"<!doctype html>drift")
    for state in ("started", "done"):
        runs.record(desk.lake, "bikes", "report-bikes-1", flow="report", step="drift", state=state, at=NOW,
                    facts={"path": path} if state == "done" else {})  # fmt: skip
    (one,) = desk.standing("bikes")["reports"]
    reply = desk.client.get(one["url"], headers=desk.bearer("reader"))
    assert (one["day"], reply.content) == ("2021-10-29", b"<!doctype html>drift")
    assert reply.headers["content-disposition"].startswith("attachment")


def test_every_kind_of_alert_has_a_plain_page_without_script(desk: Desk) -> None:
    known = runbooks.kinds(runbooks.folder())
    assert "stale-source" in known
    for kind in known:
        reply = desk.client.get(f"/runbooks/{kind}")
        assert reply.headers["content-type"].startswith("text/html")
        assert "<h1>" in reply.text
        assert "<script" not in reply.text
    assert desk.client.get("/runbooks/odd").status_code == 404
    assert desk.client.get("/runbooks/..%2Fplans%2F0004-the-loop").status_code == 404


def test_html_in_a_runbook_is_shown_as_text(tmp_path: Path) -> None:
    (tmp_path / "odd-kind.md").write_text("# Odd\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    page = runbooks.page("odd-kind", tmp_path)
    assert "<script" not in page
    assert 'href="javascript' not in page
