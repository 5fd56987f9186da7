"""The shape in which readings arrive, turned into place, at (local), time (UTC half hour), occupied, capacity."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local

from .product import TZ  # noqa: TID252 - a folder outside a package knows no absolute name of its own

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "at": pl.Datetime("us"),
    "time": UTC_US,
    "occupied": pl.Float64,
    "capacity": pl.Float64,
}
FORMS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")


def parse(native: pl.DataFrame) -> pl.DataFrame:
    """Readings are taken a few minutes about the half hour: each belongs to the nearest; unreadable is null."""
    at = _clock(native)
    return native.select(
        place=pl.col("SystemCodeNumber").cast(pl.String).str.strip_chars(),
        at=at,
        time=from_local(at.dt.round("30m"), TZ),
        occupied=pl.col("Occupancy").cast(pl.Float64, strict=False),
        capacity=pl.col("Capacity").cast(pl.Float64, strict=False),
    )


def _clock(native: pl.DataFrame) -> pl.Expr:
    if isinstance(native.schema["LastUpdated"], pl.Datetime):
        return pl.col("LastUpdated").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    text = pl.col("LastUpdated").cast(pl.String).str.strip_chars()
    return pl.coalesce(text.str.to_datetime(form, time_unit="us", strict=False) for form in FORMS)


LAYOUTS = (Layout(name="uci", columns=("SystemCodeNumber", "Capacity", "Occupancy", "LastUpdated"), parse=parse),)
