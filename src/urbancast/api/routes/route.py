"""From here to there: ends stand in the body, never in the URL."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import ends, roads as served
from urbancast.api.asking import Asked
from urbancast.api.lenses import route as lens
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.roads import Roads
from urbancast.api.schemas import End, Number, responses
from urbancast.api.state import Here, instant

router = APIRouter(prefix="/v1/products/{product}", tags=["route lens"])
Cutoff = Annotated[Number, Field(gt=0, le=1000)]
ROUTE = {
    "product": "crashes",
    "depart_at": "2026-11-21T18:00:00Z",
    "from": {"lat": 40.7, "lon": -74.0, "name": "Pier", "snapped_m": 12.0},
    "to": {"lat": 40.8, "lon": -73.95, "name": "Park", "snapped_m": 3.0},
    "routes": [
        {"id": 0, "length_m": 13200, "duration_s": 1510, "expected": 0.061, "chance_of_any": 0.058, "per_km": 0.0046,
         "lift": 1.3, "zones": [{"place": "12", "name": "Pier", "expected": 0.004, "lift": 1.1, "is_flagged": False}]}
    ],
    "departures": [{"depart_at": "2026-11-21T18:00:00Z", "is_night": False,
                    "routes": [{"id": 0, "expected": 0.061, "duration_s": 1510}]}],
    "cutoff": {"lift": 1.6, "is_default": True},
    "words": {"fewer": {"en": "No other way sees clearly fewer reported crashes."}},
}  # fmt: skip


class RouteQuery(BaseModel):
    """Two ends (a point, an address or a place each; a text is an address), a departure, and what to flag."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"from": "Times Square", "to": {"lat": 40.69, "lon": -73.99}, "depart_at": "2026-11-21T18:00Z"}
            ]
        },
    )

    start: End = Field(alias="from")
    end: End = Field(alias="to")
    depart_at: str | None = Field(default=None, max_length=64, description="ISO 8601 with an offset; default: now")
    cutoff: Cutoff | None = Field(default=None, description="Times the city's average from which a zone is flagged")


@router.post("/route", summary="Routes, and what is expected on them", responses=responses(ROUTE, 404, 413, 422, 503))
async def route(request: Request, product: str, query: RouteQuery, here: Here) -> Response:
    """Return up to three routes with zones, arrival times and expected reports, and the next 24 departures."""
    asked = here.ask(product, None)
    view = asked.view
    roads = served.required(
        view.roads, view.product, is_schematic=asked.atlas.is_schematic, is_simulated=view.is_simulated
    )
    depart = instant(query.depart_at)
    # A router or geocoder elsewhere may take its time: other answers do not wait for it.
    found = await asyncio.to_thread(_answer, asked, roads, query, depart)
    body = encode(found)
    return send(request, Payload(body, digest(body)), is_private=True)


def _answer(asked: Asked, roads: Roads, query: RouteQuery, depart: datetime | None) -> dict[str, Any]:
    start = ends.resolve(asked, roads, query.start, which="from")
    end = ends.resolve(asked, roads, query.end, which="to", near=start.point)
    return lens.answer(asked, roads, start, end, depart_at=depart, cutoff=query.cutoff)
