"""Runs of a product: pages of them, one with its steps and log, all of them as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import polars as pl

from urbancast.api.problems import shown
from urbancast.core.errors import QueryError
from urbancast.core.time import iso
from urbancast.lake import logs, runs
from urbancast.lake.kept import Look
from urbancast.monitoring import standing

STATES: tuple[str, ...] = get_args(runs.Became)
A_PAGE, MOST = 50, 500
MOST_LINES = 5000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs: begun before an instant, of a flow, in a state."""

    before: datetime | None = None
    flow: str | None = None
    state: str | None = None
    limit: int = A_PAGE


def page(look: Look, product: str, wanted: Wanted) -> dict[str, Any]:
    """Runs, newest first; ``next``: ``before`` of the following page, null at the end."""
    rows = every(look, product)
    flows = rows["flow"].unique().sort().to_list()
    found = _chosen(rows, wanted, flows)
    shown_rows = found.head(wanted.limit)
    has_more = found.height > shown_rows.height
    return {
        "product": product,
        "runs": [standing.run_entry(row) for row in shown_rows.iter_rows(named=True)],
        "next": shown_rows["started"][-1].isoformat() if has_more else None,
        "flows": flows,
        "n": found.height,
    }


def csv(look: Look, product: str, wanted: Wanted) -> str:
    """The runs wanted as CSV, all pages."""
    rows = every(look, product)
    found = _chosen(rows, wanted, rows["flow"].unique().sort().to_list())
    return found.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ", float_precision=3)


def detail(look: Look, product: str, run: str) -> dict[str, Any]:
    """One run: its steps in order with their facts, and the lines of its log."""
    rows = runs.read(look.lake, product).filter(pl.col("run") == run)
    if rows.is_empty():
        raise QueryError("unknown-run", expected=f"a run of {product}", found=shown(run),
                         action=f"GET /v1/operations/{product}/runs lists them", status=404)  # fmt: skip
    steps = runs.steps(rows)
    entry = standing.entries(steps, product, standing.leases(look).get(product)).row(0, named=True)
    lines = logs.read(look.lake, product, run)
    return {
        "product": product,
        **standing.run_entry(entry),
        "steps": [_step(row, entry["state"]) for row in steps.iter_rows(named=True)],
        "log": lines[-MOST_LINES:],
        "log_left_out": max(0, len(lines) - MOST_LINES),
    }


def every(look: Look, product: str) -> pl.DataFrame:
    """All runs of a product, newest first."""
    steps = look.get(f"all steps:{product}", ("runs",), lambda: runs.steps(runs.read(look.lake, product)).drop("facts"))
    return standing.entries(steps, product, standing.leases(look).get(product))


def _chosen(rows: pl.DataFrame, wanted: Wanted, flows: list[str]) -> pl.DataFrame:
    if wanted.flow is not None and wanted.flow not in flows:
        raise _malformed("flow", flows, wanted.flow)
    if wanted.state is not None and wanted.state not in STATES:
        raise _malformed("state", STATES, wanted.state)
    if wanted.flow is not None:
        rows = rows.filter(pl.col("flow") == wanted.flow)
    if wanted.state is not None:
        rows = rows.filter(pl.col("state") == wanted.state)
    return rows if wanted.before is None else rows.filter(pl.col("started") < wanted.before)


def _malformed(name: str, known: tuple[str, ...] | list[str], found: str) -> QueryError:
    expected = f"query.{name}: one of {', '.join(known) or 'none yet'}"
    return QueryError("malformed-query", expected=expected, found=shown(found), action="name one of them")


def _step(row: Mapping[str, Any], run_state: str) -> dict[str, Any]:
    """A step; one that never ended is at work or was stopped, as its run is."""
    state = row["state"]
    if state == "started":
        state = "running" if run_state == "running" else "stopped"
    return {
        "flow": row["flow"],
        "step": row["step"],
        "state": state,
        "started": iso(row["started"]),
        "ended": iso(row["ended"]) if row["ended"] else None,
        "seconds": row["seconds"],
        "message": row["message"],
        "facts": json.loads(row["facts"] or "{}"),
    }
