"""Forecasts and scores as files, provenance in every row."""

from __future__ import annotations

import asyncio
import os
import tempfile
from enum import StrEnum
from pathlib import Path

import polars as pl
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from urbancast.api.problems import shown
from urbancast.api.schemas import responses
from urbancast.api.snapshot import View
from urbancast.api.state import Here
from urbancast.core.errors import NotReadyError, QueryError
from urbancast.lake.store import Lake

router = APIRouter(prefix="/v1/products/{product}/export", tags=["record"])
TABLES = ("forecasts", "scores")


class Shape(StrEnum):
    """How a file is written."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA = {Shape.CSV: "text/csv; charset=utf-8", Shape.PARQUET: "application/vnd.apache.parquet"}
_ROWS = "product,place,measure,origin,time,mean,q05,…,provenance,simulated\n"
_FILES = responses(_ROWS, 404, 422, 503, media="text/csv")
_FILES[200]["content"]["application/vnd.apache.parquet"] = {"schema": {}, "example": "the same rows as Parquet"}


class Csv(Response):
    """Media type of an export, for the OpenAPI page."""

    media_type = "text/csv"


@router.get(
    "/{table}.{shape}",
    summary="Everything ever forecast or scored",
    response_class=Csv,
    responses=_FILES,
)
async def export(product: str, table: str, shape: Shape, here: Here) -> Response:
    """Return all rows of ``forecasts`` or ``scores`` of a product as CSV or Parquet."""
    view = here.view(product)
    if table not in TABLES:
        expected = " or ".join(TABLES)
        raise QueryError("unknown-table", expected=expected, found=shown(table), action="name one of them", status=404)
    if view.provenance is None:
        raise NotReadyError(f"{product} has nothing to export yet; try again in a moment")
    path = await asyncio.to_thread(_file, here.lake_url, view, table, shape)
    head = {
        "Content-Disposition": f'attachment; filename="{view.product.id}-{table}.{shape}"',
        "Cache-Control": "no-cache",
    }
    return FileResponse(path, media_type=MEDIA[shape], headers=head, background=BackgroundTask(path.unlink))


def _file(lake_url: str, view: View, table: str, shape: Shape) -> Path:
    """Write the rows part by part to a temporary file, which the answer removes when it is sent."""
    rows = Lake.open(lake_url).scan(table, product=view.product.id)
    marked = rows.with_columns(provenance=pl.lit(view.provenance), simulated=pl.lit(view.is_simulated))
    handle, name = tempfile.mkstemp(prefix="urbancast-export-", suffix=f".{shape}")
    os.close(handle)
    if shape is Shape.CSV:
        marked.sink_csv(name, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    else:
        marked.sink_parquet(name)
    return Path(name)
