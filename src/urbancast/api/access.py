"""Who asks: a key or a session, and which role it has. `Reader` and `Operator` are what a route behind the login takes.

Public look-ups take neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Annotated
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import Depends
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from urbancast.api.audit import Auditor
from urbancast.api.keyring import Keyring
from urbancast.api.limits import Kind, Limits, client_of
from urbancast.api.problems import RefusedError
from urbancast.api.sessions import COOKIE, CSRF_HEADER, Session, Sessions, is_same
from urbancast.lake import keys
from urbancast.lake.keys import Key, Role
from urbancast.lake.secret import require_long, session_secret
from urbancast.lake.store import Lake

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="urbancast"'}
BAD_TOKEN = {"WWW-Authenticate": 'Bearer realm="urbancast", error="invalid_token"'}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who asks, by the name of their key; ``session`` where they came by a cookie."""

    name: str
    role: Role
    key: str = ""
    session: Session | None = None


@dataclass
class Access:
    """The door: keys, sessions, limits and the log of what it decided."""

    lake_url: str
    clock: Callable[[], datetime]
    limits: Limits
    secret: str = field(default="", repr=False)
    keyring: Keyring = field(init=False)
    auditor: Auditor = field(init=False)
    _lake: Lake | None = field(init=False, default=None)
    _sessions: Sessions | None = field(init=False, default=None, repr=False)
    _lock: Lock = field(init=False, default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        """Look nowhere yet; a secret that could be guessed is refused at once."""
        require_long(self.secret)
        self.keyring, self.auditor = Keyring(self._open), Auditor(self._open)

    async def sessions(self) -> Sessions:
        """Sessions signed by the deployment's secret; made at the first use."""
        return self._sessions if self._sessions is not None else await to_thread.run_sync(self._signed)

    async def who(self, connection: HTTPConnection) -> Who | None:
        """Who asks, by key first, else by session; None where neither was sent. A wrong one is refused (401)."""
        given = connection.headers.get("authorization")
        if given is not None:
            found = await self.bearer(given, client_of(connection.scope))
            return Who(name=found.name, role=found.role, key=found.key)
        cookie = connection.cookies.get(COOKIE)
        return None if cookie is None else await self._by_session(cookie)

    async def bearer(self, header: str, client: str) -> Key:
        """The key of an Authorization header, else 401; tries with keys not known yet are counted."""
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise _wrong("a header `Authorization: Bearer KEY`", "another")
        return await self.key(text, client)

    async def key(self, text: str, client: str, *, action: str = "key") -> Key:
        """The key in force that a text opens, else 401, written down."""
        if not self.keyring.is_remembered(text):
            self.limits.require(Kind.LOGIN, client)
        found = await self.keyring.holder(text)
        if found is None:
            await self.auditor.record(NOBODY, action, is_allowed=False, facts={"reason": "no such key in force"})
            raise _wrong("a key in force", "another, or one that was revoked")
        return found

    async def client(self, scope: Scope) -> str:
        """Whose requests are counted together: those of a key in force, else those of an address."""
        address = client_of(scope)
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, text = header.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or keys.split(text.strip()) is None:
            return address
        is_known = self.keyring.is_remembered(text.strip())
        if not is_known and self.limits.count(Kind.LOGIN, address):
            return address
        found = await self.keyring.holder(text.strip())
        return address if found is None else f"key {found.key}"

    async def _by_session(self, cookie: str) -> Who:
        session = (await self.sessions()).read(cookie, self.clock())
        found = None if session is None else await self.keyring.named(session.key)
        if session is None or found is None:
            raise _wrong("a session in force", "one that has ended")
        return Who(name=found.name, role=found.role, key=found.key, session=session)

    def _open(self) -> Lake:
        with self._lock:
            self._lake = self._lake or Lake.open(self.lake_url)
            return self._lake

    def _signed(self) -> Sessions:
        lake = self._open()
        with self._lock:
            if self._sessions is None:
                self._sessions = Sessions(session_secret(lake, self.secret))
            return self._sessions


def of(connection: HTTPConnection) -> Access:
    """The door of the app that serves a connection."""
    access: Access = connection.app.state.access
    return access


async def reader(request: Request) -> Who:
    """Whoever has a key or a session, of either role; 401 without."""
    who = await of(request).who(request)
    if who is None:
        raise RefusedError(
            "no-key",
            expected="a key or a session",
            found="neither",
            action="log in, or send `Authorization: Bearer KEY`; `urbancast keys new` makes one",
            headers=CHALLENGE,
        )
    if who.session is not None and request.method not in SAFE:
        await _require_meant(request, who, who.session)
    return who


def too_small(who: Who) -> RefusedError:
    """Refusal (403) of someone known who is no operator."""
    return RefusedError(
        "role-too-small",
        expected="the role operator",
        found=f"the role {who.role}",
        action="ask an operator, or log in as one",
        headers={},
    )


async def operator(request: Request) -> Who:
    """Whoever has a key or a session of an operator; 401 without, 403 with less."""
    who = await reader(request)
    if who.role != "operator":
        await refused(request, who, "role")
        raise too_small(who)
    return who


Reader = Annotated[Who, Depends(reader)]
Operator = Annotated[Who, Depends(operator)]


async def record(
    request: Request, who: Who, action: str, *, subject: str = "", product: str = "all", **facts: object
) -> None:
    """Write down what somebody does, before it is done."""
    await of(request).auditor.record(who.name, action, subject=subject, product=product, facts=facts)


def is_own_origin(connection: HTTPConnection, *, must_say: bool = False) -> bool:
    """Whether a browser says that a page of ours asks; ``must_say``: silence is not enough."""
    headers = connection.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:  # no page can write this one
        return site == "same-origin" or (site == "none" and not must_say)
    if origin is None:
        return not must_say
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()


def require_own_origin(connection: HTTPConnection) -> None:
    """RefusedError (403) where a page of another site asks."""
    if not is_own_origin(connection):
        raise RefusedError(
            "cross-site",
            expected="a request of this site's own pages",
            found="one of another site",
            action="use the page of this server; behind a proxy, let it pass the Host header on",
            headers={},
        )


async def _require_meant(request: Request, who: Who, session: Session) -> None:
    """Changes by cookie come from our own page and carry its session's token."""
    if not is_own_origin(request):
        await refused(request, who, "cross-site")
    require_own_origin(request)
    if not is_same(request.headers.get(CSRF_HEADER, ""), session.csrf):
        await refused(request, who, "csrf")
        raise RefusedError(
            "no-csrf-token",
            expected="the session's token in the header X-CSRF-Token",
            found="none, or another",
            action="GET /v1/session gives it as `csrf`",
            headers={},
        )


async def refused(request: Request, who: Who, reason: str) -> None:
    """Write down that somebody known was refused; RefusedError (429) where that happens all the time."""
    of(request).limits.require(Kind.LOGIN, who.key)
    route = getattr(request.scope.get("route"), "path", "unmatched")
    await of(request).auditor.record(
        who.name, "refused", subject=f"{request.method} {route}", is_allowed=False, facts={"reason": reason}
    )


def _wrong(expected: str, found: str) -> RefusedError:
    return RefusedError(
        "wrong-key", expected=expected, found=found, action="log in again, or make a new key", headers=BAD_TOKEN
    )
