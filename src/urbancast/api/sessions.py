"""Sessions: a signed cookie that names a key, for eight hours; what it opens is asked of the key each time."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import jwt

COOKIE = "urbancast_session"
CSRF_HEADER = "x-csrf-token"
LIFETIME = timedelta(hours=8)
_ALGORITHM = "HS256"
_LONGEST = 1024
_CLAIMS = ["sub", "jti", "iat", "exp"]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session in force: its key's public part, its token against forged requests, its end."""

    id: str
    key: str
    csrf: str
    expires_at: datetime


@dataclass
class Sessions:
    """Makes and reads the cookie's text; ``secret`` signs it. Ended sessions are remembered until they would end."""

    secret: bytes
    ended: dict[str, datetime] = field(default_factory=dict)

    def begin(self, key: str, now: datetime) -> tuple[str, Session]:
        """Text of the cookie of a new session of a key, and the session."""
        id_, end = secrets.token_urlsafe(16), now.replace(microsecond=0) + LIFETIME
        claims = {"sub": key, "jti": id_, "iat": int(now.timestamp()), "exp": int(end.timestamp())}
        token = jwt.encode(claims, self._derived("session"), algorithm=_ALGORITHM)
        return token, Session(id=id_, key=key, csrf=self._csrf(id_), expires_at=end)

    def read(self, token: str, now: datetime) -> Session | None:
        """The session of a cookie's text; None where it is not ours, not whole, or over."""
        if len(token) > _LONGEST:
            return None
        try:
            claims = jwt.decode(
                token,
                self._derived("session"),
                algorithms=[_ALGORITHM],
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
            end = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, OSError):
            return None
        id_ = str(claims["jti"])
        if end <= now or id_ in self.ended:
            return None
        return Session(id=id_, key=str(claims["sub"]), csrf=self._csrf(id_), expires_at=end)

    def end(self, session: Session, now: datetime) -> None:
        """End a session before its time."""
        self.ended = {id_: until for id_, until in self.ended.items() if until > now} | {session.id: session.expires_at}

    def _csrf(self, id_: str) -> str:
        return hmac.new(self._derived("csrf"), id_.encode(), sha256).hexdigest()

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self.secret, f"urbancast {purpose}".encode(), sha256).digest()


def is_same(given: str, expected: str) -> bool:
    """Whether two texts are the same, told in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
