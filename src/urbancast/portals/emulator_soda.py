"""SODA 2.1 as the emulator speaks it: ``resource/<id>.json`` and ``.csv``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from urbancast.portals import media
from urbancast.portals.emulator_data import ROW_ID, Dataset, Stage
from urbancast.portals.emulator_reply import RefusedError, Reply, as_json, columns_of, ordered, records, times_as_text

_DEFAULT_ROWS = 1000
_FLOATING = "%Y-%m-%dT%H:%M:%S%.3f"
_COUNT = re.compile(r"^\s*count\((?:\*|\w+)\)(?:\s+as\s+(\w+))?\s*$", re.IGNORECASE)


def view(dataset: Dataset, *, stage: Stage) -> Reply:
    """Answer the view's metadata: when rows were last added or changed, in seconds since 1970."""
    return as_json({"id": dataset.id, "rowsUpdatedAt": int(stage.tables.modified(dataset).timestamp())})


def answer(dataset: Dataset, form: str, query: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer one request of rows or of their count."""
    path = f"resource/{dataset.id}.{form}?" + "&".join(f"{name}={value}" for name, value in query.items())
    try:
        rows = stage.tables.rows(dataset, query.get("$where", ""))
        counted = _COUNT.match(query.get("$select", ""))
        if counted:
            return as_json([{counted.group(1) or "count": str(stage.faults.of_count(rows.height, path))}])
        limit, offset = int(query.get("$limit", _DEFAULT_ROWS)), int(query.get("$offset", 0))
        # Without an order the portal promises none; the emulator keeps that of the data.
        page = stage.faults.of_page(ordered(rows, _order(query)), path, limit=limit, offset=offset)
        page = page.select(columns_of(page, query.get("$select")))
    except (pl.exceptions.PolarsError, ValueError) as error:
        message = {"code": "query.soql.invalid", "error": True, "message": str(error).splitlines()[0]}
        raise RefusedError(400, message) from error
    page = times_as_text(stage.faults.of_columns(page, path), _FLOATING)
    if form == "csv":
        return Reply(body=page.write_csv(quote_style="non_numeric").encode(), media=f"{media.CSV}; charset=utf-8")
    return Reply(body=records(page), media=f"{media.JSON};charset=utf-8")


def _order(query: Mapping[str, str]) -> str | None:
    order = query.get("$order")
    return None if order == ROW_ID else order
