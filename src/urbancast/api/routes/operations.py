"""Behind the login: how every product stands, what ran, and what an operator asks for."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from urbancast.api import access, operations_runs, runbooks
from urbancast.api.access import Operator, Reader
from urbancast.api.operations import Operations
from urbancast.api.operations_requests import RequestQuery, understood
from urbancast.api.operations_runs import A_PAGE, MOST, Wanted
from urbancast.api.payload import JSON, Payload, digest, encode, send
from urbancast.api.routes.export import Csv
from urbancast.api.schemas import responses
from urbancast.api.state import Here, instant
from urbancast.lake import audit, requests

router = APIRouter(prefix="/v1/operations", tags=["operating"])
books = APIRouter(include_in_schema=False)
STANDING: dict[str, Any] = {"at": "2026-11-21T11:20:00Z", "leases": [], "products": [{"product": "bikes"}], "links": {}}
RUN = {"run": "pull-bikes-2026-11-21T05:00:00Z", "flow": "pull", "state": "done", "seconds": 3.2, "steps": 6}
RAW: dict[str, Any] = {"product": "bikes", "release": None, "pages": 31, "rows": 90112, "bytes": 5242880, "listed": []}
CSV = "product,run,flow,state,started,ended,seconds,steps,tries,message\n"
Before = Annotated[str | None, Query(max_length=64, description="Only what began before this instant")]
Flow = Annotated[str | None, Query(max_length=40)]
State = Annotated[str | None, Query(max_length=20)]


def of(request: Request) -> Operations:
    """What the app that serves a request knows of its operation."""
    operations: Operations = request.app.state.operations
    return operations


@router.get("", summary="How every product stands", responses=responses(STANDING, 401, 503))
async def every(request: Request, who: Reader, here: Here) -> Response:
    """Champions and lineage, runs, freshness, alerts, verdicts, drift, requests; the worst product first."""
    operations = of(request)
    found = await asyncio.to_thread(operations.all)
    body = encode({"at": operations.at(), **found})
    return send(request, Payload(body, digest(encode(found))), is_private=True)


@router.get("/audit", summary="Who did what", responses=responses({"audit": []}, 401, 403, 503))
async def audited(
    request: Request,
    who: Operator,
    here: Here,
    *,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """Decisions behind the login, newest first; ``next`` is ``before`` of the following page."""
    rows = await asyncio.to_thread(lambda: audit.read(of(request).lake, before=instant(before), limit=limit))
    told = [{**row, "at": row["at"].isoformat().replace("+00:00", "Z")} for row in rows]
    return _answer({"audit": told, "next": told[-1]["at"] if len(told) == limit else None})


@router.get("/{product}/runs", summary="Runs, newest first", responses=responses({"runs": [RUN]}, 401, 404, 422, 503))
async def runs(  # noqa: PLR0913 - one argument a query parameter
    request: Request,
    product: str,
    who: Reader,
    here: Here,
    *,
    before: Before = None,
    flow: Flow = None,
    state: State = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = A_PAGE,
) -> Response:
    """One entry a run: started, seconds, outcome, steps, message; ``next`` is ``before`` of the following page."""
    operations = of(request)
    name = operations.product(product).id
    wanted = Wanted(before=instant(before), flow=flow, state=state, limit=limit)
    found = await asyncio.to_thread(lambda: operations_runs.page(operations.look(), name, wanted))
    return _answer(found)


@router.get(
    "/{product}/runs.csv",
    summary="Runs as CSV",
    response_class=Csv,
    responses=responses(CSV, 401, 404, 422, 503, media="text/csv"),
)
async def runs_csv(
    request: Request, product: str, who: Reader, here: Here, *, flow: Flow = None, state: State = None
) -> Response:
    """Every run kept, or those of a flow or in a state."""
    operations = of(request)
    name = operations.product(product).id
    wanted = Wanted(flow=flow, state=state)
    text = await asyncio.to_thread(lambda: operations_runs.csv(operations.look(), name, wanted))
    head = {"Content-Disposition": f'attachment; filename="{name}-runs.csv"', "Cache-Control": "no-store"}
    return Response(text, headers=head, media_type="text/csv; charset=utf-8")


@router.get("/{product}/runs/{run}", summary="One run: steps and log", responses=responses(RUN, 401, 404, 503))
async def one_run(request: Request, product: str, run: str, who: Reader, here: Here) -> Response:
    """Steps with their facts, and the lines of the run's log."""
    operations = of(request)
    name = operations.product(product).id
    return _answer(await asyncio.to_thread(lambda: operations_runs.detail(operations.look(), name, run)))


@router.get("/{product}/raw", summary="Raw pages", responses=responses(RAW, 401, 404, 422, 503))
async def raw(
    request: Request,
    product: str,
    who: Reader,
    here: Here,
    *,
    release: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Pages that a release (default: the product) was made of, the newest first, each with the hash of its bytes."""
    operations = of(request)
    return _answer(await asyncio.to_thread(operations.raw, product, release))


@router.get(
    "/{product}/reports/{day}",
    summary="A page on drift",
    response_class=HTMLResponse,
    responses=responses("<!doctype html>…", 401, 404, 422, 503, media="text/html"),
)
async def report(request: Request, product: str, day: date, who: Reader, here: Here) -> Response:
    """Evidently's page of a day, to be kept: its script is its own, so it is not shown from this address."""
    body = await asyncio.to_thread(of(request).report, product, day)
    name = f'attachment; filename="{product}-drift-{day.isoformat()}.html"'
    return Response(body, headers={"Content-Disposition": name, "Cache-Control": "private, no-store"},
                    media_type="text/html; charset=utf-8")  # fmt: skip


@router.post(
    "/{product}/requests",
    summary="Retrain, promote, rollback, pause or resume",
    status_code=202,
    responses=responses({"request": "2b1c…", "state": "asked"}, 401, 403, 404, 409, 413, 422, 503),
)
async def ask(request: Request, product: str, who: Operator, query: RequestQuery, here: Here) -> Response:
    """Write a request down; the daemon carries it out, and its outcome stands in ``requests``."""
    operations = of(request)
    promise = operations.product(product)
    identity = query.request or uuid4().hex
    arguments = await asyncio.to_thread(lambda: understood(operations.look(), promise, query))
    facts = {"verb": query.verb, "arguments": arguments}
    await access.record(request, who, "request", subject=identity, product=promise.id, **facts)
    await asyncio.to_thread(
        lambda: requests.ask(
            operations.lake, promise.id, identity, verb=query.verb, arguments=arguments, by=who.name,
            at=datetime.now(UTC),
        )
    )  # fmt: skip
    return _answer({"request": identity, "state": "asked"}, status=202)


@books.get("/runbooks/{kind}")
async def runbook(kind: str) -> Response:
    """What an alert means, what to look at, what to do."""
    return HTMLResponse(await asyncio.to_thread(runbooks.page, kind, runbooks.folder()))


def _answer(content: dict[str, Any], *, status: int = 200) -> Response:
    return Response(encode(content), status, {"Cache-Control": "private, no-store"}, JSON)
