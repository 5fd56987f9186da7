"""Quarantine, places, releases, verdicts, serving, runs, alerts and requests."""

from __future__ import annotations

import polars as pl
import pytest

from urbancast.core.errors import NotReadyError
from urbancast.lake import alerts, places, quarantine, releases, requests, runs, serving, verdicts

P = "paris_bikes"


def refused(*rows: str) -> pl.DataFrame:
    return pl.DataFrame({"source": "counts", "row": list(rows), "rule": "implausible", "reason": "more than 3000/h"})


def test_a_row_is_quarantined_once(lake):
    assert quarantine.add(lake, P, refused("{1}", "{2}", "{1}"), run="a") == 2
    assert quarantine.add(lake, P, refused("{2}", "{3}"), run="b") == 1
    assert quarantine.read(lake, P, "counts").select("row", "run").rows() == [("{1}", "a"), ("{2}", "a"), ("{3}", "b")]
    assert quarantine.counts(lake, P).rows() == [("counts", "implausible", "more than 3000/h", 3)]


@pytest.fixture
def zones(at):
    """Places of a vintage."""

    def frame(*names, days=0, until=None) -> pl.DataFrame:
        rows = pl.DataFrame({"place": list(names), "name": list(names)})
        return rows.with_columns(
            kind=pl.lit("zone"),
            part_of=pl.lit(None, pl.String),
            lat=pl.lit(48.85),
            lon=pl.lit(2.35),
            area_km2=pl.lit(1.5),
            geometry=pl.lit(b"\x01"),
            is_schematic=pl.lit(True),
            attributes=pl.lit("{}"),
            valid_from=pl.lit(at(days)),
            valid_to=pl.lit(until),
        )

    return frame


def test_places_put_again_change_nothing(lake, zones):
    assert places.put(lake, P, zones("a", "b")) == 2
    version = lake.version("places")
    assert places.put(lake, P, zones("b", "a")) == 0
    assert lake.version("places") == version


def test_a_vintage_is_put_whole_beside_the_others(lake, at, zones):
    places.put(lake, P, zones("a", "b"))
    places.put(lake, P, zones("b", "c", days=5))
    assert places.put(lake, P, zones("b", "c", days=5).with_columns(is_schematic=pl.col("place") == "b")) == 1
    assert places.get(lake, P).select("place", "valid_from", "is_schematic").rows() == [
        ("a", at(0), True),
        ("b", at(5), True),
        ("c", at(5), False),
    ]
    assert places.get(lake, P, at=at(1))["place"].to_list() == ["a", "b"]


def test_a_place_that_ended_is_not_valid_after(lake, at, zones):
    places.put(lake, P, zones("a", until=at(3)))
    assert places.get(lake, P, at=at(2)).height == 1
    assert places.get(lake, P, at=at(3)).height == 0


def test_a_release_is_found_by_its_name_and_numbered(lake, at):
    row = {
        "product": P,
        "release": "abc",
        "measure": "bikes",
        "number": 0,
        "candidate": "climatology",
        "trained_until": at(),
        "path": "releases/abc",
        "facts": "{}",
        "created_at": at(1),
        "run": "r",
    }
    assert releases.next_number(lake, P, "bikes") == 0
    assert releases.add(lake, pl.DataFrame([row])) == 1
    assert releases.add(lake, pl.DataFrame([row])) == 0
    assert releases.get(lake, P, measure="bikes", release="abc")["candidate"] == "climatology"
    assert releases.next_number(lake, P, "bikes") == 1
    with pytest.raises(NotReadyError, match="expected 'xyz' of paris_bikes/bikes, found none"):
        releases.get(lake, P, measure="bikes", release="xyz")


def test_a_verdict_is_recorded_once(lake, at):
    row = {
        "product": P,
        "measure": "bikes",
        "challenger": "b",
        "champion": "a",
        "action": "refused",
        "wins": False,
        "skill": 0.004,
        "low": -0.01,
        "high": 0.02,
        "reason": "within noise",
        "numbers": "{}",
        "kind": "live",
        "decided_at": at(1),
        "run": "r",
    }
    frame = pl.DataFrame([row, row | {"decided_at": at(0), "action": "promoted"}])
    assert verdicts.add(lake, frame) == 2
    assert verdicts.add(lake, frame) == 0
    assert verdicts.read(lake, P)["action"].to_list() == ["promoted", "refused"]
    assert verdicts.read(lake, P, measure="other").height == 0


