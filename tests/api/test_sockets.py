"""Web sockets through the gate: of our own page and an operator alone, both ways, until either side ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from websockets.sync.server import ServerConnection, serve

from urbancast.api import sockets
from urbancast.lake import keys

HOME = "http://testserver"
CALL: dict[str, Any] = {"subprotocols": ["graphql-ws"], "headers": {"Origin": HOME}}


@pytest.fixture
def echo() -> Iterator[tuple[int, list[ServerConnection]]]:
    """A socket behind that says everything back, its subprotocol first; and who came."""
    came: list[ServerConnection] = []

    def say(connection: ServerConnection) -> None:
        came.append(connection)
        connection.send(f"{connection.subprotocol} {connection.request.path if connection.request else ''}")
        for message in connection:
            connection.send(message)

    with serve(say, "127.0.0.1", 0, subprotocols=["graphql-ws"]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1], came
        server.shutdown()
        thread.join()


@pytest.fixture
def caller(door: Any, echo: tuple[int, list[ServerConnection]]) -> Iterator[TestClient]:
    with door.open(behind={"dagster": echo[0]}) as client:
        yield client


def test_a_socket_of_our_page_is_joined_with_what_is_behind(door: Any, caller: TestClient, echo: Any) -> None:
    door.log_in(caller, "operator")
    with caller.websocket_connect("/ops/dagster/graphql", **CALL) as ws:
        assert ws.accepted_subprotocol == "graphql-ws"
        assert ws.receive_text() == "graphql-ws /ops/dagster/graphql"
        ws.send_text("é" * 1000)
        assert ws.receive_text() == "é" * 1000
        ws.send_bytes(b"\0\xff")
        assert ws.receive_bytes() == b"\0\xff"
    heard = echo[1][0].request.headers
    assert "Cookie" not in heard
    assert "Origin" not in heard


def test_a_socket_of_another_page_or_of_nobody_is_refused(door: Any, caller: TestClient, echo: Any) -> None:
    def status(**headers: str) -> int:
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            caller.websocket_connect("/ops/dagster/graphql", headers=headers),
        ):
            pass
        code: int = refused.value.status_code
        return code

    assert status(Origin=HOME) == 401
    door.log_in(caller, "reader")
    assert status(Origin=HOME) == 403
    door.log_in(caller, "operator")
    assert status() == 403
    assert status(Origin="https://evil.example") == 403
    assert echo[1] == []


def test_a_socket_anywhere_else_is_closed(door: Any, caller: TestClient) -> None:
    door.log_in(caller, "operator")
    for path in ("/", "/v1/products", "/opsx/"):
        with pytest.raises(WebSocketDisconnect), caller.websocket_connect(path, headers={"Origin": HOME}):
            pass


def test_a_socket_ends_with_its_session(door: Any, caller: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LOOK_AGAIN_S", 0.01)
    door.log_in(caller, "operator")
    with caller.websocket_connect("/ops/dagster/graphql", **CALL) as ws:
        ws.receive_text()
        keys.revoke(door.lake, "the operator", at=door.now)
        with pytest.raises(WebSocketDisconnect) as ended:
            ws.receive_text()
        assert ended.value.code == sockets.ENDED


def test_a_socket_ends_with_the_one_behind(door: Any, caller: TestClient, echo: Any) -> None:
    door.log_in(caller, "operator")
    with caller.websocket_connect("/ops/dagster/graphql", **CALL) as ws:
        ws.receive_text()
        echo[1][0].close()
        with pytest.raises(WebSocketDisconnect):
            ws.receive_text()
