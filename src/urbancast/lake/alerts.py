"""Alerts: what a person should act on; opened once, resolved once."""

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
    """Open an alert; 0 where it is open already."""
    if not current(lake, product).filter(pl.col("alert") == alert).is_empty():
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
    """Alerts that are open, the oldest first."""
    rows = lake.scan("alerts", product=product).sort("since", pl.col("state").cast(pl.String) == "resolved")
    newest = rows.unique(["product", "alert"], keep="last", maintain_order=True)
    return newest.filter(pl.col("state") == "open").collect()


def read(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """All openings and resolutions, the oldest first."""
    return lake.scan("alerts", product=product).sort("since", "product", "alert").collect()
