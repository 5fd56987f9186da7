"""How the forecasts have done, kinds apart, losses shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import record_tables
from urbancast.api.payload import Payload, digest, encode, send
from urbancast.api.problems import shown
from urbancast.api.record_tables import Table
from urbancast.api.schemas import responses
from urbancast.api.snapshot import View
from urbancast.api.state import Here
from urbancast.core.errors import NotReadyError, QueryError
from urbancast.core.time import iso

router = APIRouter(prefix="/v1/products/{product}", tags=["record"])
RECORD = {
    "product": "bikes",
    "measure": "bicycles",
    "kinds": {"replay": {"n": 4032, "coverage_80": 0.79, "effective_n": 310.4}},
    "misses": {"replay": [{"place": "8", "time": "2026-11-20T17:00:00Z", "value": 912.0, "mean": 408.5}]},
    "verdicts": [],
}
DIGEST = {"product": "bikes", "day": "2026-11-20", "head": "9b0c…", "number": 214, "first": 203, "entries": 12}
LEDGER = {
    "product": "bikes",
    "head": "9b0c…",
    "entries": 214,
    "days": [DIGEST],
    "check": "urbancast verify bikes --ledger",
}
_CSV = "product,measure,kind,dimension,class,n,coverage,…,provenance,simulated\n"
_VERDICT = ("action", "challenger", "champion", "wins", "skill", "low", "high", "reason")


Measured = Annotated[str | None, Query(max_length=100)]


class Csv(Response):
    """Media type of the tables, for the OpenAPI page."""

    media_type = "text/csv"


@router.get(
    "/track-record", summary="Coverage, error and skill beside the baseline", responses=responses(RECORD, 404, 422)
)
async def track_record(request: Request, product: str, here: Here, *, measure: Measured = None) -> Response:
    """Return the record of a measure by kind (live, replay, backtest: never pooled) and the newest verdicts."""
    view = here.view(product)
    body = encode(_record(view, _named(view, measure)))
    return send(request, Payload(body, digest(body)))


@router.get(
    "/track-record.csv",
    summary="Calibration, misses or rolling coverage as a table",
    response_class=Csv,
    responses=responses(_CSV, 404, 422, media="text/csv"),
)
async def track_record_table(
    request: Request, product: str, here: Here, *, table: Table = Table.CALIBRATION, measure: Measured = None
) -> Response:
    """Return one row a class, miss or day, with its kind and provenance."""
    view = here.view(product)
    name = _named(view, measure)
    body = record_tables.text(table, _record(view, name)).encode()
    answer = send(request, Payload(body, digest(body), media="text/csv; charset=utf-8"))
    answer.headers["Content-Disposition"] = f'attachment; filename="{view.product.id}-{name}-{table}.csv"'
    return answer


@router.get("/ledger", summary="Where the ledger stands", responses=responses(LEDGER, 404, 503))
async def ledger(request: Request, product: str, here: Here) -> Response:
    """Return the ledger's head, its days and its newest entries, and the command that checks them."""
    view = here.view(product)
    marks = {"provenance": view.provenance, "simulated": view.is_simulated}
    body = encode({**_chain(view), **marks})
    return send(request, Payload(body, digest(body)))


@router.get("/ledger/{day}", summary="The digest of one day", responses=responses(DIGEST, 404, 422, 503))
async def ledger_day(request: Request, product: str, day: Annotated[str, Path(max_length=40)], here: Here) -> Response:
    """Return a UTC day's digest: head, entries and sums at its end; the same as the file beside the tables."""
    found = next((each for each in _chain(here.view(product))["days"] if each["day"] == day), None)
    if found is None:
        raise QueryError("unknown-day", expected="a day with entries, such as 2026-11-20", found=shown(day),
                         action="GET …/ledger lists the days", status=404)  # fmt: skip
    body = encode(found)
    return send(request, Payload(body, digest(body)))


def _chain(view: View) -> Mapping[str, Any]:
    if view.ledger is None:
        raise NotReadyError(f"{view.product.id} has no ledger yet; try again in a moment")
    return view.ledger


def _named(view: View, measure: str | None) -> str:
    """Measure asked for, else the first."""
    name = measure or view.product.measure.id
    known = [each.id for each in view.product.measures]
    if name not in known:
        raise QueryError("unknown-measure", expected=f"one of {', '.join(known)}", found=repr(name[:80]),
                         action="name one of them", status=404)  # fmt: skip
    return name


def _record(view: View, measure: str) -> dict[str, Any]:
    own, names = view.records.get(measure), _names(view)
    kinds = {kind: _with_names(names, sums) for kind, sums in own.kinds.items()} if own else {}
    verdicts = [_verdict(each) for each in view.verdicts if each["measure"] == measure]
    return {
        "product": view.product.id,
        "measure": measure,
        "unit": next(each.unit for each in view.product.measures if each.id == measure),
        "score": own.score if own else None,
        "baseline": own.baseline if own else None,
        "kinds": kinds,
        "misses": {kind: [_with_name(names, row) for row in rows] for kind, rows in own.misses.items()} if own else {},
        "verdicts": verdicts,
        "provenance": view.provenance,
        "simulated": view.is_simulated,
    }


def _names(view: View) -> Mapping[str, str]:
    listing = view.snapshot.book if view.snapshot and view.snapshot.book else view.atlas
    return dict(zip(listing.ids, listing.names, strict=True)) if listing else {}


def _with_names(names: Mapping[str, str], sums: Mapping[str, Any]) -> dict[str, Any]:
    """Sums of a kind with the names of its best and worst places."""
    ranked = {which: [_with_name(names, row) for row in sums[which]] for which in ("best_places", "worst_places")}
    return {**sums, **ranked}


def _with_name(names: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "name": names.get(row["place"], row["place"])}


def _verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in _VERDICT}, "decided_at": iso(row["decided_at"])}
