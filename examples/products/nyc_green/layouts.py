"""The shape in which trips arrive, turned into id, time (UTC start), minutes, km, from, to, fare, month."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local

from .product import TZ  # noqa: TID252 - a folder outside a package knows no absolute name of its own

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "time": UTC_US,
    "minutes": pl.Float64,
    "km": pl.Float64,
    "from": pl.String,
    "to": pl.String,
    "fare": pl.Float64,
    "is_stray": pl.Boolean,
}
KM_A_MILE = 1.609344
# Numbers that share a zone's shape with another, and those that stand for no zone.
SAME = {"57": "56", "104": "103", "105": "103", "264": "", "265": ""}
TOLD = (
    *("VendorID", "lpep_pickup_datetime", "lpep_dropoff_datetime", "PULocationID", "DOLocationID"),
    *("passenger_count", "trip_distance", "fare_amount", "total_amount"),
)


def parse(native: pl.DataFrame) -> pl.DataFrame:
    """Trips; the files have no row id: an id is what the row says, so a row said twice is repeated.

    ``is_stray``: started in another month than that of its file, where the file names one.
    """
    said = pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in TOLD], separator="|")
    start, end = (from_local(_clock(native, name), TZ) for name in TOLD[1:3])
    month = pl.col("source_month").cast(pl.String) if "source_month" in native.columns else pl.lit(None, pl.String)
    return native.select(
        id=said,
        time=start,
        minutes=(end - start).dt.total_seconds() / 60,
        km=pl.col("trip_distance").cast(pl.Float64, strict=False) * KM_A_MILE,
        **{"from": _zone("PULocationID"), "to": _zone("DOLocationID")},
        fare=pl.col("fare_amount").cast(pl.Float64, strict=False),
        is_stray=(_clock(native, TOLD[1]).dt.strftime("%Y-%m") != month).fill_null(value=False),
    )


def _zone(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False).cast(pl.String).fill_null("").replace(SAME)


def _clock(native: pl.DataFrame, name: str) -> pl.Expr:
    if isinstance(native.schema[name], pl.Datetime):
        return pl.col(name).dt.replace_time_zone(None).cast(pl.Datetime("us"))
    return pl.col(name).cast(pl.String).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)


LAYOUTS = (
    Layout(
        name="commission",
        columns=TOLD,
        optional=(
            *("store_and_fwd_flag", "RatecodeID", "extra", "mta_tax", "tip_amount", "tolls_amount", "ehail_fee"),
            *("improvement_surcharge", "payment_type", "trip_type", "congestion_surcharge", "source_month"),
        ),
        parse=parse,
    ),
)
