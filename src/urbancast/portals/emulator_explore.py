"""Opendatasoft Explore v2.1 as the emulator speaks it: ``records`` and ``exports``."""

from __future__ import annotations

import io
from collections.abc import Mapping

import orjson
import polars as pl

from urbancast.portals import media
from urbancast.portals.emulator_data import Dataset, Stage
from urbancast.portals.emulator_reply import RefusedError, Reply, as_json, columns_of, ordered, times_as_text

_MOST_RECORDS = 100
_LAST_RECORD = 10_000
_ISO = "%Y-%m-%dT%H:%M:%S%:z"


def metadata(dataset: Dataset, *, stage: Stage) -> Reply:
    """Answer the dataset itself: of its metadata, when its records were last processed."""
    processed = stage.tables.modified(dataset).isoformat(timespec="seconds")
    return as_json({"dataset_id": dataset.id, "metas": {"default": {"data_processed": processed}}})


def records(dataset: Dataset, query: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer ``/records``: at most 100 of the first 10,000, and how many there are."""
    limit, offset = _number(query, "limit", 10), _number(query, "offset", 0)
    if not (0 <= limit <= _MOST_RECORDS and offset + limit <= _LAST_RECORD):
        raise _refused(f"Invalid value for limit API parameter: {limit} was found but max {_MOST_RECORDS} is allowed.")
    rows = _rows(dataset, query, stage)
    path = f"{dataset.id}/records"
    shown = times_as_text(rows.slice(offset, limit), _ISO)
    total = stage.faults.of_count(rows.height, path)
    return Reply(body=orjson.dumps({"total_count": total, "results": shown.to_dicts()}))


def exports(dataset: Dataset, form: str, query: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer ``/exports/{json,csv,parquet}``: all rows, or the first ``limit``."""
    rows = _rows(dataset, query, stage)
    limit = _number(query, "limit", -1)
    rows = rows if limit < 0 else rows.head(limit)
    rows = stage.faults.of_columns(rows, f"{dataset.id}/exports/{form}")
    if form == "parquet":
        store = io.BytesIO()
        rows.write_parquet(store, compression="lz4")
        return Reply(body=store.getvalue(), media=media.PARQUET)
    text = times_as_text(rows, _ISO)
    if form == "json":
        return Reply(body=text.write_json().encode(), media=f"{media.JSON}; charset=utf-8")
    if form != "csv":
        raise _refused(f"Unknown export format: {form}")
    if query.get("use_labels", "false") == "true":
        text = text.rename({name: dataset.labels.get(name, name) for name in text.columns})
    flat = text.with_columns(pl.col(pl.Struct).struct.json_encode())
    body = flat.write_csv(separator=query.get("delimiter", ";"), include_bom=True)
    return Reply(body=body.encode(), media=f"{media.CSV}; charset=utf-8")


def _rows(dataset: Dataset, query: Mapping[str, str], stage: Stage) -> pl.DataFrame:
    try:
        rows = stage.tables.rows(dataset, query.get("where", ""))
        return ordered(rows, query.get("order_by")).select(columns_of(rows, query.get("select")))
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise _refused(f"ODSQL query is malformed: {str(error).splitlines()[0]}") from error


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError as error:
        raise _refused(f"Invalid value for {name} API parameter: {query[name]}") from error


def _refused(message: str) -> RefusedError:
    return RefusedError(400, {"message": message, "error_code": "InvalidRESTParameterError"})
