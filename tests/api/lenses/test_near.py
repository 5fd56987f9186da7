"""What lies ahead: few warnings, of what matters, in the direction of travel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

HERE = {"lat": 40.75, "lon": -73.918}  # the avenue with most of the past lies 675 m to the west


def told(roads: Any, **more: Any) -> dict[str, Any]:
    response = roads.near(**(HERE | {"radius_m": 2000} | more))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_at_most_three_warnings_and_the_others_counted(roads_city: Any) -> None:
    found = told(roads_city)
    assert len(found["warnings"]) == 3 == found["budget"]["most"]
    assert found["budget"]["held_back"] > 0
    assert all(a["expected"] >= b["expected"] for a, b in pairwise(found["warnings"]))
    everything = found["budget"]["held_back"] + 3
    assert str(found["budget"]["held_back"]) in found["sentence"]["en"]
    assert everything < 60  # the lattice has hundreds of streets within reach


def test_warnings_lie_on_the_avenue_where_the_past_was(roads_city: Any) -> None:
    found = told(roads_city, lon=-73.932, radius_m=900)
    assert found["warnings"]
    for warning in found["warnings"]:
        assert warning["lon"] == pytest.approx(-73.926, abs=1e-4)
        assert warning["lift"] > 1
        assert warning["events"] >= 2
        assert warning["distance_m"] <= 900
        assert warning["years"] == pytest.approx(2.0, abs=0.05)
        assert str(warning["events"]) in warning["sentence"]["en"]


@pytest.mark.parametrize(("heading", "ahead"), [(90, True), (60, True), (270, False), (225, False)])
def test_only_what_lies_ahead_is_told(roads_city: Any, heading: float, ahead: bool) -> None:
    found = told(roads_city, lon=-73.932, radius_m=700, heading=heading)
    assert bool(found["warnings"]) is ahead
    for warning in found["warnings"]:
        assert abs((warning["bearing"] - heading + 180) % 360 - 180) <= 61


def test_a_heading_of_0_and_of_360_are_north(roads_city: Any) -> None:
    north, full = (told(roads_city, lon=-73.926, heading=heading)["warnings"] for heading in (0, 360))
    assert north == full
    assert north
    assert all(warning["lat"] > HERE["lat"] for warning in north)


def test_a_higher_cutoff_tells_less_and_at_last_nothing(roads_city: Any) -> None:
    counts = []
    for cutoff in (0.1, 3.0, 900.0):
        found = told(roads_city, cutoff=cutoff)
        counts.append(len(found["warnings"]) + found["budget"]["held_back"])
    assert counts[0] > counts[1] > counts[2] == 0
    assert "nothing" in told(roads_city, cutoff=900)["sentence"]["en"]


def test_stretches_beside_each_other_are_one_warning(roads_city: Any) -> None:
    spots = [(warning["lat"], warning["lon"]) for warning in told(roads_city, radius_m=5000)["warnings"]]
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) > 0.0013 for a, b in pairwise(spots))


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"lat": 48.86, "lon": 2.35}, "outside-area"),
        ({"lat": 40.815, "lon": -73.91}, "outside-area"),
        ({"lat": 40.75}, "malformed-query"),
        (HERE | {"radius_m": 0}, "malformed-query"),
        (HERE | {"radius_m": 1e9}, "malformed-query"),
        (HERE | {"heading": 361}, "malformed-query"),
        (HERE | {"heading": "north"}, "malformed-query"),
        (HERE | {"cutoff": 0}, "malformed-query"),
    ],
)
def test_bad_questions_have_names(roads_city: Any, body: dict[str, Any], state: str) -> None:
    response = roads_city.near(**body)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["state"]) == (422, state)


def test_simulated_warnings_say_so(simulated: Any) -> None:
    found = told(simulated)
    assert found["simulated"] is True
    assert all("Simulated" in warning["sentence"]["en"] for warning in found["warnings"])
    assert "Simulated" in found["sentence"]["en"]
