"""Web sockets through the gate: messages both ways, until either side or the session ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from urbancast.api import access, gate
from urbancast.api.problems import RefusedError, of_query
from urbancast.core.errors import QueryError, UrbancastError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
LOOK_AGAIN_S = 15.0
CLOSE_S = 2.0
TROUBLE = 1011
ENDED = 1008  # policy violation: the session is over


async def joined(websocket: WebSocket) -> None:
    """Join a browser's socket of our own page with one of what is behind, for a logged-in operator."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    try:
        aim = gate.found(websocket)
        await gate.operator(websocket)
        if not access.is_own_origin(websocket, must_say=True):
            raise RefusedError(
                "cross-site", expected="a page behind this gate", found="another", action="open it here", headers={}
            )
    except QueryError as error:
        await websocket.send_denial_response(of_query(error))
        return
    path = (websocket.scope.get("raw_path") or websocket.url.path.encode()).decode("ascii", "replace")
    wanted = websocket.scope.get("subprotocols") or None
    url = f"ws{aim.url.removeprefix('http')}{path}"
    limits: dict[str, Any] = {"max_size": MAX_MESSAGE_BYTES, "open_timeout": 5, "close_timeout": CLOSE_S}
    try:
        behind = await connect(url, subprotocols=wanted, proxy=None, **limits)
    except (OSError, TimeoutError, WebSocketException):
        await _closed(websocket, TROUBLE)
        return
    try:
        await websocket.accept(behind.subprotocol)
        await _joined(websocket, behind)
    finally:
        with anyio.CancelScope(shield=True):
            await behind.close()


async def _joined(websocket: WebSocket, behind: ClientConnection) -> None:
    """Both directions and the watch at once; whichever ends first ends the others."""
    from websockets.exceptions import ConnectionClosed

    code = 1000
    async with anyio.create_task_group() as group:

        async def outward() -> None:
            with suppress(ConnectionClosed, WebSocketDisconnect, RuntimeError):
                async for message in behind:
                    await (websocket.send_text(message) if isinstance(message, str) else websocket.send_bytes(message))
            group.cancel_scope.cancel()

        async def inward() -> None:
            with suppress(ConnectionClosed):
                while (message := await websocket.receive())["type"] == "websocket.receive":
                    text = message.get("text")
                    await behind.send(message["bytes"] if text is None else text)
            group.cancel_scope.cancel()

        async def watch() -> None:
            nonlocal code
            while True:
                await anyio.sleep(LOOK_AGAIN_S)
                if not await _is_in_force(websocket):
                    break
            code = ENDED
            group.cancel_scope.cancel()

        for each in (outward, inward, watch):
            group.start_soon(each)
    await _closed(websocket, code)


async def _is_in_force(websocket: WebSocket) -> bool:
    try:
        await gate.operator(websocket)
    except UrbancastError:
        return False
    return True


async def _closed(websocket: WebSocket, code: int) -> None:
    """Close towards the browser, unless it has gone."""
    try:
        await websocket.close(code)
    except (RuntimeError, WebSocketDisconnect, OSError):
        return
