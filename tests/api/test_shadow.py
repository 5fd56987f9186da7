"""Who forecasts in the shadow is never shown: not now, and not of a past that another release served."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.api.conftest import DAY, HOUR, ORIGIN, City, expected
from urbancast.lake import releases

OLD = "bicycles-former-base"  # half of what the served one says, as the tests' baselines are


@pytest.fixture
def shadowed(moving_city: City) -> City:
    """A city whose champion of before forecast beside the served one, from each origin of three days."""
    row = {
        "product": "bikes", "measure": "bicycles", "release": OLD, "number": 2, "candidate": "gbm", "facts": "{}",
        "trained_until": ORIGIN - 9 * DAY, "path": "none", "created_at": ORIGIN - 2 * DAY, "run": "t",
    }  # fmt: skip
    releases.add(moving_city.lake, pl.DataFrame([row]))
    for back in range(4):
        moving_city.issue("bikes", ORIGIN - back * DAY, OLD, "bicycles")
    return moving_city


def test_a_champion_before_never_shows_beside_the_served_one(shadowed: City) -> None:
    for at in (ORIGIN + 5 * HOUR, ORIGIN - DAY + 5 * HOUR):
        assert shown(shadowed, at) == pytest.approx(expected("a", at, "bicycles-gbm"), abs=1e-3)


def test_after_a_rollback_the_past_shows_what_was_served_then(shadowed: City) -> None:
    later = ORIGIN + HOUR
    shadowed.serve("bikes", later, releases_by={"bicycles": OLD})
    assert shown(shadowed, later + 5 * HOUR) == pytest.approx(expected("a", later + 5 * HOUR, OLD), abs=1e-3)
    past = ORIGIN - DAY + 5 * HOUR
    assert shown(shadowed, past) == pytest.approx(expected("a", past, "bicycles-gbm"), abs=1e-3)


def test_a_replay_of_days_that_were_lived_does_not_show_in_their_place(shadowed: City) -> None:
    between = ORIGIN - DAY + timedelta(hours=4)
    shadowed.issue("bikes", between, OLD, "bicycles")
    at = between + 3 * HOUR
    assert shown(shadowed, at) == pytest.approx(expected("a", at, "bicycles-gbm"), abs=1e-3)


def shown(city: City, at: Any) -> float:
    with city.client() as client:
        reply = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": at.isoformat()})
        assert reply.status_code == 200, reply.text
        return float(reply.json()["mean"])
