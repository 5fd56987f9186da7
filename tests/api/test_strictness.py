"""HEAD, unknown parameters, numbers that are none, and refusals in words of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

BIKES = "/v1/products/bikes"
AT = "2021-10-30T16:00Z"
ROUTES = [
    "/v1/products",
    BIKES,
    f"{BIKES}/places",
    f"{BIKES}/forecast?place=a&at={AT}",
    f"{BIKES}/map?at={AT}",
    f"{BIKES}/track-record",
    f"{BIKES}/export/scores.csv",
    "/v1/status",
    "/v1/config",
    "/healthz",
    "/readyz",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", ROUTES)
def test_head_is_answered_like_get_without_a_body(client: TestClient, path: str) -> None:
    plain = {"Accept-Encoding": "identity"}
    got, headed = client.get(path, headers=plain), client.head(path, headers=plain)
    assert (headed.status_code, headed.content) == (got.status_code, b"") == (200, b"")
    skipped = {"last-modified", "etag"} if "export" in path else set()  # of a file written anew each time
    assert {k: v for k, v in headed.headers.items() if k not in skipped} == {
        k: v for k, v in got.headers.items() if k not in skipped
    }


def test_head_of_what_is_not_there_is_refused_without_a_body(client: TestClient) -> None:
    found = client.head(f"{BIKES}/forecast?place=zz&at={AT}")
    assert (found.status_code, found.content) == (404, b"")
    assert found.headers["content-type"] == "application/problem+json"
    assert client.head(f"{BIKES}/answer").status_code == client.get(f"{BIKES}/answer").status_code > 400


def test_head_keeps_its_name_in_the_meters(client: TestClient) -> None:
    client.head("/v1/products")
    lines = client.get("/metrics").text.splitlines()
    assert any('method="HEAD"' in line and 'route="/v1/products"' in line for line in lines)


def refused(response: Any) -> dict[str, Any]:
    assert response.status_code == 422, response.text
    found: dict[str, Any] = response.json()
    assert found["state"] == "malformed-query"
    return found


@pytest.mark.parametrize(
    "path",
    [
        f"{BIKES}/forecast?place=a&at={AT}",
        f"{BIKES}/map?at={AT}",
        f"{BIKES}/track-record?measure=bicycles",
        f"{BIKES}/places?",
        f"{BIKES}?",
        f"{BIKES}/export/scores.csv?",
        "/v1/products?",
        "/v1/status?",
    ],
)
def test_a_query_parameter_that_no_one_reads_is_refused_by_name(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert refused(client.get(f"{path}&lang=en"))["found"] == "'lang'"


def test_a_refused_parameter_is_told_the_known_ones(client: TestClient) -> None:
    assert "at, from, measure, place, prior, to" in refused(client.get(f"{BIKES}/forecast?plaice=a"))["expected"]
    assert refused(client.post(f"{BIKES}/answer?at={AT}", json={"place": "a"}))["found"] == "'at'"


@pytest.mark.parametrize("lat", [True, "48.86", [48.86], None, {"deg": 48.86}])
@pytest.mark.parametrize("leaf", ["answer", "near"])
def test_a_latitude_that_is_no_number_is_refused_as_it_was_sent(client: TestClient, lat: object, leaf: str) -> None:
    found = refused(client.post(f"{BIKES}/{leaf}", json={"lat": lat, "lon": 2.35}))
    if lat is not None:
        assert found["expected"].startswith("body.lat: ")
        assert found["found"] == (f"'{lat}'" if isinstance(lat, str) else f"'{json.dumps(lat)}'")


def test_whole_degrees_are_numbers(client: TestClient) -> None:
    response = client.post(f"{BIKES}/answer", json={"lat": 48, "lon": 2})
    assert response.json()["state"] == "outside-area"


@pytest.mark.parametrize(
    ("leaf", "body", "field"),
    [
        ("answer", b"[1, true, null]", "body"),
        ("answer", b'"text"', "body"),
        ("answer", b'{"place": {"id": true}}', "body.place"),
        ("answer", b'{"place": "a", "lat": null, "lon": false}', "body.lon"),
        ("route", b'{"from": {"lat": true, "lon": 2}, "to": "b"}', "body.from.lat"),
        ("route", b'{"from": 7, "to": "b"}', "body.from"),
        ("stock-plan", b'{"fleet": "many"}', "body.fleet"),
    ],
)
def test_a_refusal_speaks_of_json_not_of_python(client: TestClient, leaf: str, body: bytes, field: str) -> None:
    response = client.post(f"{BIKES}/{leaf}", content=body, headers={"Content-Type": "application/json"})
    found = refused(response)
    assert found["expected"].split(":")[0] == field
    for word in ("True", "False", "None", "{'", "b'", "Query", "constrained", "instance", "dictionary", "Value error"):
        assert word not in f"{found['expected']} {found['found']}", found


def test_a_form_is_refused_without_the_bytes_of_python(client: TestClient) -> None:
    assert refused(client.post(f"{BIKES}/answer", data={"place": "a"}))["found"] == "'place=a'"
