"""Routes: sums of stored forecasts that can be done by hand, and a named state for everything else."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import structlog
from scipy import stats

from urbancast.api.lenses.route import interval
from urbancast.lake import network as kept

WEST, EAST = {"lat": 40.71, "lon": -73.937}, {"lat": 40.79, "lon": -73.884}
AT = "2021-10-30T16:20:00Z"
PROMISES = re.compile(r"\b(safe\w*|secur\w*|segur\w*|sûr\w*|sécur\w*|danger\w*|pelig\w*)\b", re.IGNORECASE)
STREET = {"lat": 40.7110, "lon": -73.938}, {"lat": 40.7150, "lon": -73.938}  # of zone 1


@pytest.fixture(scope="module")
def told(roads_city: Any) -> dict[str, Any]:
    response = roads_city.route(WEST, EAST, depart_at=AT)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def refused(response: Any, state: str, status: int = 422) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert (found["state"], found["status"], response.status_code) == (state, status, status), response.text
    assert all(found[name] for name in ("expected", "found", "action"))
    return found


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def test_the_parts_of_a_route_are_its_whole(told: dict[str, Any]) -> None:
    assert 1 <= len(told["routes"]) <= 3
    for route in told["routes"]:
        zones, line = route["zones"], route["geometry"]["coordinates"]
        assert sum(zone["expected"] for zone in zones) == pytest.approx(route["expected"], abs=1e-6)
        assert sum(zone["length_m"] for zone in zones) <= route["length_m"] + len(zones)
        assert route["per_km"] == pytest.approx(route["expected"] / route["length_m"] * 1000, rel=1e-3)
        assert zones[0]["enter_at"] >= told["depart_at"]
        assert all(a["enter_at"] <= b["enter_at"] and a["part"][1] <= b["part"][0] for a, b in pairwise(zones))
        assert 0 <= zones[0]["part"][0] < zones[-1]["part"][1] <= len(line) - 1
        seconds = datetime.fromisoformat(route["arrive_at"]) - datetime.fromisoformat(told["depart_at"])
        assert seconds.total_seconds() == pytest.approx(route["duration_s"], abs=1.5)
    assert told["routes"][0]["shared_length"] == 1.0
    assert all(other["shared_length"] <= 0.7 for other in told["routes"][1:])
    assert told["routes"][0]["duration_s"] == min(route["duration_s"] for route in told["routes"])


def test_a_route_is_the_sum_that_a_person_does_by_hand(roads_city: Any) -> None:
    """One street inside one zone: its share of the zone's history, times the zone's forecast for the hour."""
    streets = roads_city.streets
    found = roads_city.route(*STREET, depart_at=AT, cutoff=1.0).json()["routes"][0]
    assert [zone["place"] for zone in found["zones"]] == ["1"]
    middle = np.hypot(streets.middle[:, 0] + 73.938, streets.middle[:, 1] - 40.713)
    street = int(middle.argmin())
    rows = slice(streets.first_row[street], streets.first_row[street + 1])
    assert list(streets.row_place[rows]) == [0]
    share = float(streets.row_share[rows][0])
    driven = (40.7150 - 40.7110) / 0.006
    forecast = 0.02 * 1 * (1 + 16 / 24)  # what the tests' city forecasts for zone 1 at that hour
    assert found["expected"] == pytest.approx(share * forecast * driven, rel=2e-3)


def test_departures_are_the_same_roads_hour_by_hour(told: dict[str, Any]) -> None:
    rows = told["departures"]
    assert len(rows) == 24
    assert rows[0]["depart_at"] == told["depart_at"]
    for route, first in zip(told["routes"], rows[0]["routes"], strict=True):
        assert first == {"id": route["id"], "expected": pytest.approx(route["expected"], rel=1e-4),
                         "duration_s": pytest.approx(route["duration_s"], abs=1)}  # fmt: skip
    starts = [datetime.fromisoformat(row["depart_at"]) for row in rows]
    assert all(b - a == timedelta(hours=1) for a, b in pairwise(starts))
    for row in rows:
        hour = datetime.fromisoformat(row["at_local"]).hour
        assert row["is_night"] == (hour >= 23 or hour < 6)
        assert row["routes"][0]["duration_s"] > 0
    by_day = {row["is_night"]: row["routes"][0]["duration_s"] for row in rows}
    assert by_day[True] < by_day[False]  # 40 s a street at night, 60 s by day


def test_departures_end_where_the_forecasts_do(roads_city: Any) -> None:
    found = roads_city.route(WEST, EAST, depart_at="2021-11-01T20:30:00Z").json()
    assert [row["depart_at"] for row in found["departures"]] == [f"2021-11-01T{h}:30:00Z" for h in (20, 21, 22, 23)]


def test_the_cutoff_is_the_askers_or_shows_something(roads_city: Any, told: dict[str, Any]) -> None:
    def flags(found: dict[str, Any]) -> list[bool]:
        return [zone["is_flagged"] for route in found["routes"] for zone in route["zones"]]

    assert told["cutoff"]["is_default"]
    assert told["cutoff"]["lift"] >= 1.0
    assert 0 < sum(flags(told)) < len(flags(told))
    low, high = (roads_city.route(WEST, EAST, depart_at=AT, cutoff=cutoff).json() for cutoff in (0.001, 900))
    assert all(flags(low))
    assert not any(flags(high))
    assert low["cutoff"] == {"lift": 0.001, "is_default": False}


def test_roads_with_more_of_the_past_see_more(roads_city: Any) -> None:
    """Two of three crashes lie on one avenue: driving along it counts more than along the next one."""
    on, beside = (
        roads_city.route({"lat": 40.71, "lon": lon}, {"lat": 40.78, "lon": lon}, depart_at=AT).json()["routes"]
        for lon in (-73.926, -73.934)
    )
    straight = [min(routes, key=lambda route: route["length_m"]) for routes in (on, beside)]
    assert straight[0]["lift"] > 2 * straight[1]["lift"]


@pytest.mark.parametrize("dispersion", [0.0, 0.05, 0.4, 3.0])
@pytest.mark.parametrize("mean", [1e-6, 0.03, 0.4, 2.0, 40.0])
def test_the_interval_is_that_of_the_count_family(mean: float, dispersion: float) -> None:
    low, high, none = interval(mean, dispersion)
    size = 1 / dispersion if dispersion else 0.0
    family = stats.nbinom(size, size / (size + mean)) if dispersion else stats.poisson(mean)
    assert (low, high) == tuple(family.ppf([0.1, 0.9]).astype(int))
    assert none == pytest.approx(family.pmf(0))


def test_a_stored_dispersion_widens_what_may_come(told: dict[str, Any]) -> None:
    for route in told["routes"]:
        assert 0 < route["chance_of_any"] < -np.expm1(-route["expected"])
        assert route["interval"]["level"] == 0.8


def test_no_sentence_promises_safety(roads_city: Any, told: dict[str, Any]) -> None:
    near = roads_city.near(lat=40.75, lon=-73.926, radius_m=1500).json()
    said = texts({name: told[name] for name in ("words", "caveats", "sentence", "routes")}) + texts(near)
    assert not [text for text in said if PROMISES.search(text)]
    assert set(told["words"]["fewer"]) == {"en", "es", "fr"} == set(told["sentence"])
    assert "reported crashes" in told["words"]["fewer"]["en"]
    night = next(each["text"] for each in told["caveats"] if each["id"] == "night")
    assert "three to four times" in night["en"]
    assert "for each trip" in night["en"]


def test_a_trip_by_night_may_see_more_where_an_hour_sees_less(roads_city: Any) -> None:
    """50 trips an hour by day, 5 at night; the tests' city forecasts 1 + hour / 24 times a zone's level."""
    by_day, by_night = (
        roads_city.route(*STREET, depart_at=at).json()["routes"][0] for at in ("2021-10-30T16:20Z", "2021-10-31T06:20Z")
    )
    assert by_night["expected"] < by_day["expected"]
    assert by_day["per_trip"] == pytest.approx(0.02 * (1 + 16 / 24) / 50, rel=1e-3)
    assert by_night["per_trip"] == pytest.approx(0.02 * (1 + 6 / 24) / 5, rel=1e-3)


def test_without_volumes_nothing_is_told_by_trip(make_roads: Any, told: dict[str, Any]) -> None:
    without = make_roads(has_trips=False).route(WEST, EAST, depart_at=AT).json()
    assert without["routes"][0]["per_trip"] is None
    assert without["routes"][0]["expected"] == told["routes"][0]["expected"]


@pytest.mark.parametrize(
    ("start", "end", "state", "status"),
    [
        ({"lat": 48.86, "lon": 2.35}, EAST, "outside-area", 422),
        ({"lat": 40.815, "lon": -73.91}, EAST, "outside-area", 422),  # off every zone: the river
        ({"lat": 40.7, "lon": -73.91}, WEST | {"lat": 40.6999}, "outside-area", 422),
        (WEST, WEST, "same-ends", 422),
        (WEST, {"address": "Nowhere Street"}, "address-unknown", 404),
        ("Nowhere Street", EAST, "address-unknown", 404),
        (WEST, {"place": "77"}, "unknown-place", 404),
        (WEST, None, "malformed-query", 422),
        (WEST, {}, "malformed-query", 422),
        (WEST, {"lat": 40.7}, "malformed-query", 422),
        (WEST, {"lat": 91, "lon": 0}, "malformed-query", 422),
        (WEST, EAST | {"place": "1"}, "malformed-query", 422),
        (WEST, [1, 2], "malformed-query", 422),
        (WEST, "", "malformed-query", 422),
    ],
)
def test_bad_ends_have_names(roads_city: Any, start: Any, end: Any, state: str, status: int) -> None:
    refused(roads_city.route(start, end, depart_at=AT), state, status)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"depart_at": "2021-11-02T00:00:00Z"}, "beyond-horizon"),
        ({"depart_at": "2030-01-01T00:00:00Z"}, "beyond-horizon"),
        ({"depart_at": "2021-10-30T16:20"}, "malformed-time"),
        ({"depart_at": "soon"}, "malformed-time"),
        ({"cutoff": 0}, "malformed-query"),
        ({"cutoff": -1.5}, "malformed-query"),
        ({"cutoff": "much"}, "malformed-query"),
        ({"speed": 10}, "malformed-query"),
    ],
)
def test_bad_times_and_cutoffs_have_names(roads_city: Any, more: dict[str, Any], state: str) -> None:
    refused(roads_city.route(WEST, EAST, **more), state)


def test_a_body_that_is_no_question_has_a_name(roads_city: Any) -> None:
    for body in (b"", b"{", b"[]", b'{"from": ' + b"[" * 500):
        answer = roads_city.client.post("/v1/products/crashes/route", content=body)
        refused(answer, "malformed-query")


def test_two_halves_of_a_city_without_a_road_between_have_no_path(make_roads: Any) -> None:
    refused(make_roads(without=-73.91).route(WEST, EAST, depart_at=AT), "no-path")


def test_a_part_of_the_city_without_roads_has_no_road_data(make_roads: Any) -> None:
    half = make_roads(until=-73.91)
    assert half.route(WEST, {"lat": 40.78, "lon": -73.925}, depart_at=AT).status_code == 200
    found = refused(half.route(WEST, EAST, depart_at=AT), "no-road-data")
    assert "`to`" in found["expected"]
    refused(half.route({"place": "3"}, WEST, depart_at=AT), "no-road-data")
    refused(half.near(**EAST), "no-road-data")


def test_names_places_and_points_lead_to_the_same_roads(roads_city: Any) -> None:
    by_place = roads_city.route({"place": "1"}, {"place": "3"}, depart_at=AT).json()
    by_name = roads_city.route("Astoria", {"address": "Battery Park"}, depart_at=AT).json()
    assert by_place["routes"] == by_name["routes"]
    assert by_place["from"]["name"] == "Astoria"
    assert by_place["to"]["snapped_m"] < 1
    assert "Astoria \N{RIGHTWARDS ARROW} Battery Park" in by_name["sentence"]["en"]


def test_real_roads_need_real_boundaries(make_roads: Any) -> None:
    schematic = make_roads(is_real=False, has_roads=False)
    refused(schematic.route(WEST, EAST, depart_at=AT), "needs-boundaries")
    refused(schematic.near(lat=40.75, lon=-73.93), "needs-boundaries")
    refused(make_roads(has_roads=False).route(WEST, EAST, depart_at=AT), "no-road-data")


def test_new_roads_are_followed_and_a_lost_file_leaves_the_old_ones(make_roads: Any, move_roads: Any) -> None:
    made = make_roads()
    first = made.route(WEST, EAST, depart_at=AT).json()["roads"]["name"]
    other = kept.keep(made.city.lake, "crashes", make_roads(until=-73.91).streets.dump())
    move_roads(made, other, 3)
    refused(made.route(WEST, EAST, depart_at=AT), "no-road-data")
    move_roads(made, "lost", 4)
    assert made.client.get("/v1/products/crashes/map").status_code == 200
    refused(made.route(WEST, EAST, depart_at=AT), "no-road-data")
    move_roads(made, first, 5)
    assert made.route(WEST, EAST, depart_at=AT).json()["roads"]["name"] == first
    move_roads(made, None, 6)
    refused(made.route(WEST, EAST, depart_at=AT), "no-road-data")


def test_a_product_without_roads_says_that_it_answers_no_routes(roads_city: Any) -> None:
    answer = roads_city.client.post("/v1/products/bikes/route", json={"from": WEST, "to": EAST})
    refused(answer, "no-such-lens", 404)


def test_simulated_roads_can_be_driven_and_say_so(simulated: Any) -> None:
    found = simulated.route(WEST, EAST, depart_at=AT).json()
    assert found["simulated"] is True
    assert "schematic" in [each["id"] for each in found["caveats"]]
    assert all("imul" in text for text in found["sentence"].values())


def test_ends_reach_neither_log_nor_metrics(roads_city: Any) -> None:
    with structlog.testing.capture_logs() as logs:
        roads_city.route({"lat": 40.71234, "lon": -73.93321}, "Battery Park", depart_at=AT)
        roads_city.route("Nowhere Street", EAST)
        roads_city.near(lat=40.71234, lon=-73.93321)
    kept = json.dumps(logs, default=str) + roads_city.client.get("/metrics").text
    assert len(logs) >= 3
    assert not re.search(r"40\.71|73\.93|Battery|Nowhere", kept)
