"""How much one client may ask a minute; kept in memory, by key or by address, and written nowhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from time import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import Scope

from urbancast.api.problems import RefusedError
from urbancast.settings import Settings

LOCAL = frozenset({"127.0.0.1", "::1", "testclient"})


class Kind(StrEnum):
    """What is counted apart."""

    LOOKUP = "look-ups"
    ROUTE = "routes and answers"
    LOGIN = "tries to log in"


@dataclass
class Limits:
    """Counts by a moving window of a minute; a limit of 0 is none."""

    lookups: int = 0
    routes: int = 0
    logins: int = 0
    _items: dict[Kind, RateLimitItem] = field(init=False)
    _window: SlidingWindowCounterRateLimiter = field(init=False)

    def __post_init__(self) -> None:
        """Set the limits up."""
        given = {Kind.LOOKUP: self.lookups, Kind.ROUTE: self.routes, Kind.LOGIN: self.logins}
        self._items = {kind: RateLimitItemPerMinute(most, namespace=kind) for kind, most in given.items() if most}
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    @staticmethod
    def of(deployed: Settings) -> Limits:
        """The deployment's limits."""
        return Limits(
            lookups=deployed.lookups_per_minute, routes=deployed.routes_per_minute, logins=deployed.logins_per_minute
        )

    def count(self, kind: Kind, client: str) -> int:
        """Count one; seconds to wait where that is one too many, else 0."""
        item = self._items.get(kind)
        if item is None or self._window.hit(item, client):
            return 0
        return max(1, math.ceil(self._window.get_window_stats(item, client).reset_time - time()))

    def require(self, kind: Kind, client: str) -> None:
        """Count one; RefusedError (429) where that is one too many."""
        wait = self.count(kind, client)
        if wait:
            raise refusal(kind, self._items[kind].amount, wait)


def refusal(kind: Kind, most: int, wait: int) -> RefusedError:
    """Problem of one request too many, with the seconds to wait."""
    return RefusedError(
        "too-many-requests",
        expected=f"at most {most} {kind} a minute",
        found="one more",
        action=f"try again in {wait} seconds",
        headers={"Retry-After": str(wait)},
    )


def client_of(scope: Scope) -> str:
    """Address of who asks; behind a trusted proxy, the one it names."""
    client = scope.get("client")
    return str(client[0]) if client else ""
