"""Questions that name a location: in the body, never in the URL."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import locate
from urbancast.api.asking import column
from urbancast.api.lenses import zone
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.routes.forecast import ANSWER, answer_payload, count
from urbancast.api.schemas import AnswerQuery, SearchQuery, responses
from urbancast.api.state import Here, instant
from urbancast.core.errors import NotReadyError

router = APIRouter(prefix="/v1/products/{product}", tags=["zone lens"])
HITS = {"hits": [{"name": "Bridge", "kind": "site", "place": "p1", "lat": 1.0, "lon": 2.0}]}


@router.post("/answer", summary="Ask by place, address or point", responses=responses(ANSWER, 404, 413, 422, 503))
async def answer(request: Request, product: str, query: AnswerQuery, here: Here) -> Response:
    """Return one Answer for a place's id, an address or landmark, or a point."""
    asked = here.ask(product, query.measure)
    found = locate.find(asked, query)
    col = column(asked, instant(query.at))
    count(request, asked, found.row, col)
    if found.distance_m is None and found.point is None and not query.prior:
        return send(request, answer_payload(asked, found.row, col), is_private=True)
    body = encode(zone.answer(asked, found, col, prior=query.prior or {}))
    return send(request, Payload(body, digest(body), values=1), is_private=True)


@router.post(
    "/search", summary="Places and landmarks by the beginning of a name", responses=responses(HITS, 404, 413, 422, 503)
)
async def search(request: Request, product: str, query: SearchQuery, here: Here) -> Response:
    """Return hits, best first; case, accents and unfinished words are forgiven."""
    atlas = here.view(product).atlas
    if atlas is None:
        raise NotReadyError(f"{product} has no places yet; try again in a moment")
    body = encode({"hits": [locate.described(hit) for hit in atlas.gazetteer.search(query.text, query.limit)]})
    return send(request, Payload(body, digest(body)), is_private=True)
