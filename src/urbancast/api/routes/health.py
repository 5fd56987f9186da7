"""Is it alive, can it answer, how is it doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from urbancast.api.describe import ages
from urbancast.api.metrics import CONTENT_TYPE_LATEST
from urbancast.api.payload import JSON, encode
from urbancast.api.schemas import responses
from urbancast.api.state import Here
from urbancast.core.time import iso

router = APIRouter(tags=["operation"])
READY = {"ready": True, "products": {"bikes": {"ready": True, "origin_age_hours": 3.2}}, "trouble": None}


@router.get("/healthz", summary="Alive", responses=responses({"alive": True}))
async def healthz() -> Response:
    """Say that the process answers."""
    return Response(b'{"alive":true}', media_type=JSON, headers={"Cache-Control": "no-store"})


@router.get("/readyz", summary="Can answer; ages in the body", responses=responses(READY, 503))
async def readyz(here: Here) -> Response:
    """Say whether at least one product can answer. Stale is not unready: ages are told."""
    now, world = here.clock(), here.world
    known = {name: _readiness(ages(view, now)) for name, view in world.views.items()}
    is_ready = any(each["ready"] for each in known.values())
    body = {
        "ready": is_ready,
        "looked_at": iso(world.looked_at) if world.looked_at else None,
        "trouble": world.trouble,
        "products": known,
    }
    head = {"Cache-Control": "no-store"} | ({} if is_ready else {"Retry-After": "5"})
    return Response(encode(body), 200 if is_ready else 503, head, JSON)


def _readiness(age_s: tuple[float, float] | None) -> dict[str, Any]:
    if age_s is None:
        return {"ready": False, "origin_age_hours": None, "issued_age_hours": None}
    origin_s, issued_s = age_s
    return {
        "ready": True,
        "origin_age_hours": round(origin_s / 3600, 2),
        "issued_age_hours": round(issued_s / 3600, 2),
    }


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(here: Here) -> Response:
    """Meters in the Prometheus text format."""
    now = here.clock()
    known = {name: ages(view, now) for name, view in here.world.views.items()}
    text = here.metrics.text({name: age for name, age in known.items() if age is not None})
    return Response(text, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
