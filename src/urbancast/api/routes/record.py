"""How the forecasts have done, kinds apart, losses shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.schemas import responses
from urbancast.api.snapshot import View
from urbancast.api.state import Here
from urbancast.core.errors import QueryError
from urbancast.core.time import iso

router = APIRouter(prefix="/v1/products/{product}", tags=["record"])
RECORD = {
    "product": "bikes",
    "measure": "bicycles",
    "kinds": {"replay": {"n": 4032, "coverage_80": 0.79}},
    "verdicts": [],
}
_VERDICT = ("action", "challenger", "champion", "wins", "skill", "low", "high", "reason")


@router.get(
    "/track-record", summary="Coverage, error and skill beside the baseline", responses=responses(RECORD, 404, 422)
)
async def track_record(
    request: Request, product: str, here: Here, *, measure: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """Return the record of a measure by kind (live, replay, backtest: never pooled) and the newest verdicts."""
    view = here.view(product)
    name = measure or view.product.measure.id
    known = [each.id for each in view.product.measures]
    if name not in known:
        raise QueryError("unknown-measure", expected=f"one of {', '.join(known)}", found=repr(name[:80]),
                         action="name one of them", status=404)  # fmt: skip
    body = encode(_record(view, name))
    return send(request, Payload(body, digest(body)))


def _record(view: View, measure: str) -> dict[str, Any]:
    own = view.records.get(measure)
    kinds = {kind: _with_names(view, sums) for kind, sums in own.kinds.items()} if own else {}
    verdicts = [_verdict(each) for each in view.verdicts if each["measure"] == measure]
    return {
        "product": view.product.id,
        "measure": measure,
        "unit": next(each.unit for each in view.product.measures if each.id == measure),
        "score": own.score if own else None,
        "baseline": own.baseline if own else None,
        "kinds": kinds,
        "verdicts": verdicts,
        "provenance": view.provenance,
        "simulated": view.is_simulated,
    }


def _with_names(view: View, sums: Mapping[str, Any]) -> dict[str, Any]:
    """Sums of a kind with the names of its best and worst places."""
    listing = view.snapshot.book if view.snapshot and view.snapshot.book else view.atlas
    names = dict(zip(listing.ids, listing.names, strict=True)) if listing else {}
    ranked = {
        which: [{**row, "name": names.get(row["place"], row["place"])} for row in sums[which]]
        for which in ("best_places", "worst_places")
    }
    return {**sums, **ranked}


def _verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in _VERDICT}, "decided_at": iso(row["decided_at"])}
