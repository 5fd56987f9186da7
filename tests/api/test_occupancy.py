from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from starlette.testclient import TestClient

from urbancast.api.occupancy import chance_of_one
from urbancast.core.product import Occupancy, OccupancyPart
from urbancast.lake import places

if TYPE_CHECKING:
    from conftest import City

NOW = datetime(2021, 10, 30, 6, tzinfo=UTC)
SPACES = {"bicycles": 1000.0}
STREETS = [["Main Street", 48.8600, 2.3500, {"bicycles": 40}], ["Far Street", 48.8690, 2.3500, {"bicycles": 960}]]
CLOSED_FROM = 3  # o'clock UTC, until five


def is_open(times: pl.Series) -> pl.Series:
    return ~times.dt.hour().is_between(CLOSED_FROM, 4)


def word(text: str) -> dict[str, str]:
    return {"en": text, "es": text, "fr": text}


@pytest.fixture
def parked(moving_city: City) -> Iterator[TestClient]:
    """The counters as streets with spaces, free of charge from three to five."""
    copy = moving_city
    told = json.dumps({"capacity": SPACES, "streets": STREETS})
    rows = places.get(copy.lake, "bikes").drop("product")
    places.put(
        copy.lake,
        "bikes",
        rows.with_columns(
            attributes=pl.when(pl.col("place") == "a").then(pl.lit(told)).otherwise(pl.col("attributes"))
        ),
    )
    part = OccupancyPart(measure="bicycles", label=word("green"), prior=(0.5,) * 24)
    promise = Occupancy(total="bicycles", parts=(part,), source=word("a guess"))
    copy.catalog = {"bikes": replace(copy.catalog["bikes"], occupancy=promise, is_open=is_open, closed=word("free"))}
    with copy.client() as client:
        yield client


def answer(client: TestClient, **body: object) -> dict[str, Any]:
    found = client.post("/v1/products/bikes/answer", json={"place": "a", "at": NOW.isoformat()} | body)
    assert found.status_code == 200, found.text
    return found.json()


def test_paid_occupied_and_chance_are_kept_apart(parked: TestClient) -> None:
    said = answer(parked)
    told = said["occupancy"]
    assert told["paid"]["mean"] == pytest.approx(said["mean"], abs=0.1)
    assert (told["paid"]["low"], told["paid"]["high"]) == pytest.approx(
        (said["interval"]["low"], said["interval"]["high"]), abs=0.1
    )
    assert told["occupied"]["mean"] == pytest.approx(said["mean"] + 0.5 * 1000, abs=0.2)
    paid_width = told["paid"]["high"] - told["paid"]["low"]
    assert told["occupied"]["high"] - told["occupied"]["low"] > paid_width
    assert told["is_verified"] is False
    assert told["where"] == "typical"
    assert set(told["sentence"]) == {"en", "es", "fr"}


def test_the_askers_prior_moves_what_is_occupied_and_not_what_is_paid(parked: TestClient) -> None:
    low, high = (answer(parked, prior={"bicycles": share})["occupancy"] for share in (0.0, 0.8))
    assert low["paid"] == high["paid"]
    assert low["occupied"]["mean"] == pytest.approx(low["paid"]["mean"], abs=0.2)
    assert high["occupied"]["mean"] > low["occupied"]["mean"]
    assert high["chances"][0]["chance"] < low["chances"][0]["chance"]
    assert all(0.01 <= one["chance"] <= 0.99 for told in (high, low) for one in told["chances"])
    by_url = parked.get(
        "/v1/products/bikes/forecast", params={"place": "a", "at": NOW.isoformat(), "prior": "bicycles:0.8"}
    )
    assert by_url.json()["occupancy"] == high


def test_a_place_without_known_spaces_says_nothing_of_occupancy(parked: TestClient) -> None:
    assert answer(parked, place="b")["occupancy"] is None


def test_an_hour_that_is_not_regulated_is_closed_and_names_the_next_open_one(parked: TestClient) -> None:
    at = datetime(NOW.year, NOW.month, NOW.day, CLOSED_FROM, tzinfo=UTC) + timedelta(days=1)
    said = answer(parked, at=at.isoformat())
    assert said["state"] == "closed"
    assert said["opens_at"] == (at + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    assert "free" in said["sentence"]["en"]
    assert said["mean"] is None
    drawn = parked.get("/v1/products/bikes/map", params={"at": at.isoformat()}).json()
    assert set(drawn["state"]) == {"closed"}


@pytest.mark.parametrize("prior", [{"bicycles": 1.5}, {"bicycles": -0.1}, {"violet": 0.5}])
def test_a_prior_that_is_no_share_is_refused_by_name(parked: TestClient, prior: dict[str, float]) -> None:
    found = parked.post("/v1/products/bikes/answer", json={"place": "a", "prior": prior})
    assert found.status_code == 422
    assert found.json()["state"] == "malformed-prior"


def test_a_prior_in_the_address_that_cannot_be_read_is_refused_by_name(parked: TestClient) -> None:
    found = parked.get("/v1/products/bikes/forecast", params={"place": "a", "prior": "bicycles=much"})
    assert (found.status_code, found.json()["state"]) == (422, "malformed-prior")


shares = st.floats(0.01, 0.99)


@settings(max_examples=60, deadline=None)
@given(share=shares, spaces=st.integers(1, 400), correlation=st.floats(0.01, 0.6))
def test_correlated_spaces_are_never_surer_than_independent_ones(share: float, spaces: int, correlation: float) -> None:
    one = np.array([share]), np.array([1.0])
    chance = chance_of_one(*one, spaces, correlation)
    assert 0 <= chance <= 1 - share**spaces + 1e-9
    assert chance <= chance_of_one(*one, spaces + 10, correlation) + 1e-12
    assert chance_of_one(*one, 1, correlation) == pytest.approx(1 - share)


def test_at_95_per_cent_full_a_free_space_is_no_certainty() -> None:
    chance = chance_of_one(np.array([0.95]), np.array([1.0]), 200, 0.1)
    assert 0.3 < chance < 0.9  # independent spaces would say 0.99996


def test_no_space_near_is_no_chance() -> None:
    assert chance_of_one(np.array([0.5]), np.array([1.0]), 0, 0.1) == 0
