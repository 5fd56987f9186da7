"""Look-ups: one place at one time, one place over a span, all places at one time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api.asking import Asked, Found, column, row_of
from urbancast.api.lenses import pair, zone
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.problems import shown
from urbancast.api.schemas import Parameter, parameters, responses, texts
from urbancast.api.state import instant, of
from urbancast.core.errors import QueryError
from urbancast.core.time import floor

router = APIRouter(prefix="/v1/products/{product}", tags=["zone lens"])
PRODUCT = Parameter(
    name="product", where="path", description="Id of a product", example="bikes", is_required=True, max_length=100
)
PLACE = Parameter(name="place", description="Id of a place", example="161", is_required=True, max_length=200)
AT = Parameter(name="at", description="ISO 8601 with an offset; default: now", example="2026-11-21T18:00Z")
FROM = Parameter(name="from", description="First time of a series, instead of at", example="2026-11-21T00:00Z")
TO = Parameter(name="to", description="Time before which a series ends", example="2026-11-22T00:00Z")
START = Parameter(
    name="from",
    description="Products of pairs: id of the zone that trips leave from; default: the busiest",
    example="32",
    max_length=200,
)
MEASURE = Parameter(name="measure", description="Default: the product's first", example="bicycles", max_length=100)
PRIOR = Parameter(
    name="prior",
    description="Share of spaces taken by cars that pay nothing: measure:share, …; products with occupancy only",
    example="green:0.6,blue:0.1",
    max_length=200,
)
ANSWER = {
    "product": "bikes",
    "place": {"id": "p1", "name": "Bridge", "part_of": None, "lat": 1.0, "lon": 2.0},
    "measure": "bicycles",
    "at": "2026-11-21T18:00:00Z",
    "at_local": "2026-11-21T19:00:00+01:00",
    "state": "forecast",
    "mean": 410.2,
    "interval": {"level": 0.8, "low": 350.0, "high": 480.0},
    "sentence": {"en": "Today at 19:00, Bridge: about 410 bicycles/h; 8 in 10 chance of 350–480."},
    "record": {"state": "held", "kind": "replay", "held": 0.79, "plus_minus": 0.05, "n": 412, "local_hour": 19},
    "origin": "2026-11-21T00:00:00Z",
    "provenance": "sample",
    "simulated": True,
}
MAP = {
    "product": "bikes",
    "at": "2026-11-21T18:00:00Z",
    "places": ["p1"],
    "mean": [410.2],
    "breaks": [5, 20, 60, 150, 400],
}


@router.get(
    "/forecast",
    summary="One place: at a time, or from a time to another",
    responses=responses(ANSWER, 404, 422, 503),
    openapi_extra=parameters(PRODUCT, PLACE, AT, FROM, TO, MEASURE, PRIOR),
)
async def forecast(request: Request) -> Response:
    """Return one Answer; with ``from`` or ``to`` the series of [from, to), past hours as they were forecast then."""
    given = texts(request, PLACE, AT, FROM, TO, MEASURE, PRIOR)
    asked = of(request).ask(request.path_params["product"], given["measure"])
    row = row_of(asked, given["place"] or "")
    start, end = given["from"], given["to"]
    if start is None and end is None and given["prior"]:
        col = column(asked, instant(given["at"]))
        count(request, asked, row, col)
        body = encode(zone.answer(asked, Found(row=row), col, prior=_prior(given["prior"])))
        return send(request, Payload(body, digest(body), values=1))
    if start is None and end is None:
        col = column(asked, instant(given["at"]))
        count(request, asked, row, col)
        return send(request, answer_payload(asked, row, col))
    if given["at"] is not None:
        raise QueryError("malformed-query", expected="`at`, or `from` and `to`", found="both", action="drop one")
    found = zone.series(asked, row, instant(start), instant(end))
    body = encode(found)
    return send(request, Payload(body, digest(body), values=len(found["series"])))


def count(request: Request, asked: Asked, row: int, col: int) -> None:
    """Note which zone and local hour was asked for; the outer ring counts it, and nothing finer."""
    place = asked.listing.ids[row].partition(">")[0]
    hour = asked.snapshot.axis.time(col).astimezone(ZoneInfo(asked.view.product.tz)).hour
    request.scope["urbancast.asked"] = (asked.view.product.id, place, hour)


def _prior(text: str) -> dict[str, float]:
    """Shares by measure of ``measure:share,…``."""
    found: dict[str, float] = {}
    for part in text.split(","):
        measure, _, share = part.partition(":")
        try:
            found[measure.strip()] = float(share)
        except ValueError:
            raise QueryError("malformed-prior", expected="measure:share, such as green:0.6", found=shown(part),
                             action="write it so, or leave it out") from None  # fmt: skip
    return found


def answer_payload(asked: Asked, row: int, col: int) -> Payload:
    """Encoded Answer, remembered for as long as its snapshot and its "today" last."""
    key = ("answer", asked.grid.measure.id, row, col, asked.now.toordinal(), asked.now.hour)
    cache = asked.snapshot.cache
    known = cache.get(key)
    if known is not None:
        return known
    body = encode(zone.answer(asked, Found(row=row), col))
    return cache.keep(key, Payload(body, digest(body), values=1))


@router.get(
    "/map",
    summary="All places at one time",
    responses=responses(MAP, 404, 422, 503),
    openapi_extra=parameters(PRODUCT, AT, MEASURE, START),
)
async def city_map(request: Request) -> Response:
    """Return every place's forecast for one interval, and the class limits that colour it."""
    given = texts(request, AT, MEASURE, START)
    asked = of(request).ask(request.path_params["product"], given["measure"])
    col = column(asked, instant(given["at"]))
    is_paired = asked.snapshot.book is not None or given["from"] is not None
    start = pair.start_of(asked, given["from"]) if is_paired else -1
    key = ("map", asked.grid.measure.id, col, start, floor(asked.now, asked.snapshot.axis.step))
    known = asked.snapshot.cache.get(key)
    if known is None:
        found = pair.city_map(asked, start, col) if is_paired else zone.city_map(asked, col)
        body = encode(found)
        known = asked.snapshot.cache.keep(key, Payload(body, digest(body), values=len(found["places"])))
    return send(request, known)
