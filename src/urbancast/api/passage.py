"""The passage through the gate: a request as it is, without what is for us alone; an answer as it comes, fenced in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable

from anyio import CancelScope
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from urbancast.api.problems import RefusedError
from urbancast.api.targets import PREFIX, Target
from urbancast.core.errors import QueryError

MAX_BODY_BYTES = 16 * 1024 * 1024
TIMEOUT_S = {"connect": 5.0, "read": 120.0, "write": 30.0, "pool": 5.0}
FAR = b"192.0.2.1"  # an address of documentation: everybody is told to be far, and nobody's own address is told
_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade"}
)
_OURS = frozenset(  # said to us; behind the gate it means nothing, or something else
    {
        b"host",
        b"cookie",
        b"authorization",
        b"x-csrf-token",
        b"origin",
        b"referer",
        b"forwarded",
        b"content-length",
        b"expect",
    }
)
_THEIRS = frozenset(  # said by what is behind; here this server says it
    {b"set-cookie", b"server", b"date", b"x-frame-options", b"strict-transport-security", b"x-content-type-options"}
    | {b"referrer-policy", b"cross-origin-opener-policy"}
)
_HOST = re.compile(r"[\w.-]+(?::\d+)?|\[[\da-fA-F:]+\](?::\d+)?", re.ASCII)


async def answer(request: Request, aim: Target) -> Response:
    """Answer of what is behind; 502 where it gives none, 413 for a body beyond all measure."""
    import httpcore  # not loaded where nothing is behind

    connection = httpcore.AsyncHTTPConnection(httpcore.Origin(b"http", aim.host.encode(), aim.port), keepalive_expiry=0)
    query = request.scope.get("query_string", b"")
    path = (request.scope.get("raw_path") or request.url.path.encode()) + (b"?" + query if query else b"")
    asked = httpcore.Request(
        request.method,
        httpcore.URL(scheme=b"http", host=aim.host.encode(), port=aim.port, target=path),
        headers=list(_asked(request, aim)),
        content=_body(request),
        extensions={"timeout": TIMEOUT_S},
    )
    try:
        reply = await connection.handle_async_request(asked)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        await connection.aclose()
        raise RefusedError(
            "ui-unreachable",
            expected=f"{aim.name} behind this server",
            found="no answer",
            action="see whether it runs; `up` starts it again by itself",
            headers={},
        ) from error
    except BaseException:
        with CancelScope(shield=True):
            await connection.aclose()
        raise
    passed_on = _Passed(reply.aiter_stream(), reply.status)
    passed_on.connection = connection
    passed_on.raw_headers = [*_replied(reply.headers, aim), *_guard(request, aim)]
    return passed_on


def policy(connection: HTTPConnection, name: str) -> str:
    """CSP for pages of other hands: their own inline scripts run, yet reach only what is under their own path."""
    host = connection.headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        return "sandbox; default-src 'none'"
    scheme = "https" if connection.scope.get("scheme") in ("https", "wss") else "http"
    own, socket = f"{scheme}://{host}{PREFIX}{name}/", f"ws{scheme[4:]}://{host}{PREFIX}{name}/"
    return (
        f"default-src {own}; script-src {own} 'unsafe-inline' 'unsafe-eval' blob:; style-src {own} 'unsafe-inline'; "
        f"img-src {own} data: blob:; font-src {own} data:; connect-src {own} {socket} data: blob:; "
        f"worker-src {own} blob:; frame-src {own} blob: data:; object-src 'none'; base-uri {own}; "
        f"form-action {own}; frame-ancestors 'self'"
    )


class _Passed(StreamingResponse):
    """Bytes as they come; the connection behind ends with the one before."""

    connection: object

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self.connection.aclose()  # type: ignore[attr-defined]


async def _body(request: Request) -> AsyncIterator[bytes]:
    """Body as it comes, up to a size."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            limit = f"at most {MAX_BODY_BYTES} bytes"
            raise QueryError("too-large", expected=limit, found="more", action="send less", status=413)
        yield chunk


def _asked(request: Request, aim: Target) -> Iterable[tuple[bytes, bytes]]:
    """Headers for what is behind: none that are for this server alone, no cookie, no key."""
    given = request.scope["headers"]
    dropped = _HOP | _OURS | _named_hops(given)
    yield b"host", aim.url.removeprefix("http://").encode()
    yield b"connection", b"close"
    yield b"x-forwarded-for", FAR  # MLflow trusts whoever asks from its own host with more
    is_chunked = any(name == b"transfer-encoding" for name, _ in given)
    if is_chunked:  # one framing alone, whatever came: two are how requests are smuggled
        yield b"transfer-encoding", b"chunked"
    for name, value in given:
        if (name == b"content-length" and not is_chunked) or (
            name not in dropped and not name.startswith(b"x-forwarded-")
        ):
            yield name, value


def _replied(given: Iterable[tuple[bytes, bytes]], aim: Target) -> Iterable[tuple[bytes, bytes]]:
    """Headers for the browser; a redirect to the address behind becomes one to the path here."""
    given = [(name.lower(), value) for name, value in given]
    dropped = _HOP | _THEIRS | _named_hops(given)
    for name, value in given:
        if name in dropped or name.startswith(b"access-control-"):
            continue
        yield name, value.removeprefix(aim.url.encode()) if name == b"location" else value


def _named_hops(given: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Headers that a Connection header names as meant for one hop."""
    named = (value for name, value in given if name == b"connection")
    return frozenset(part.strip().lower() for value in named for part in value.split(b","))


def _guard(request: Request, aim: Target) -> Iterable[tuple[bytes, bytes]]:
    is_artifact = "artifact" in request.url.path
    yield b"content-security-policy", policy(request, aim.name).encode()
    if is_artifact:  # a file that a run left: shown, if at all, as a page of nobody
        yield b"content-security-policy", b"sandbox allow-scripts allow-downloads"
    yield b"x-content-type-options", b"nosniff"
    yield b"x-frame-options", b"SAMEORIGIN"
    yield b"referrer-policy", b"same-origin"
    yield b"cross-origin-opener-policy", b"noopener-allow-popups"  # a page behind holds no handle on a page of ours
