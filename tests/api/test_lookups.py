"""What a look-up answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from urbancast.core.tables import QUANTILE_COLUMNS

AT = "2021-10-30T16:00:00Z"


def test_an_answer_is_the_served_forecast_of_that_place_and_hour(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "b", "at": AT}).json()
    assert answer["state"] == "forecast"
    assert answer["mean"] == pytest.approx(200 * (1 + 16 / 24), abs=0.01)
    assert answer["interval"] == {"level": 0.8, "low": answer["quantiles"]["q10"], "high": answer["quantiles"]["q90"]}
    assert answer["interval"]["low"] == pytest.approx(0.7 * answer["mean"], abs=0.01)
    assert answer["median"] == answer["quantiles"]["q50"]
    assert answer["release"] == "bicycles-gbm"
    assert answer["candidate"] == "gbm"
    assert answer["origin"] == "2021-10-30T00:00:00Z"
    assert answer["issued_at"] == "2021-10-30T01:00:00Z"
    assert answer["simulated"] is True
    assert answer["provenance"] == "sample"
    assert answer["licences"][0]["attribution"] == "City of Tests"


def test_usual_is_the_baselines_forecast(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": AT}).json()
    assert answer["usual"] == pytest.approx(answer["mean"] / 2, abs=0.01)
    assert answer["comparison"] == "busier"


def test_a_time_inside_the_interval_is_answered_by_that_interval(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": "2021-10-30T18:37:12+02:00"}).json()
    assert answer["at"] == AT


def test_a_plus_lost_in_the_url_is_understood(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast?place=a&at=2021-10-30T18:00:00+02:00").json()
    assert answer["at"] == AT


def test_no_time_means_now(client: TestClient) -> None:
    assert client.get("/v1/products/bikes/forecast", params={"place": "a"}).json()["at"] == "2021-10-30T06:00:00Z"


def test_before_the_first_forecast_of_all_now_is_its_first_hour(city: Any) -> None:
    with city.client(clock=lambda: datetime(2021, 10, 26, 12, 30, tzinfo=UTC)) as early:
        # nothing was forecast before 2021-10-27; a map of holes would be no first screen
        frame = early.get("/v1/products/bikes/map").json()
    assert (frame["at"], frame["times"]["now"]) == ("2021-10-30T00:00:00Z", "2021-10-30T00:00:00Z")
    assert frame["state"][0] == "forecast"


@pytest.mark.parametrize(
    ("at", "local"),
    [
        ("2021-10-31T00:00:00Z", "2021-10-31T02:00:00+02:00"),
        ("2021-10-31T01:00:00Z", "2021-10-31T02:00:00+01:00"),
        ("2021-10-31T02:00:00Z", "2021-10-31T03:00:00+01:00"),
    ],
)
def test_the_repeated_hour_of_a_clock_change_is_told_apart(client: TestClient, at: str, local: str) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": at}).json()
    assert (answer["at"], answer["at_local"]) == (at, local)


def test_a_series_of_the_day_of_25_hours_has_25_rows(client: TestClient) -> None:
    span = {"place": "a", "from": "2021-10-31T00:00+02:00", "to": "2021-11-01T00:00+01:00"}
    series = client.get("/v1/products/bikes/forecast", params=span).json()["series"]
    assert len(series) == 25
    assert len({row["time"] for row in series}) == 25


def test_past_hours_hold_the_forecast_as_issued_then_and_what_was_observed(client: TestClient) -> None:
    span = {"place": "a", "from": "2021-10-28T00:00Z", "to": "2021-10-31T00:00Z"}
    series = client.get("/v1/products/bikes/forecast", params=span).json()["series"]
    by_time = {row["time"]: row for row in series}
    past = by_time["2021-10-28T05:00:00Z"]
    assert (past["kind"], past["origin"]) == ("past", "2021-10-28T00:00:00Z")
    assert past["observed"] == pytest.approx(past["mean"], abs=0.01)
    assert by_time["2021-10-29T20:00:00Z"]["observed"] is None  # published up to nine hours before the origin
    ahead = by_time["2021-10-30T05:00:00Z"]
    assert (ahead["kind"], ahead["origin"], ahead["observed"]) == ("forecast", "2021-10-30T00:00:00Z", None)


def test_the_map_agrees_with_the_answers(client: TestClient) -> None:
    frame = client.get("/v1/products/bikes/map", params={"at": AT}).json()
    assert frame["places"] == ["a", "b", "c", "shut"]
    assert frame["state"] == ["forecast", "forecast", "forecast", "closed"]
    for place, mean, low in zip(frame["places"][:3], frame["mean"], frame["q10"], strict=False):
        answer = client.get("/v1/products/bikes/forecast", params={"place": place, "at": AT}).json()
        assert (answer["mean"], answer["interval"]["low"]) == (mean, low)
    assert frame["mean"][3] is None
    times = frame["times"]
    assert (times["first"], times["last"]) == ("2021-10-30T00:00:00Z", "2021-11-01T23:00:00Z")
    assert (times["now"], times["past_first"]) == ("2021-10-30T06:00:00Z", "2021-10-16T00:00:00Z")


def test_class_limits_increase_and_stay_the_same_over_an_origin(client: TestClient) -> None:
    frames = [client.get("/v1/products/bikes/map", params={"at": at}).json() for at in (AT, "2021-11-01T03:00Z")]
    assert frames[0]["breaks"] == frames[1]["breaks"] == sorted(set(frames[0]["breaks"]))
    assert len(frames[0]["breaks"]) == 5


def test_a_closed_place_is_named_so_and_has_no_number(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "shut", "at": AT}).json()
    assert (answer["state"], answer["mean"], answer["interval"]) == ("closed", None, None)
    assert answer["reason"]
    assert answer["action"]
    assert set(answer["sentence"]) == {"en", "es", "fr"}


def test_an_hour_never_forecast_is_no_data_not_zero(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": "2021-10-20T05:00Z"}).json()
    assert (answer["state"], answer["mean"], answer["kind"]) == ("no_data", None, "past")
    assert answer["observed"] == pytest.approx(100 * (1 + 5 / 24), abs=0.01)


def test_a_rare_count_has_words_and_no_interval(client: TestClient) -> None:
    answer = client.get("/v1/products/crashes/forecast", params={"place": "3", "at": AT}).json()
    assert answer["mean"] == pytest.approx(0.1, abs=1e-5)
    assert answer["interval_is_shown"] is False
    assert "about 1 in 11 hours" in answer["sentence"]["en"]
    assert "8 in 10" not in answer["sentence"]["en"]


def test_a_covered_hour_without_a_crash_is_zero_and_an_uncovered_one_is_unknown(client: TestClient) -> None:
    span = {"place": "1", "from": "2021-10-29T04:00Z", "to": "2021-10-30T00:00Z"}
    rows = client.get("/v1/products/crashes/forecast", params=span).json()["series"]
    observed = {row["time"][:13]: row["observed"] for row in rows}
    assert (observed["2021-10-29T04"], observed["2021-10-29T05"], observed["2021-10-29T20"]) == (0.0, 1.0, None)


def test_every_answer_has_ordered_quantiles(client: TestClient) -> None:
    span = {"place": "c", "from": "2021-10-30T00:00Z", "to": "2021-11-02T00:00Z"}
    rows = client.get("/v1/products/bikes/forecast", params=span).json()["series"]
    assert len(rows) == 72
    for row in rows:
        values = [row[name] for name in QUANTILE_COLUMNS]
        assert values == sorted(values)


def test_products_say_what_they_serve_and_where(client: TestClient) -> None:
    listed = {each["id"]: each for each in client.get("/v1/products").json()}
    bikes, empty = listed["bikes"], listed["empty"]
    assert bikes["serving"]["releases"] == {"bicycles": "bicycles-gbm"}
    assert bikes["serving"]["last_time"] == "2021-11-01T23:00:00Z"
    assert bikes["serving"]["clock"] == "2021-10-30T06:00:00Z"
    assert bikes["bounds"] == [2.34, 48.85, 2.37, 48.87]
    assert (bikes["state"], bikes["freshness"]["is_late"], bikes["horizon_hours"]) == ("ready", False, 72)
    assert (empty["serving"], empty["state"], empty["progress"]) == (None, "training", 0.4)
    assert client.get("/v1/products/bikes").json() == bikes


def test_places_are_geojson_with_mask_and_landmarks(client: TestClient) -> None:
    response = client.get("/v1/products/crashes/places")
    assert response.headers["content-type"] == "application/geo+json"
    shapes = response.json()
    assert [feature["id"] for feature in shapes["features"]] == ["1", "2", "3"]
    assert shapes["features"][0]["properties"]["is_schematic"] is True
    assert shapes["mask"]["type"] == "MultiPolygon"
    assert len(shapes["landmarks"]["features"]) == 2
