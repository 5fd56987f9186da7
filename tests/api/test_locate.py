"""From words and points to one place."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

AT = "2021-10-30T16:00Z"


def ask(client: TestClient, product: str, **question: Any) -> Any:
    return client.post(f"/v1/products/{product}/answer", json={"at": AT} | question)


def test_a_place_asked_by_post_is_the_same_answer(client: TestClient) -> None:
    got = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": AT}).json()
    assert ask(client, "bikes", place="a").json() == got


@pytest.mark.parametrize("text", ["Counter B", "counter b", "  COUNTER   b "])
def test_a_name_is_found_whatever_its_case(client: TestClient, text: str) -> None:
    assert ask(client, "bikes", address=text).json()["place"]["id"] == "b"


def test_a_point_near_a_site_is_answered_by_it_and_says_how_far(client: TestClient) -> None:
    place = ask(client, "bikes", lat=48.8610, lon=2.3500).json()["place"]
    assert place["id"] == "a"
    assert place["distance_m"] == pytest.approx(111, abs=1)


def test_a_landmark_near_a_site_is_answered_by_it(client: TestClient) -> None:
    assert ask(client, "bikes", address="Big Tower").json()["place"]["id"] == "a"


@pytest.mark.parametrize(
    "question",
    [{"lat": 48.8650, "lon": 2.3550}, {"lat": 0.0, "lon": 0.0}, {"address": "Far Castle"}],
)
def test_far_from_every_site_is_outside(client: TestClient, question: dict[str, Any]) -> None:
    response = ask(client, "bikes", **question)
    assert (response.status_code, response.json()["state"]) == (422, "outside-area")


def test_a_name_of_several_places_is_ambiguous_and_lists_them(client: TestClient) -> None:
    response = ask(client, "bikes", address="count")
    assert (response.status_code, response.json()["state"]) == (422, "ambiguous-address")
    assert {each["place"] for each in response.json()["candidates"]} == {"a", "b", "c", "shut"}


def test_a_name_of_no_place_is_unknown(client: TestClient) -> None:
    response = ask(client, "bikes", address="Atlantis")
    assert (response.status_code, response.json()["state"]) == (404, "address-unknown")


def test_a_schematic_answers_names_but_never_points_or_addresses(client: TestClient) -> None:
    assert ask(client, "crashes", address="astoria").json()["place"]["id"] == "1"
    for question in ({"lat": 40.75, "lon": -73.93}, {"address": "12 Main Street"}):
        response = ask(client, "crashes", **question)
        assert (response.status_code, response.json()["state"]) == (422, "needs-boundaries")


def test_real_boundaries_say_which_zone_holds_a_point(with_boundaries: TestClient) -> None:
    assert ask(with_boundaries, "crashes", lat=40.75, lon=-73.931).json()["place"]["id"] == "1"
    assert ask(with_boundaries, "crashes", lat=40.79, lon=-73.889).json()["place"]["id"] == "3"
    for point in ({"lat": 40.8005, "lon": -73.93}, {"lat": 48.86, "lon": 2.35}):
        response = ask(with_boundaries, "crashes", **point)
        assert (response.status_code, response.json()["state"]) == (422, "outside-area")


def test_search_finds_places_and_landmarks_by_their_beginning(client: TestClient) -> None:
    hits = client.post("/v1/products/bikes/search", json={"text": "big"}).json()["hits"]
    assert [(hit["name"], hit["kind"]) for hit in hits] == [("Big Tower", "landmark")]
    hits = client.post("/v1/products/bikes/search", json={"text": "counter"}).json()["hits"]
    assert {hit["place"] for hit in hits} == {"a", "b", "c", "shut"}
    assert client.post("/v1/products/bikes/search", json={"text": ""}).json() == {"hits": []}