def test_the_newest_move_of_each_product_is_in_force(lake, at):
    facts = {"versions": {"forecasts": 3}, "provenance": "sample", "data_to": at(), "run": "r"}
    assert serving.current(lake) == {}
    moves = [(P, None, "r0", 2), (P, at(1), "r1", 3), ("nyc_crashes", at(), "r7", 1), (P, at(0), "r0", 1)]
    for product, origin, release, day in moves:
        releases_ = {"bikes": release}
        moved = {"product": product, "origin": origin, "releases": releases_, "moved_at": at(day)}
        assert serving.move(lake, **moved, **facts) == 1
        assert serving.move(lake, **moved, **facts) == 0
    current = serving.current(lake)
    assert {p: (row["origin"], row["releases"]) for p, row in current.items()} == {
        P: (at(1), {"bikes": "r1"}),
        "nyc_crashes": (at(), {"bikes": "r7"}),
    }
    assert current[P]["versions"] == {"forecasts": 3}
    assert serving.history(lake, P)["moved_at"].to_list() == [at(1), at(2), at(3)]


def test_a_step_is_recorded_at_its_start_and_end(lake, at):
    step = {"flow": "pull", "step": "raw"}
    assert runs.latest(lake, P) is None
    assert runs.record(lake, P, "r1", **step, state="started", at=at()) == 1
    done = {"state": "done", "at": at(0, 1), "message": "ok", "facts": {"rows": 3}}
    assert runs.record(lake, P, "r1", **step, **done) == 1
    assert runs.record(lake, P, "r1", **step, **done) == 0
    assert runs.latest(lake, P)["facts"] == {"rows": 3}
    assert runs.read(lake, since=at(0, 0.5))["state"].to_list() == ["done"]


def test_an_alert_is_open_until_resolved(lake, at):
    alert = {"severity": "warning", "message": "late", "action": "look at the portal", "run": "r"}
    assert alerts.open_alert(lake, P, alert="late", at=at(), **alert) == 1
    assert alerts.open_alert(lake, P, alert="late", at=at(1), **alert) == 0
    assert alerts.current(lake)["since"].to_list() == [at()]
    assert alerts.resolve(lake, P, alert="late", at=at(2), run="r") == 1
    assert alerts.resolve(lake, P, alert="late", at=at(3), run="r") == 0
    assert alerts.current(lake, P).height == 0
    assert alerts.open_alert(lake, P, alert="late", at=at(4), **alert) == 1
    assert alerts.read(lake)["since"].to_list() == [at(), at(2), at(4)]


def test_a_request_is_pending_until_it_is_done_or_refused(lake, at):
    asked = {"verb": "rollback", "arguments": {"to": "r0"}, "by": "ana"}
    assert requests.ask(lake, P, "q1", **asked, at=at()) == 1
    assert requests.ask(lake, P, "q1", **asked, at=at(1)) == 0
    requests.ask(lake, P, "q2", **asked, at=at(0.5))
    assert [(row["request"], row["arguments"]) for row in requests.pending(lake)] == [
        ("q1", {"to": "r0"}),
        ("q2", {"to": "r0"}),
    ]
    assert requests.mark(lake, P, "q1", state="taken", at=at(2)) == 1
    assert requests.mark(lake, P, "q1", state="taken", at=at(3)) == 0
    assert [(row["request"], row["state"]) for row in requests.pending(lake, P)] == [("q1", "taken"), ("q2", "asked")]
    assert requests.mark(lake, P, "q1", state="done", at=at(4), message="served") == 1
    assert [row["request"] for row in requests.pending(lake, P)] == ["q2"]
    with pytest.raises(NotReadyError, match="found 'q9'"):
        requests.mark(lake, P, "q9", state="done", at=at())
