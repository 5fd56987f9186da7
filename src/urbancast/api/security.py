"""The outer ring of every request: host check, size limit, headers, and a log that never holds a location."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urbancast.api.access import Access
from urbancast.api.limits import LOCAL, Kind, client_of
from urbancast.api.metrics import Metrics
from urbancast.api.names import LOOPBACK, host_name
from urbancast.api.passage import MAX_BODY_BYTES as MAX_GATE_BYTES
from urbancast.api.problems import of_query, problem, shown
from urbancast.api.targets import PREFIX as GATE
from urbancast.core.errors import QueryError, UrbancastError

MAX_BODY_BYTES = 64 * 1024
WORKED_OUT = ("/route", "/answer")
HSTS = (b"strict-transport-security", b"max-age=31536000")
METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})

log = structlog.get_logger("urbancast.access")


def content_security_policy(basemap: str = "") -> str:
    """CSP without inline script; ``basemap``: URL of tiles that may also be fetched."""
    parts = urlsplit(basemap)
    tiles = f" {parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""
    return (
        "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:{tiles}; connect-src 'self'{tiles}; font-src 'self'; object-src 'none'; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    )


def allowed_hosts(bound_to: str, further: str = "") -> frozenset[str]:
    """Host names answered to: loopback names and those of ``further``; any (empty set) where none is named.

    Bound to loopback, its names are named.
    """
    named = frozenset(name.strip().lower() for name in further.split(",") if name.strip())
    return named | LOOPBACK if named or bound_to in LOOPBACK else frozenset()


@dataclass
class Ring:
    """ASGI layer around the app; one pass, so that look-ups stay cheap."""

    app: ASGIApp
    metrics: Metrics
    access: Access
    hosts: frozenset[str] = frozenset()
    basemap: str = ""
    headers: list[tuple[bytes, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        """Encode the headers once."""
        policy = content_security_policy(self.basemap)
        self.headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"camera=(), microphone=(), payment=(), geolocation=(self)"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"x-frame-options", b"DENY"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection through."""
        if scope["type"] != "http":
            await self._pass_other(scope, receive, send)
            return
        started, status, method = perf_counter(), 500, scope["method"]
        is_head = method == "HEAD"
        if is_head:  # answered like GET; the server's own scope stays as it was asked
            scope = {**scope, "method": "GET"}

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(scope, message)]
            elif is_head:
                message = {"type": "http.response.body", "more_body": message.get("more_body", False)}
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self._answer(scope, receive, sent)
        finally:
            self.metrics.in_flight.dec()
            self._record({**scope, "method": method}, status, perf_counter() - started)

    def _headers(self, scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
        """Headers of every answer; of what is behind the gate, those it has not set itself."""
        own = self.headers
        if scope["path"].startswith(GATE):
            given = {name for name, _ in message.get("headers", ())}
            own = [(name, value) for name, value in own if name not in given]
        if scope["scheme"] == "https" and host_name(_host(scope)) not in LOOPBACK:
            return [*own, HSTS]
        return own

    async def _pass_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no request: a socket only to the gate, and under a name that is served."""
        is_unknown = bool(self.hosts) and host_name(_host(scope)) not in self.hosts if "headers" in scope else False
        if scope["type"] == "websocket" and (is_unknown or not scope["path"].startswith(GATE)):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        sizes = [value for name, value in scope["headers"] if name == b"content-length"]
        is_gate = scope["path"].startswith(GATE)  # reads as it comes, to a limit of its own, once it knows who asks
        most = MAX_GATE_BYTES if is_gate else MAX_BODY_BYTES
        refusal: ASGIApp | None = None
        if self.hosts and host_name(_host(scope)) not in self.hosts:
            refusal = self._unknown_host(_host(scope))
        elif sizes and not (sizes[0].isdigit() and len(sizes[0]) < 16 and int(sizes[0]) <= most):
            refusal = _too_large()
        elif client_of(scope) not in LOCAL:
            refusal = await self._too_many(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif scope["method"] == "GET" or is_gate:
            await self.app(scope, receive, send)
        else:
            await self._limited(scope, receive, send)

    def _unknown_host(self, host: str) -> ASGIApp:
        action = "ask by 127.0.0.1 or localhost, or name it in URBANCAST_HOSTS"
        detail, expected = f"Host {shown(host)} is not served here.", f"one of {', '.join(sorted(self.hosts))}"
        return problem("unknown-host", detail, expected=expected, found=shown(host), action=action)

    async def _too_many(self, scope: Scope) -> ASGIApp | None:
        """Refusal where a client of the API asks more than its share of this minute."""
        path: str = scope["path"]
        if not path.startswith("/v1/"):
            return None
        is_worked_out = scope["method"] == "POST" and path.endswith(WORKED_OUT)
        kind, limits = Kind.ROUTE if is_worked_out else Kind.LOOKUP, self.access.limits
        try:
            limits.require(kind, await self.access.client(scope))
        except UrbancastError as error:
            return of_query(error) if isinstance(error, QueryError) else None  # keys out of reach: look-ups go on
        return None

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                await _too_large()(scope, receive, send)
                return
        is_given = False

        async def replay() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, replay, send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self.metrics.observe(route, method, status, seconds, values=scope.get("urbancast.values", 0))
        if "urbancast.asked" in scope:
            self.metrics.asked.count(*scope["urbancast.asked"])
        log.debug("request", route=route, method=method, status=status, ms=round(seconds * 1000, 2))


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


def _too_large() -> ASGIApp:
    limit = f"at most {MAX_BODY_BYTES} bytes"
    return problem("too-large", f"Expected {limit}.", expected=limit, action="send a shorter question")
