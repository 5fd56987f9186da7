"""Requests: what an operator asked for; the API writes them, the daemon carries them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake

Outcome = Literal["taken", "done", "refused"]


def ask(  # noqa: PLR0913 - one argument a column
    lake: Lake, product: str, request: str, *, verb: str, arguments: Mapping[str, Any], by: str, at: datetime
) -> int:
    """Write a request down by its id; 0 where it is known."""
    if not _rows(lake, product).filter(pl.col("request") == request).collect().is_empty():
        return 0
    row = {
        "product": product,
        "request": request,
        "verb": verb,
        "arguments": json.dumps(dict(arguments), sort_keys=True, default=str),
        "by": by,
        "state": "asked",
        "message": "",
        "at": at,
    }
    return add_once(lake, "requests", pl.DataFrame([row]))


def mark(lake: Lake, product: str, request: str, *, state: Outcome, at: datetime, message: str = "") -> int:
    """Write what became of a request, and why; 0 where that is known."""
    rows = _rows(lake, product).filter(pl.col("request") == request).sort("at").collect()
    if rows.is_empty():
        raise NotReadyError(f"requests.request: expected a known id, found {request!r}; ask for it first")
    if state in rows["state"].cast(pl.String).to_list():
        return 0
    return add_once(
        lake, "requests", rows.tail(1).with_columns(state=pl.lit(state), message=pl.lit(message), at=pl.lit(at))
    )


def pending(lake: Lake, product: str | None = None) -> list[dict[str, Any]]:
    """Requests asked for and not taken, done or refused, the oldest first, ``arguments`` as a mapping."""
    states = pl.col("state").cast(pl.String)
    rows = _rows(lake, product).filter((states == "asked").all().over("product", "request")).sort("at", "request")
    return [{**row, "arguments": json.loads(row["arguments"])} for row in rows.collect().iter_rows(named=True)]


def is_paused(lake: Lake, product: str) -> bool:
    """Whether the last of `pause` and `resume` that was done is `pause`: then nothing of the product is scheduled."""
    is_either = pl.col("verb").is_in(["pause", "resume"]) & (pl.col("state").cast(pl.String) == "done")
    last = _rows(lake, product).filter(is_either).sort("at").tail(1).collect()
    return last.height > 0 and last["verb"].item() == "pause"


def read(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """All rows, the oldest first."""
    return _rows(lake, product).sort("at", "request").collect()


def _rows(lake: Lake, product: str | None) -> pl.LazyFrame:
    return lake.scan("requests", product=product)
