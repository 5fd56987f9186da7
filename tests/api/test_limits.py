"""How much one client may ask, who counts as one, and what is said under TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from urbancast.api.limits import Kind, Limits
from urbancast.api.names import host_name
from urbancast.api.problems import RefusedError
from urbancast.api.security import allowed_hosts
from urbancast.settings import settings

FAR, FARTHER = "203.0.113.7", "203.0.113.8"
Opened = Callable[..., Any]


@pytest.fixture
def limited(door: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A client at an address of an app with given limits."""

    @contextmanager
    def opened(client: str = FAR, **limits: Any) -> Iterator[TestClient]:
        for name, value in limits.items():
            monkeypatch.setenv(f"URBANCAST_{name.upper()}", str(value))
        settings.cache_clear()
        with door.open(client=client) as opened:
            yield opened

    yield opened
    settings.cache_clear()


def statuses(client: TestClient, times: int, path: str = "/v1/products", **more: Any) -> list[int]:
    return [client.get(path, **more).status_code for _ in range(times)]


def test_one_look_up_too_many_is_told_when_to_come_again(limited: Opened) -> None:
    with limited(lookups_per_minute=3) as client:
        assert statuses(client, 3) == [200] * 3
        reply = client.get("/v1/products")
    assert (reply.status_code, reply.json()["state"]) == (429, "too-many-requests")
    assert reply.headers["content-type"] == "application/problem+json"
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert reply.json()["expected"] == "at most 3 look-ups a minute"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_clients_are_counted_apart(limited: Opened) -> None:
    with limited(lookups_per_minute=2) as client:
        assert statuses(client, 3) == [200, 200, 429]
        other = TestClient(client.app, client=(FARTHER, 1))
        assert statuses(other, 2) == [200, 200]


def test_a_key_is_counted_apart_from_its_address_and_a_made_up_one_is_not(limited: Opened, door: Any) -> None:
    with limited(lookups_per_minute=2) as client:
        assert statuses(client, 3) == [200, 200, 429]
        assert statuses(client, 3, headers=door.bearer("reader")) == [200, 200, 429]
        for letter in "abc":
            made_up = {"Authorization": f"Bearer uc_{letter * 12}_{letter * 43}"}
            assert statuses(client, 1, headers=made_up) == [429]


def test_questions_that_are_worked_out_are_counted_apart_from_look_ups(limited: Opened) -> None:
    with limited(routes_per_minute=1, lookups_per_minute=3) as client:
        ask = [client.post("/v1/products/x/route", json={"from": "a", "to": "b"}).status_code for _ in range(2)]
        assert ask == [404, 429]
        assert client.post("/v1/products/x/answer", json={"place": "a"}).status_code == 429
        assert statuses(client, 3) == [200] * 3


def test_the_map_itself_health_and_metrics_are_not_counted(limited: Opened) -> None:
    with limited(lookups_per_minute=1) as client:
        for path in ("/", "/healthz", "/metrics", "/docs"):
            assert statuses(client, 3, path) == [200] * 3


def test_loopback_is_not_limited_but_in_tries_to_log_in(limited: Opened, door: Any) -> None:
    with limited("127.0.0.1", lookups_per_minute=1, logins_per_minute=2) as client:
        assert statuses(client, 5) == [200] * 5
        tries = [client.post("/v1/session", json={"key": f"wrong {i}"}).status_code for i in range(4)]
        assert tries == [401, 401, 429, 429]
        assert client.post("/v1/session", json={"key": door.texts["reader"]}).status_code == 429
    assert len(door.audit()) == 2


def test_a_known_key_is_no_try_to_log_in(limited: Opened, door: Any) -> None:
    with limited(logins_per_minute=1) as client:
        assert statuses(client, 5, "/v1/seen", headers=door.bearer("reader")) == [200] * 5


def test_a_role_too_small_is_not_asked_for_ever(limited: Opened, door: Any) -> None:
    with limited(logins_per_minute=3) as client:
        tries = [client.post("/v1/done", headers=door.bearer("reader")).status_code for _ in range(5)]
    assert tries == [403, 403, 403, 429, 429]
    assert len(door.audit()) == 3


def test_zero_is_no_limit(limited: Opened) -> None:
    with limited(lookups_per_minute=0, routes_per_minute=0, logins_per_minute=0) as client:
        assert statuses(client, 50) == [200] * 50
    limits = Limits()
    assert [limits.count(kind, "x") for kind in Kind for _ in range(100)] == [0] * 300


def test_a_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    import limits.storage.memory as storage

    now = [1_000_000_000.0]
    monkeypatch.setattr(storage.time, "time", lambda: now[0])
    counted = Limits(logins=10)
    assert [counted.count(Kind.LOGIN, "x") for _ in range(10)] == [0] * 10
    with pytest.raises(RefusedError, match="too-many-requests"):
        counted.require(Kind.LOGIN, "x")
    now[0] += 121
    assert counted.count(Kind.LOGIN, "x") == 0


def test_no_address_and_no_key_reaches_a_log(limited: Opened, door: Any) -> None:
    with structlog.testing.capture_logs() as logs, limited(lookups_per_minute=1) as client:
        statuses(client, 3, headers=door.bearer("reader"))
        client.post("/v1/session", json={"key": door.texts["operator"]})
        client.get("/v1/seen", headers={"Authorization": f"Bearer {door.texts['operator']}x"})
        told = repr(logs) + client.get("/metrics").text
    for secret in (FAR, door.texts["reader"], door.texts["operator"], client.cookies["urbancast_session"]):
        assert secret not in told


def test_only_under_tls_is_a_browser_told_to_stay_there(door: Any) -> None:
    def header(base_url: str) -> str | None:
        with door.open(base_url=base_url, host="0.0.0.0") as client:
            told: str | None = client.get("/healthz").headers.get("strict-transport-security")
            return told

    assert header("https://maps.example") == "max-age=31536000"
    assert header("http://maps.example") is None
    assert header("https://localhost") is None


@pytest.mark.parametrize(
    ("bound", "further", "name", "is_answered"),
    [
        ("127.0.0.1", "", "localhost", True), ("127.0.0.1", "", "maps.example", False),
        ("127.0.0.1", "maps.example, other.example", "other.example", True), ("0.0.0.0", "", "anything", True),
        ("0.0.0.0", "maps.example", "anything", False), ("0.0.0.0", "maps.example", "127.0.0.1", True),
    ],
)  # fmt: skip
def test_a_server_answers_to_the_names_it_was_given(bound: str, further: str, name: str, is_answered: bool) -> None:
    hosts = allowed_hosts(bound, further)
    assert (not hosts or host_name(f"{name}:8000") in hosts) is is_answered
