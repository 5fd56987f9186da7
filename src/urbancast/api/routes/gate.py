"""Where the interfaces behind the login are met."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from urbancast.api import gate, sockets

router = APIRouter(include_in_schema=False)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.api_route("/ops/{ui}", methods=METHODS)
@router.api_route("/ops/{ui}/{path:path}", methods=METHODS)
async def passed(request: Request) -> Response:
    """Pass a request through to what is behind."""
    return await gate.passed(request)


@router.websocket("/ops/{ui}/{path:path}")
async def joined(websocket: WebSocket) -> None:
    """Join a socket with what is behind."""
    await sockets.joined(websocket)
