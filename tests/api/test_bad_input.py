"""Every bad question gets a named problem, never a 500."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

BIKES = "/v1/products/bikes"
LOOK_UP = f"{BIKES}/forecast"
FIELDS = {"type", "title", "status", "detail", "state", "expected", "found", "action"}
AT = "2021-10-30T16:00Z"


def problem(response: Any, status: int, state: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert set(found) >= FIELDS
    assert found["state"] == state
    assert found["type"] == f"urn:urbancast:problem:{state}"
    assert found["status"] == status
    return found


@pytest.mark.parametrize(
    ("path", "params", "status", "state"),
    [
        ("/v1/products/nowhere", {}, 404, "unknown-product"),
        ("/v1/products/%00/map", {}, 404, "unknown-product"),
        ("/v1/products/\N{BICYCLE}/places", {}, 404, "unknown-product"),
        (LOOK_UP, {"place": "zz", "at": AT}, 404, "unknown-place"),
        (LOOK_UP, {"place": "\x00", "at": AT}, 404, "unknown-place"),
        (LOOK_UP, {"place": "a" * 10_000, "at": AT}, 422, "malformed-query"),
        (LOOK_UP, {"at": AT}, 422, "malformed-query"),
        (LOOK_UP, {"place": "a", "at": AT, "measure": "cars"}, 404, "unknown-measure"),
        (LOOK_UP, {"place": "a", "at": "soon"}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": "NaN"}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": ""}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": "2021-10-30T16:00"}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": "0001-01-01T00:00+23:59"}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": "9999-12-31T23:59-23:59"}, 422, "malformed-time"),
        (LOOK_UP, {"place": "a", "at": "0001-01-01T00:00Z"}, 422, "before-record"),
        (LOOK_UP, {"place": "a", "at": "9999-12-31T23:59Z"}, 422, "beyond-horizon"),
        (LOOK_UP, {"place": "a", "at": "2021-11-02T00:00Z"}, 422, "beyond-horizon"),
        (LOOK_UP, {"place": "a", "at": "2021-10-15T23:59Z"}, 422, "before-record"),
        (LOOK_UP, {"place": "a", "at": AT, "from": AT}, 422, "malformed-query"),
        (LOOK_UP, {"place": "a", "from": AT, "to": "2021-10-30T15:00Z"}, 422, "malformed-query"),
        (LOOK_UP, {"place": "a", "from": "2030-01-01T00:00Z"}, 422, "beyond-horizon"),
        (LOOK_UP, {"place": "a", "to": "2001-01-01T00:00Z"}, 422, "before-record"),
        (f"{BIKES}/map", {"at": "-1e999"}, 422, "malformed-time"),
        (f"{BIKES}/track-record", {"measure": "cars"}, 404, "unknown-measure"),
        (f"{BIKES}/export/secrets.csv", {}, 404, "unknown-table"),
        (f"{BIKES}/export/forecasts.exe", {}, 422, "malformed-query"),
        ("/v1/products/empty/map", {"at": AT}, 503, "not-ready"),
        ("/v1/products/empty/places", {}, 503, "not-ready"),
        ("/v1/products/empty/export/scores.csv", {}, 503, "not-ready"),
        ("/v2/anything", {}, 404, "not-found"),
    ],
)
def test_a_bad_look_up_is_a_named_problem(
    client: TestClient, path: str, params: dict[str, str], status: int, state: str
) -> None:
    problem(client.get(path, params=params), status, state)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"a"',
        b"\xff\xfe",
        b"{}",
        b'{"place": 7}',
        b'{"place": ["a"]}',
        b'{"place": "a", "lat": 48.86, "lon": 2.35}',
        b'{"lat": 48.86}',
        b'{"lat": NaN, "lon": 2.35}',
        b'{"lat": Infinity, "lon": 2.35}',
        b'{"lat": 1e400, "lon": 2.35}',
        b'{"lat": "48.86x", "lon": 2.35}',
        b'{"lat": 91, "lon": 0}',
        b'{"lat": 48.86, "lon": -181}',
        b'{"lat": ' + b"9" * 5000 + b', "lon": 0}',
        b'{"address": ""}',
        b'{"address": "   "}',
        b'{"place": "a", "elevation": 3}',
        b'{"place": "a", "at": 1635609600}',
        b"[" * 20_000,
    ],
)
def test_a_bad_question_is_malformed(client: TestClient, body: bytes) -> None:
    response = client.post(f"{BIKES}/answer", content=body, headers={"Content-Type": "application/json"})
    problem(response, 422, "malformed-query")


def test_lone_surrogates_and_nul_bytes_in_text_are_survived(client: TestClient) -> None:
    for text in (r"\ud800", r"\u0000", r"a\u0000b", r"' OR 1=1 --", r"\" NEAR *"):
        body = b'{"address": "' + text.encode() + b'"}'
        response = client.post(f"{BIKES}/answer", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= response.status_code < 500
        assert response.headers["content-type"] == "application/problem+json"
        found = client.post(f"{BIKES}/search", content=b'{"text": "' + text.encode() + b'"}')
        assert found.status_code < 500


def test_a_question_too_large_is_refused_with_or_without_a_length(client: TestClient) -> None:
    body = b'{"address": "' + b"x" * 70_000 + b'"}'
    problem(client.post(f"{BIKES}/answer", content=body), 413, "too-large")
    problem(client.post(f"{BIKES}/answer", content=iter([body[:40_000], body[40_000:]])), 413, "too-large")


def test_a_wrong_method_is_named_and_says_which_are_allowed(client: TestClient) -> None:
    response = client.delete(LOOK_UP)
    problem(response, 405, "method-not-allowed")
    assert "GET" in response.headers["allow"]


def test_not_ready_says_when_to_come_back(client: TestClient) -> None:
    response = client.get("/v1/products/empty/map")
    assert int(response.headers["retry-after"]) > 0
    assert "training" in problem(response, 503, "not-ready")["detail"]


def test_beyond_the_horizon_names_the_last_time(client: TestClient) -> None:
    found = problem(client.get(LOOK_UP, params={"place": "a", "at": "2022-01-01T00:00Z"}), 422, "beyond-horizon")
    assert "2021-11-01T23:00:00Z" in found["action"]


def test_an_unknown_product_is_told_the_known_ones(client: TestClient) -> None:
    found = problem(client.get("/v1/products/bike"), 404, "unknown-product")
    assert "bikes" in found["expected"]
    assert "bike" in found["found"]


def test_a_question_without_a_content_type_is_read_as_json(client: TestClient) -> None:
    response = client.post(f"{BIKES}/answer", content=b'{"place": "a", "at": "2021-10-30T16:00Z"}')
    assert response.json()["place"]["id"] == "a"


def test_a_question_sent_as_a_form_is_told_to_be_json(client: TestClient) -> None:
    response = client.post(f"{BIKES}/answer", data={"place": "a"})
    found = problem(response, 422, "malformed-query")
    assert "application/json" in found["expected"]
