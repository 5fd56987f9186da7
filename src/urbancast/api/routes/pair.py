"""From one place to another: by their ids in the URL, by addresses or points in the body."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import pair_ends
from urbancast.api.asking import Asked, column
from urbancast.api.lenses import pair
from urbancast.api.lenses.pair import Ends
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.routes.forecast import AT, MEASURE, PRODUCT
from urbancast.api.schemas import End, Name, Parameter, parameters, responses, texts
from urbancast.api.state import Here, instant, of

router = APIRouter(prefix="/v1/products/{product}", tags=["pair lens"])
FROM = Parameter(
    name="from", description="Id of the zone a trip leaves from; empty: not known", example="8", is_required=True,
    max_length=200,
)  # fmt: skip
TO = Parameter(
    name="to", description="Id of the zone it goes to; empty: not known", example="32", is_required=True,
    max_length=200,
)  # fmt: skip
PAIR = {
    "product": "taxi",
    "from": {"id": "8", "name": "North", "part_of": None, "lat": 1.0, "lon": 2.0},
    "to": {"id": "32", "name": "South", "part_of": None, "lat": 1.1, "lon": 2.0},
    "place": "8>32",
    "is_direct": True,
    "band": None,
    "distance_km": 11.1,
    "measure": "minutes",
    "at": "2026-11-21T18:00:00Z",
    "state": "forecast",
    "mean": 24.1,
    "median": 22.8,
    "interval": {"level": 0.8, "low": 17.0, "high": 33.5},
    "series": [{"time": "2026-11-21T18:00:00Z", "mean": 24.1, "q10": 17.0, "q50": 22.8, "q90": 33.5}],
    "shares": {"quarantined": 0.03, "scope": "pair"},
    "provenance": "sample",
    "simulated": True,
}


class PairQuery(BaseModel):
    """Two ends and a time of departure. Sent in the body: locations stay out of URLs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from": "Central Park", "to": {"place": "132"}, "at": "2026-11-21T18:00Z"}]},
    )

    start: End = Field(alias="from")
    end: End = Field(alias="to")
    at: str | None = Field(default=None, max_length=64, description="ISO 8601 with an offset; default: now")
    measure: Name | None = None


@router.get(
    "/pair",
    summary="From one zone to another, by their ids",
    responses=responses(PAIR, 404, 422, 503),
    openapi_extra=parameters(PRODUCT, FROM, TO, AT, MEASURE),
)
async def by_id(request: Request) -> Response:
    """Return what a trip takes that leaves now or at a time, and the 24 departures from there on."""
    given = texts(request, FROM, TO, AT, MEASURE)
    asked = of(request).ask(request.path_params["product"], given["measure"])
    ends = pair.ends_of(asked, given["from"] or "", given["to"] or "")
    return send(request, _payload(asked, ends, column(asked, instant(given["at"]))))


@router.post("/pair", summary="From one address or point to another", responses=responses(PAIR, 404, 413, 422, 503))
async def by_ends(request: Request, product: str, query: PairQuery, here: Here) -> Response:
    """Return the same for two ends, each a point, an address or landmark, or a zone's id."""
    asked = here.ask(product, query.measure)
    ends = pair_ends.resolve(asked, query.start, query.end)
    return send(request, _payload(asked, ends, column(asked, instant(query.at))), is_private=True)


def _payload(asked: Asked, ends: Ends, col: int) -> Payload:
    """Encoded answer, remembered for as long as its snapshot and its "today" last."""
    key = ("pair", asked.grid.measure.id, ends, col, asked.now.toordinal(), asked.now.hour)
    known = asked.snapshot.cache.get(key)
    if known is not None:
        return known
    body = encode(pair.answer(asked, ends, col))
    return asked.snapshot.cache.keep(key, Payload(body, digest(body)))
