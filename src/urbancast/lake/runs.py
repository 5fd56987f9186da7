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
Became = Literal["running", "done", "failed", "stopped"]  # of a whole run; stopped: it ended without a word


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


def steps(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each time a step was begun, oldest first, with how it ended.

    Columns: product, run, flow, step, state (started, done, failed), started, ended (null: not told), seconds,
    message, facts (JSON).
    """
    each = ["product", "run", "flow", "step"]
    is_start = pl.col("state") == "started"
    numbered = rows.with_columns(pl.col("state").cast(pl.String)).sort("at", ~is_start, maintain_order=True)
    numbered = numbered.with_columns(turn=is_start.cast(pl.Int64).cum_sum().over(each))
    last = numbered.group_by(*each, "turn", maintain_order=True).agg(
        pl.col("state", "message", "facts").last(),
        started=pl.col("at").first(),
        ended=pl.when(pl.col("state").last() != "started").then(pl.col("at").last()),
    )
    told = pl.col("facts").str.json_path_match("$.seconds").cast(pl.Float64, strict=False)
    took = (pl.col("ended") - pl.col("started")).dt.total_milliseconds() / 1000
    return last.with_columns(seconds=pl.coalesce(told, took)).drop("turn").sort("started", maintain_order=True)


def entries(every: pl.DataFrame, *, held_since: Mapping[str, datetime] | None = None) -> pl.DataFrame:
    """One row a run, newest first, of the rows of `steps`.

    Columns: product, run, flow, state (see `Became`), started, ended, seconds, steps, tries, message.
    ``held_since``: product → since when its lease is held; a step begun before, or under no lease, and never ended
    was stopped. ``tries``: how often its most repeated step was begun; ``seconds``: of all its steps together.
    """
    held = pl.DataFrame(
        {"product": list((held_since or {}).keys()), "held": list((held_since or {}).values())},
        schema={"product": pl.String, "held": pl.Datetime("us", "UTC")},
    )
    tried = every.group_by("product", "run", "flow", "step", maintain_order=True).agg(
        pl.all().last(), tries=pl.len(), total=pl.col("seconds").sum(), first=pl.col("started").min()
    )
    is_open = (pl.col("state") == "started").any()
    flow = pl.col("flow").filter(pl.col("run").str.starts_with(pl.concat_str("flow", pl.lit("-"))))
    runs = (
        tried.sort("started", maintain_order=True)
        .group_by("product", "run", maintain_order=True)
        .agg(
            flow=pl.coalesce(flow.first(), pl.col("flow").first()),
            is_open=is_open,
            is_failed=(pl.col("state") == "failed").any(),
            started=pl.col("first").min(),
            open_since=pl.col("started").filter(pl.col("state") == "started").max(),
            ended=pl.col("ended").max(),
            seconds=pl.col("total").sum(),
            steps=pl.len(),
            tries=pl.col("tries").max(),
            message=pl.col("message").filter(pl.col("state") == "failed").last().fill_null(""),
        )
    )
    is_running = pl.col("is_open") & (pl.col("open_since") >= pl.col("held")).fill_null(value=False)
    state = (
        pl.when(is_running).then(pl.lit("running"))
        .when(pl.col("is_failed")).then(pl.lit("failed"))
        .when(pl.col("is_open")).then(pl.lit("stopped"))
        .otherwise(pl.lit("done"))
    )  # fmt: skip
    return (
        runs.join(held, on="product", how="left", maintain_order="left")
        .with_columns(state=state, ended=pl.when(~pl.col("is_open")).then("ended"))
        .select("product", "run", "flow", "state", "started", "ended", "seconds", "steps", "tries", "message")
        .sort("started", descending=True, maintain_order=True)
    )
