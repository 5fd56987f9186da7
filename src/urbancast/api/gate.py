"""The gate: interfaces of MLflow and Dagster, which know no login, passed through for a logged-in operator alone.

What is asked goes to one address of loopback, named by the deployment; nothing of the request chooses it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes, urlsplit

from anyio import CancelScope
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from urbancast.api import access
from urbancast.api.access import SAFE, Who
from urbancast.api.problems import STATES, RefusedError, of_query, shown
from urbancast.core.errors import ContractError, QueryError
from urbancast.settings import Settings

PREFIX = "/ops/"
MAX_BODY_BYTES = 16 * 1024 * 1024
TIMEOUT_S = {"connect": 5.0, "read": 120.0, "write": 30.0, "pool": 5.0}
FAR = b"192.0.2.1"  # an address of documentation: everybody is told to be far, and nobody's own address is told
_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade"}
)
_OURS = frozenset(  # said to us; behind the gate it means nothing, or something else
    {b"host", b"cookie", b"authorization", b"x-csrf-token", b"origin", b"referer", b"forwarded", b"content-length"}
)
_THEIRS = frozenset(  # said by what is behind; here this server says it
    {b"set-cookie", b"server", b"date", b"x-frame-options", b"strict-transport-security", b"x-content-type-options"}
    | {b"referrer-policy", b"cross-origin-opener-policy"}
)
_HOST = re.compile(r"[\w.-]+(?::\d+)?|\[[\da-fA-F:]+\](?::\d+)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an interface listens."""

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True)
class Gate:
    """Interfaces by name; each believes to stand at ``/ops/NAME``."""

    targets: Mapping[str, Target] = field(default_factory=dict)

    @staticmethod
    def of(deployed: Settings) -> Gate:
        """The deployment's interfaces; ContractError where one is not on loopback."""
        given = {"mlflow": deployed.behind_mlflow, "dagster": deployed.behind_dagster}
        return Gate({name: target(name, url) for name, url in given.items() if url})


def target(name: str, url: str) -> Target:
    """Target of a URL such as http://127.0.0.1:5000; ContractError where it is anything else."""
    try:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname == "localhost" else str(ip_address(parts.hostname or ""))
        is_plain = parts.scheme == "http" and parts.path in ("", "/") and not (parts.query or parts.username)
        if is_plain and ip_address(host).is_loopback and parts.port:
            return Target(name=name, host=host, port=parts.port)
    except ValueError:
        pass
    raise ContractError(
        f"URBANCAST_BEHIND_{name.upper()}: expected an address of loopback such as http://127.0.0.1:5000, "
        f"found {url!r}; let it listen there, since it knows no login of its own"
    )


def of(connection: HTTPConnection) -> Gate:
    """The gate of the app that serves a connection."""
    gate: Gate = connection.app.state.gate
    return gate


async def passed(request: Request) -> Response:
    """Answer of what is behind, for a logged-in operator; a browser without a session is shown the way to log in."""
    try:
        aim = found(request)
        who = await operator(request)
        _require_own_page(request)
    except QueryError as error:
        return _told(request, error)
    if request.url.path == f"{PREFIX}{aim.name}":
        return RedirectResponse(f"{PREFIX}{aim.name}/", 308)
    if is_page(request):
        await access.record(request, who, "open-ui", subject=aim.name)
    try:
        return await _answer(request, aim)
    except QueryError as error:
        return _told(request, error)


def found(connection: HTTPConnection) -> Target:
    """The interface that a path names; 404 for another, and for a path that climbs."""
    raw: bytes = connection.scope.get("raw_path") or connection.url.path.encode()
    name = connection.path_params["ui"]
    aim = of(connection).targets.get(name)
    parts = [unquote_to_bytes(part) for part in raw.split(b"?")[0].split(b"/")]
    is_straight = not any(part in (b".", b"..") or b"\\" in part or b"\0" in part for part in parts)
    if aim is None or not is_straight or parts[1:3] != [b"ops", name.encode()] or not raw.startswith(b"/ops/"):
        known = ", ".join(f"{PREFIX}{each}/" for each in of(connection).targets) or "none here"
        action = "start it with `urbancast up --mlflow` or `--orchestrator`"
        raise QueryError("unknown-ui", expected=f"one of {known}", found=shown(name), action=action, status=404)
    return aim


async def operator(connection: HTTPConnection) -> Who:
    """Operator of a session's cookie; 401 without a session, 403 with less."""
    door = access.of(connection)
    who = await door.who(connection)
    if who is None or who.session is None:
        raise RefusedError(
            "no-key",
            expected="a session",
            found="none",
            action="log in on the page of operations",
            headers=access.CHALLENGE,
        )
    if who.role != "operator":
        raise RefusedError(
            "role-too-small",
            expected="the role operator",
            found=f"the role {who.role}",
            action="ask an operator, or log in as one",
            headers={},
        )
    return who


def is_page(request: Request) -> bool:
    """Whether a person opens a page, not a page its parts."""
    wanted = request.headers.get("sec-fetch-dest")
    is_html = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and (wanted == "document" if wanted is not None else is_html)


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


def _require_own_page(request: Request) -> None:
    """Refuse what a page of another site, or of another port of this host, asks; a change must say where it is from."""
    if not access.is_own_origin(request, must_say=request.method not in SAFE):
        raise RefusedError(
            "cross-site",
            expected="a request of a page behind this gate",
            found="one of another site",
            action="open the page from this server's page of operations",
            headers={},
        )


async def _answer(request: Request, aim: Target) -> Response:
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
    for name, value in given:
        is_framing = name == b"content-length" or (name == b"transfer-encoding" and b"chunked" in value.lower())
        if is_framing or (name not in dropped and not name.startswith(b"x-forwarded-")):
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


def _told(request: Request, error: QueryError) -> Response:
    """Problem of an error; for a person who opened a page, a page."""
    response = of_query(error)
    if not is_page(request):
        return response
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Urbancast</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" '
        'content="light dark"></head><body style="font:16px/1.5 system-ui,sans-serif;max-width:40rem;'
        f'margin:4rem auto;padding:0 1rem"><h1>{escape(STATES[error.state][1])}</h1>'
        f"<p>{escape(error.action[:1].upper() + error.action[1:])}.</p>"
        '<p><a href="/#/operations">Operations</a></p></body></html>'
    )
    kept = {name: value for name, value in response.headers.items() if name in ("www-authenticate", "cache-control")}
    return HTMLResponse(page, response.status_code, kept)
