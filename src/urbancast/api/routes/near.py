"""What lies ahead of a point: sent in the body, never in the URL."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import ends, roads as served
from urbancast.api.ends import Spot
from urbancast.api.lenses import near as lens
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.routes.route import Cutoff
from urbancast.api.schemas import Latitude, Longitude, Number, responses
from urbancast.api.state import Here

router = APIRouter(prefix="/v1/products/{product}", tags=["route lens"])
NEAR = {
    "product": "crashes",
    "at": "2026-11-21T18:00:00Z",
    "warnings": [{"place": "12", "name": "Pier", "lat": 40.7, "lon": -74.0, "distance_m": 240, "bearing": 31,
                  "expected": 0.002, "lift": 3.4, "events": 34, "years": 2.2}],
    "budget": {"most": 3, "held_back": 2},
}  # fmt: skip


class NearQuery(BaseModel):
    """A point, how far to look, and, where known, the direction of travel in degrees from north."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"lat": 40.758, "lon": -73.9855, "radius_m": 800, "heading": 29}]},
    )

    lat: Latitude
    lon: Longitude
    radius_m: Annotated[Number, Field(ge=50, le=5000)] = 800.0
    heading: Annotated[Number, Field(ge=0, le=360)] | None = None
    cutoff: Cutoff | None = None


@router.post("/near", summary="What lies ahead of a point", responses=responses(NEAR, 404, 413, 422, 503))
async def near(request: Request, product: str, query: NearQuery, here: Here) -> Response:
    """Return at most three warnings of stretches with clearly more reported crashes, what matters most first."""
    asked = here.ask(product, None)
    view = asked.view
    roads = served.required(
        view.roads, view.product, is_schematic=asked.atlas.is_schematic, is_simulated=view.is_simulated
    )
    spot = ends.check(asked, roads, Spot(lat=query.lat, lon=query.lon, name=None), "lat and lon")
    found = lens.answer(asked, roads, spot, radius_m=query.radius_m, heading=query.heading, cutoff=query.cutoff)
    body = encode(found)
    return send(request, Payload(body, digest(body)), is_private=True)
