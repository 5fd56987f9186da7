"""Three-hourly reports of a weather station (SYNOP) that may stand in for observed weather."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US


def parse_synop(native: pl.DataFrame) -> pl.DataFrame:
    """Three-hourly SYNOP of one station as hourly weather of the city: what was measured, never a forecast.

    Kelvin to Celsius, linear between reports; rain of the three hours before a report spread evenly,
    traces (negative) as none; unsorted, a repeated time counts once.
    """
    number = {name: pl.col(name).cast(pl.Float64, strict=False) for name in ("t", "rr3", "ff")}
    reports = (
        native.select(
            time=_instant(native.schema["date"]),
            temperature_2m=number["t"] - 273.15,
            precipitation=(number["rr3"].clip(lower_bound=0.0) / 3).round(4),
            wind_speed_10m=number["ff"] * 3.6,
        )
        .drop_nulls("time")
        .unique("time", keep="first")
        .sort("time")
    )
    hourly = reports.upsample("time", every="1h")
    rained = pl.col("precipitation").shift(-1).fill_null(strategy="backward", limit=2)
    return (
        hourly.with_columns(pl.col("temperature_2m", "wind_speed_10m").interpolate(), precipitation=rained)
        .unpivot(index="time", variable_name="variable", value_name="value")
        .drop_nulls("value")
        .select(
            place=pl.lit(""),
            variable="variable",
            time="time",
            value="value",
            issued_at="time",
            available_at=(pl.col("time") + pl.duration(hours=3)).cast(UTC_US),
            kind=pl.lit("oracle"),
        )
    )


def _instant(kind: pl.DataType) -> pl.Expr:
    date = pl.col("date")
    naive = date if isinstance(kind, pl.Datetime) else date.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    return naive.dt.replace_time_zone("UTC").cast(UTC_US)


# A report has some fifty further columns that no forecast here needs.
SYNOP = Layout(name="synop", columns=("numer_sta", "date", "t", "rr3", "ff"), optional=("*",), parse=parse_synop)
