"""The products, their places, and the strip."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import describe
from urbancast.api.payload import GEOJSON, Payload, digest, encode, send
from urbancast.api.schemas import responses
from urbancast.api.state import Here
from urbancast.core.errors import NotReadyError

router = APIRouter(prefix="/v1", tags=["products"])
LISTED = [
    {"id": "bikes", "city": "Exampleville", "grain": "1h", "horizon_hours": 72, "state": "ready", "simulated": True}
]
PLACES: dict[str, Any] = {"type": "FeatureCollection", "features": [], "mask": None, "simulated": True}
STRIP = {"products": [{"id": "bikes", "state": "ready", "progress": 1.0}], "ready": 1, "alerts": []}


class GeoJson(Response):
    """Media type of the places, for the OpenAPI page."""

    media_type = GEOJSON


@router.get("/products", summary="All products and how they stand", responses=responses(LISTED))
async def products(request: Request, here: Here) -> Response:
    """List every product: its question, unit, grain, horizon, places, what is served, how fresh."""
    now = here.clock()
    body = encode([describe.product(view, now) for view in here.world.views.values()])
    return send(request, Payload(body, digest(body)))


@router.get("/products/{product}", summary="One product", responses=responses(LISTED[0], 404, 422))
async def product(request: Request, product: str, here: Here) -> Response:
    """Return one product of the list."""
    body = encode(describe.product(here.view(product), here.clock()))
    return send(request, Payload(body, digest(body)))


@router.get(
    "/products/{product}/places",
    summary="Places as GeoJSON, with mask, water and landmarks",
    response_class=GeoJson,
    responses=responses(PLACES, 404, 422, 503, media=GEOJSON),
)
async def places(request: Request, product: str, here: Here) -> Response:
    """Return the places of a product, drawn as a schematic where there are no real boundaries."""
    atlas = here.view(product).atlas
    if atlas is None:
        raise NotReadyError(f"{product} has no places yet; try again in a moment")
    return send(request, atlas.geojson)


@router.get("/status", tags=["operation"], summary="The strip", responses=responses(STRIP))
async def status(request: Request, here: Here) -> Response:
    """Return each product's state, progress and freshness, and open alerts."""
    body = encode(describe.status(here.world, here.clock()))
    return send(request, Payload(body, digest(body)))
