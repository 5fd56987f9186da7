"""What a route works on: the world of this moment, the clock, and the product asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request

from urbancast.api.asking import Asked, ask
from urbancast.api.follower import Follower
from urbancast.api.metrics import Metrics
from urbancast.api.problems import shown
from urbancast.api.schemas import refuse_unknown
from urbancast.api.snapshot import View, World
from urbancast.core.errors import QueryError
from urbancast.core.time import parse_instant

_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything a request may touch."""

    follower: Follower
    metrics: Metrics
    clock: Callable[[], datetime]
    lake_url: str

    @property
    def world(self) -> World:
        """Return the newest whole world."""
        return self.follower.world

    def view(self, product: str) -> View:
        """View of a product by its id."""
        found = self.world.views.get(product)
        if found is None:
            known = ", ".join(self.world.views) or "none is installed"
            action = "GET /v1/products lists them"
            raise QueryError(
                "unknown-product", expected=f"one of {known}", found=shown(product), action=action, status=404
            )
        return found

    def ask(self, product: str, measure: str | None) -> Asked:
        """Question to a product's zone lens."""
        return ask(self.view(product), measure, self.clock())


def of(request: Request) -> State:
    """State of the app that serves a request."""
    state: State = request.app.state.urbancast
    return state


async def _here(request: Request) -> State:  # async: FastAPI sends a plain function to a thread
    route = request.scope.get("route")
    if request.scope["query_string"] and isinstance(route, APIRoute) and route.path.startswith("/v1/"):
        refuse_unknown(request, {field.alias for field in route.dependant.query_params})
    return of(request)


Here = Annotated[State, Depends(_here)]


def instant(text: str | None) -> datetime | None:
    """Instant of a query parameter; a ``+`` lost in the URL is put back, a year out of reach refused."""
    if text is None:
        return None
    try:
        return parse_instant(_LOST_PLUS.sub("+", text))
    except (OverflowError, ValueError):
        raise QueryError("malformed-time", expected="an ISO 8601 time of this era with an offset",
                         found=shown(text), action="write the time as 2021-07-12T00:00Z") from None  # fmt: skip
