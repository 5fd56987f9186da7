"""Requests: what an operator asked for; the API writes them, the daemon carries them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal

import polars as pl

from urbancast.core.errors import NotReadyError, QueryError
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

Outcome = Literal["taken", "done", "refused"]
_ORDER = {"asked": 0, "taken": 1, "done": 2, "refused": 2}  # whichever host's clock is ahead
# What may be asked, each verb with the arguments it knows.
VERBS: dict[str, tuple[str, ...]] = {
    "retrain": (),
    "promote": ("measure", "release"),
    "rollback": ("measure", "to"),
    "pause": (),
    "resume": (),
}


def ask(  # noqa: PLR0913 - one argument a column
    lake: Lake, product: str, request: str, *, verb: str, arguments: Mapping[str, Any], by: str, at: datetime
) -> int:
    """Write a request down by its id; 0 where it is known, QueryError where that id asked for something else."""
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
    return lake.derive("requests", product, partial(_unless_known, row))


def mark(  # noqa: PLR0913 - one argument a column
    lake: Lake,
    product: str,
    request: str,
    *,
    state: Outcome,
    at: datetime,
    message: str = "",
    arguments: Mapping[str, Any] | None = None,
) -> int:
    """Write what became of a request, and why; 0 where that is known. ``arguments``: as they were understood."""
    changed: dict[str, Any] = {"state": state, "message": message, "at": at}
    if arguments is not None:
        changed["arguments"] = json.dumps(dict(arguments), sort_keys=True, default=str)
    return lake.derive("requests", product, partial(_following, product, request, changed))


def pending(lake: Lake, product: str | None = None) -> list[dict[str, Any]]:
    """Requests neither done nor refused, the oldest first; ``state`` is ``taken`` where a run was stopped half-way."""
    rows = _in_order(_rows(lake, product).collect())
    ended = rows.filter(pl.col("state").cast(pl.String).is_in(["done", "refused"])).select("product", "request")
    open_rows = rows.join(ended, on=["product", "request"], how="anti", maintain_order="left")
    newest = open_rows.unique(["product", "request"], keep="last", maintain_order=True)
    asked = open_rows.group_by("product", "request").agg(asked_at=pl.col("at").min())
    ordered = newest.join(asked, on=["product", "request"]).sort("asked_at", "request")
    return [{**row, "arguments": json.loads(row["arguments"])} for row in ordered.iter_rows(named=True)]


def outcomes(rows: pl.DataFrame, *, limit: int = 50) -> list[dict[str, Any]]:
    """One entry a request, the newest first: request, verb, arguments, by, state, message, at, asked_at."""
    if rows.is_empty():
        return []
    newest = (
        _in_order(rows)
        .group_by("product", "request", maintain_order=True)
        .agg(pl.all().last(), asked_at=pl.col("at").first())
    )
    found = newest.sort("asked_at", "request", descending=True).head(limit).drop("product")
    return [{**row, "arguments": json.loads(row["arguments"])} for row in found.iter_rows(named=True)]


def is_paused(lake: Lake, product: str) -> bool:
    """Whether the last of `pause` and `resume` that was done is `pause`: then nothing of the product is scheduled."""
    return was_paused(_rows(lake, product).collect())


def was_paused(rows: pl.DataFrame) -> bool:
    """The same of a product's rows at hand."""
    done = pl.col("verb").is_in(["pause", "resume"]) & (pl.col("state").cast(pl.String) == "done")
    last = rows.filter(done).sort("at").tail(1)
    return last.height > 0 and last["verb"].item() == "pause"


def read(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """All rows, the oldest first."""
    return _rows(lake, product).sort("at", "request").collect()


def _rows(lake: Lake, product: str | None) -> pl.LazyFrame:
    return lake.scan("requests", product=product)


def _unless_known(row: Mapping[str, Any], before: Snapshot) -> pl.DataFrame:
    known = before.scan(product=row["product"]).filter(pl.col("request") == row["request"]).sort("at").collect()
    if known.is_empty():
        return pl.DataFrame([dict(row)])
    first = known.row(0, named=True)
    if (first["verb"], first["arguments"]) != (row["verb"], row["arguments"]):
        raise QueryError(
            "known-request",
            expected=f"{first['verb']} {first['arguments']} under the id {row['request']}",
            found=f"{row['verb']} {row['arguments']}",
            action="ask under another id",
            status=409,
        )
    return pl.DataFrame()


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of each request from asked to its end."""
    return rows.sort(pl.col("state").cast(pl.String).replace_strict(_ORDER, return_dtype=pl.Int8), "at")


def _following(product: str, request: str, changed: Mapping[str, Any], before: Snapshot) -> pl.DataFrame:
    rows = _in_order(before.scan(product=product).filter(pl.col("request") == request).collect())
    if rows.is_empty():
        raise NotReadyError(f"requests.request: expected a known id, found {request!r}; ask for it first")
    if changed["state"] in rows["state"].cast(pl.String).to_list():
        return pl.DataFrame()
    text = {name: pl.lit(value) for name, value in changed.items()}
    return rows.tail(1).with_columns(pl.col("state").cast(pl.String)).with_columns(**text)
