"""The API: look-ups in memory over what the lake holds; never runs a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware

from urbancast import products
from urbancast.api import problems, security
from urbancast.api.access import Access
from urbancast.api.follower import Follower
from urbancast.api.gate import Gate
from urbancast.api.limits import Limits
from urbancast.api.metrics import Metrics
from urbancast.api.operations import Operations
from urbancast.api.routes import (
    answer,
    export,
    forecast,
    gate,
    health,
    near,
    operations,
    pages,
    pair,
    products as catalogue,
    record,
    route,
    session,
    stock,
)
from urbancast.api.state import State
from urbancast.core.product import Product
from urbancast.settings import settings

DESCRIPTION = (
    "Open forecasts of how a city moves: what was promised, how sure we were, and how we did. "
    "Times are ISO 8601 in UTC. Every payload says where its numbers come from (`provenance`) and whether they are "
    "`simulated`. Locations are sent in POST bodies and kept out of URLs and logs."
)

FIRST_LOOK_S = 1.0


def utc_now() -> datetime:
    """Return the wall clock."""
    return datetime.now(UTC)


def create_app(
    lake_url: str | None = None,
    *,
    catalog: Mapping[str, Product] | None = None,
    clock: Callable[[], datetime] = utc_now,
    poll_seconds: float | None = None,
    host: str | None = None,
    web: Path | None = None,
) -> FastAPI:
    """App over the lake at ``lake_url`` for the products of ``catalog``; by default both are the deployment's."""
    deployed = settings()
    known = products.discover() if catalog is None else catalog
    metrics = Metrics()
    follower = Follower(
        lake_url or deployed.lake,
        known,
        clock=clock,
        swapped=lambda product: metrics.swaps.labels(product).inc(),
        failed=metrics.lake_failures.inc,
        looked=lambda lake, world: metrics.loop.read(lake, world.records, clock()),
    )
    access = Access(follower.lake_url, clock, Limits.of(deployed), deployed.secret.get_secret_value())
    ring = Middleware(
        security.Ring,
        metrics=metrics,
        access=access,
        hosts=security.allowed_hosts(host or deployed.host, deployed.hosts),
        basemap=deployed.basemap,
    )
    app = FastAPI(
        title="Urbancast",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,
        lifespan=_following(follower, deployed.poll_seconds if poll_seconds is None else poll_seconds),
        middleware=[ring],
    )
    app.state.urbancast = State(follower=follower, metrics=metrics, clock=clock, lake_url=follower.lake_url)
    app.state.access = access
    app.state.gate = Gate.of(deployed)
    app.state.operations = Operations(follower.lake_url, known, clock)
    problems.install(app)
    for part in (catalogue, forecast, answer, pair, route, near, stock, record, export, session, gate, health, pages):
        app.include_router(part.router)
    for behind in (operations.router, operations.books):
        app.include_router(behind)
    pages.mount(app, web or pages.web_folder())
    return app


def _following(follower: Follower, every: float) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Lifespan: a first look, then one every ``every`` seconds (0: none, and the first is waited for to its end).

    A large lake is answered from as its products come, one by one; a small one is whole before the first request.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        first = asyncio.create_task(asyncio.to_thread(follower.look))
        await asyncio.wait({first}, timeout=FIRST_LOOK_S if every > 0 else None)
        task = asyncio.create_task(_follow(first, follower, every)) if every > 0 else first
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


async def _follow(first: asyncio.Task[None], follower: Follower, every: float) -> None:
    await first
    await follower.follow(every)
