"""The outer ring of every request: host check, size limit, headers, and a log that never holds a location."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urbancast.api.metrics import Metrics
from urbancast.api.problems import problem, shown

MAX_BODY_BYTES = 64 * 1024
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1", "testserver"})
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
            await self.app(scope, receive, send)
            return
        started, status, method = perf_counter(), 500, scope["method"]
        is_head = method == "HEAD"
        if is_head:  # answered like GET; the server's own scope stays as it was asked
            scope = {**scope, "method": "GET"}

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self.headers]
            elif is_head:
                message = {"type": "http.response.body", "more_body": message.get("more_body", False)}
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self._answer(scope, receive, sent)
        finally:
            self.metrics.in_flight.dec()
            self._record({**scope, "method": method}, status, perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        sizes = [value for name, value in scope["headers"] if name == b"content-length"]
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if self.hosts and host_name(host) not in self.hosts:
            action = "ask by 127.0.0.1 or localhost, or set URBANCAST_HOST"
            detail, expected = f"Host {shown(host)} is not served here.", f"one of {', '.join(sorted(self.hosts))}"
            refusal = problem("unknown-host", detail, expected=expected, found=shown(host), action=action)
            await refusal(scope, receive, send)
        elif sizes and not (sizes[0].isdigit() and len(sizes[0]) < 16 and int(sizes[0]) <= MAX_BODY_BYTES):
            await _too_large()(scope, receive, send)
        elif scope["method"] == "GET":
            await self.app(scope, receive, send)
        else:
            await self._limited(scope, receive, send)

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


def host_name(host: str) -> str:
    """Host header without its port, lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


def _too_large() -> ASGIApp:
    limit = f"at most {MAX_BODY_BYTES} bytes"
    return problem("too-large", f"Expected {limit}.", expected=limit, action="send a shorter question")
