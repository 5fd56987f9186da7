"""Alerts: what a person should act on; opened once, made graver or lighter, resolved once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from urbancast.lake.once import add_once
from urbancast.lake.store import Lake

Severity = Literal["info", "warning", "critical"]


def open_alert(  # noqa: PLR0913 - one argument a column
    lake: Lake,
    product: str,
    *,
    alert: str,
    severity: Severity,
    message: str,
    action: str,
    at: datetime,
    run: str,
) -> int:
    """Open an alert, or write down another severity of an open one; 0 where it is open as it is."""
    known = current(lake, product).filter(pl.col("alert") == alert)
    if known.height and known["severity"].cast(pl.String).item() == severity:
        return 0
    row = {
        "product": product,
        "alert": alert,
        "severity": severity,
        "state": "open",
        "since": at,
        "message": message,
        "action": action,
        "run": run,
    }
    return add_once(lake, "alerts", pl.DataFrame([row]))


def resolve(lake: Lake, product: str, *, alert: str, at: datetime, run: str) -> int:
    """Resolve an open alert; 0 where it is not open."""
    opened = current(lake, product).filter(pl.col("alert") == alert)
    rows = opened.with_columns(state=pl.lit("resolved"), since=pl.lit(at), run=pl.lit(run))
    return add_once(lake, "alerts", rows) if rows.height else 0


def current(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """Alerts that are open, the oldest first: their newest word, and ``since`` when they were opened."""
    rows = read(lake, product)
    is_end = pl.col("state").cast(pl.String) == "resolved"
    rows = rows.with_columns(_spell=is_end.cast(pl.Int32).cum_sum().over("product", "alert"))
    begun = rows.filter(~is_end).group_by("product", "alert", "_spell").agg(_begun=pl.col("since").min())
    newest = rows.unique(["product", "alert"], keep="last", maintain_order=True).filter(~is_end)
    opened = newest.join(begun, on=["product", "alert", "_spell"], how="left", maintain_order="left")
    return opened.with_columns(since="_begun").drop("_spell", "_begun").sort("since", "product", "alert")


def read(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """All openings, changes of severity and resolutions, the oldest first."""
    is_end = pl.col("state").cast(pl.String) == "resolved"
    return lake.scan("alerts", product=product).sort("since", is_end, "product", "alert").collect()
