"""Runs: what ran on what with what result; a row at the start of a step and one at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import polars as pl

from urbancast.lake import maintain
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake

State = Literal["started", "done", "failed"]


def record(  # noqa: PLR0913 - one argument a column
    lake: Lake,
    product: str,
    run: str,
    *,
    flow: str,
    step: str,
    state: State,
    at: datetime,
    message: str = "",
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Write one row; 0 where this very row is already written."""
    row = {
        "product": product,
        "run": run,
        "flow": flow,
        "step": step,
        "state": state,
        "at": at,
        "message": message,
        "facts": json.dumps(dict(facts or {}), sort_keys=True, default=str),
    }
    written = add_once(lake, "runs", pl.DataFrame([row]))
    maintain.tidy(lake, "runs")  # every step of every flow adds a file here
    return written


def read(lake: Lake, product: str | None = None, *, since: datetime | None = None) -> pl.DataFrame:
    """Rows of a product or of all, since an instant, oldest first."""
    return lake.scan("runs", product=product, since=since, by="at").sort("at", "product", "run", "step").collect()


def latest(lake: Lake, product: str) -> dict[str, Any] | None:
    """The newest row of a product, ``facts`` as a mapping; None before any."""
    rows = read(lake, product).tail(1)
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    return {**row, "facts": json.loads(row["facts"])}
