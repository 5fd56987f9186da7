"""Stock plans: by query, by body (with what stands where), as a table."""

from __future__ import annotations

import csv
import io

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api.lenses import stock
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.routes.forecast import PRODUCT
from urbancast.api.schemas import Parameter, StockQuery, parameters, responses, texts
from urbancast.api.state import Here, State, of
from urbancast.api.stock_terms import Asking, number_of

router = APIRouter(prefix="/v1/products/{product}", tags=["stock lens"])
LEVEL = Parameter(name="service_level", description="Share of windows whose need is covered", example="0.9")
SHORT = Parameter(name="shortage_cost", description="Cost of one vehicle short; with idle_cost", example="8")
IDLE = Parameter(name="idle_cost", description="Cost of one vehicle idle; with shortage_cost", example="1")
TURNS = Parameter(name="turns", description="Trips a vehicle makes on a day", example="2.5")
FLEET = Parameter(name="fleet", description="Vehicles to share out, all of them", example="500")
DAYS = Parameter(name="days", description="Days that the stock must last", example="3")
TERMS = (LEVEL, SHORT, IDLE, TURNS, FLEET, DAYS)
PLAN = {
    "product": "scooters",
    "first_day": "2026-11-22",
    "days": 3,
    "parameters": {"service_level": 0.9, "turns": 2.5, "fleet": None},
    "rows": [{"place": "8", "name": "Harbour", "need": {"mean": 61.0, "q10": 40.0, "q90": 85.0}, "stock": 34}],
    "total": {"stock": 34, "peak": {"mean": 24.4, "q10": 16.0, "q90": 34.0}, "fleet": None},
    "transfers": [{"from": "8", "to": "32", "count": 4, "distance_km": 1.9}],
    "simulated": True,
}
_CSV = "place,name,need_mean,need_q10,need_q90,stock,allocation,shortage_chance,…,provenance,simulated\n"


class Csv(Response):
    """Media type of the table, for the OpenAPI page."""

    media_type = "text/csv"


@router.get(
    "/stock-plan",
    summary="What each place must hold",
    responses=responses(PLAN, 404, 422, 503),
    openapi_extra=parameters(PRODUCT, *TERMS),
)
async def stock_plan(request: Request) -> Response:
    """Return the stock by place for a service level or costs; with a fleet, its allocation and transfers."""
    key, asked = _asked(of(request), request)
    known = asked.snapshot.cache.get(key)
    if known is None:
        body = encode(stock.plan(asked))
        known = asked.snapshot.cache.keep(key, Payload(body, digest(body)))
    return send(request, known)


@router.get(
    "/stock-plan.csv",
    summary="The same as a table",
    response_class=Csv,
    responses=responses(_CSV, 404, 422, 503, media="text/csv"),
    openapi_extra=parameters(PRODUCT, *TERMS),
)
async def stock_table(request: Request) -> Response:
    """Return one row a place, provenance in every row."""
    _, asked = _asked(of(request), request)
    rows = stock.table(stock.plan(asked))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    head = {"Content-Disposition": f'attachment; filename="{asked.view.product.id}-stock-plan.csv"',
            "Cache-Control": "no-cache"}  # fmt: skip
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=head)


@router.post("/stock-plan", summary="The same, with what stands where", responses=responses(PLAN, 404, 413, 422, 503))
async def stock_plan_with(request: Request, product: str, query: StockQuery, here: Here) -> Response:
    """Return the plan and the transfers from ``standing``, vehicles by place now."""
    asked = stock.ask(here.view(product), Asking(**query.model_dump()), here.clock())
    body = encode(stock.plan(asked))
    return send(request, Payload(body, digest(body)), is_private=True)


def _asked(here: State, request: Request) -> tuple[tuple[object, ...], stock.Asked]:
    given = texts(request, *TERMS)
    said = {name: number_of(name, text) for name, text in given.items()}
    asking = Asking(
        service_level=said["service_level"],
        shortage_cost=said["shortage_cost"],
        idle_cost=said["idle_cost"],
        turns=said["turns"],
        fleet=said["fleet"],
        days=said["days"],
    )
    asked = stock.ask(here.view(request.path_params["product"]), asking, here.clock())
    day = asked.now.astimezone().toordinal()
    return ("stock", day, *given.values()), asked
