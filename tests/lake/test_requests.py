"""Requests: asked once, understood once, and what became of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from urbancast.core.errors import QueryError
from urbancast.lake import requests

P = "paris_bikes"


def test_an_id_asked_for_twice_at_once_is_one_request(lake, at):
    def ask(minute: int) -> int:
        return requests.ask(lake, P, "same", verb="pause", arguments={}, by="ana", at=at(minute))

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(ask, range(4)))
    assert sum(written) == 1
    assert requests.read(lake, P).height == 1


def test_an_id_cannot_ask_for_something_else(lake, at):
    requests.ask(lake, P, "q1", verb="rollback", arguments={"to": "r0"}, by="ana", at=at())
    with pytest.raises(QueryError, match="known-request: expected rollback") as refusal:
        requests.ask(lake, P, "q1", verb="rollback", arguments={"to": "r1"}, by="ana", at=at(1))
    assert refusal.value.status == 409
    assert requests.pending(lake, P)[0]["arguments"] == {"to": "r0"}


def test_a_request_taken_again_is_understood_as_the_first_time(lake, at):
    requests.ask(lake, P, "q1", verb="rollback", arguments={}, by="ana", at=at())
    requests.mark(lake, P, "q1", state="taken", at=at(1), arguments={"measure": "m", "to": "r0"})
    requests.mark(lake, P, "q1", state="taken", at=at(2), arguments={"measure": "m", "to": "earlier"})
    assert requests.pending(lake, P)[0]["arguments"] == {"measure": "m", "to": "r0"}


def test_outcomes_are_one_a_request_with_the_newest_asked_first(lake, at):
    requests.ask(lake, P, "q1", verb="pause", arguments={}, by="ana", at=at())
    requests.ask(lake, P, "q2", verb="retrain", arguments={}, by="ben", at=at(1))
    requests.mark(lake, P, "q1", state="taken", at=at(2))
    requests.mark(lake, P, "q1", state="refused", at=at(2), message="no")  # at the same moment
    found = requests.outcomes(requests.read(lake, P))
    assert [(one["request"], one["state"], one["message"], one["by"]) for one in found] == [
        ("q2", "asked", "", "ben"),
        ("q1", "refused", "no", "ana"),
    ]
    assert found[1]["asked_at"] == at()
    assert [one["request"] for one in requests.outcomes(requests.read(lake, P), limit=1)] == ["q2"]


def test_a_daemon_whose_clock_is_behind_ends_a_request_all_the_same(lake, at):
    requests.ask(lake, P, "q1", verb="pause", arguments={}, by="ana", at=at(3))
    requests.mark(lake, P, "q1", state="taken", at=at(2), arguments={"to": "r0"})
    assert requests.pending(lake, P)[0]["state"] == "taken"
    requests.mark(lake, P, "q1", state="done", at=at(1), message="so be it")
    (found,) = requests.outcomes(requests.read(lake, P))
    assert (found["state"], found["message"], found["arguments"]) == ("done", "so be it", {"to": "r0"})


def test_paused_until_resumed_and_only_once_done(lake, at):
    assert not requests.is_paused(lake, P)
    requests.ask(lake, P, "q1", verb="pause", arguments={}, by="ana", at=at())
    assert not requests.is_paused(lake, P)
    requests.mark(lake, P, "q1", state="done", at=at(1))
    assert requests.is_paused(lake, P)
    requests.ask(lake, P, "q2", verb="resume", arguments={}, by="ana", at=at(2))
    requests.mark(lake, P, "q2", state="done", at=at(3))
    assert not requests.is_paused(lake, P)
