"""The shapes in which crashes and zones arrive, and their canonical columns."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local
from urbancast.products.nyc_crashes.product import TZ

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "local": pl.Datetime("us"),  # as reported, on the clock of the city
    "time": UTC_US,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "injured": pl.Int64,
    "killed": pl.Int64,
}
PLACES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "name": pl.String,
    "part_of": pl.String,
    "geometry": pl.Binary,
}


def parse_portal(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of the portal as JSON or CSV; JSON leaves null fields out, so a page may lack whole columns."""
    clock = pl.col("crash_time").cast(pl.String).str.strip_chars().str.zfill(5)
    day = pl.col("crash_date").cast(pl.String).str.slice(0, 10)
    local = pl.concat_str(day, clock, separator=" ").str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False)
    return native.select(
        id=pl.col("collision_id").cast(pl.String),
        local=local,
        lat=_number(native, "latitude"),
        lon=_number(native, "longitude"),
        injured=_number(native, "number_of_persons_injured").cast(pl.Int64),
        killed=_number(native, "number_of_persons_killed").cast(pl.Int64),
    ).select("id", "local", from_local(pl.col("local"), TZ).alias("time"), "lat", "lon", "injured", "killed")


def parse_extract(native: pl.DataFrame) -> pl.DataFrame:
    """Extract without ids: an id is what the row says, numbered where several rows say the same."""
    said = [pl.col(name).cast(pl.String) for name in ("ts", "latitude", "longitude", "people_injured", "people_killed")]
    text = pl.concat_str(said, separator="|", ignore_nulls=False)
    nth = pl.int_range(pl.len()).over("ts", "latitude", "longitude", "people_injured", "people_killed")
    return native.select(
        id=pl.concat_str(text, pl.lit("#"), nth),
        local=pl.col("ts").cast(pl.Datetime("us")),
        time=from_local(pl.col("ts").cast(pl.Datetime("us")), TZ),
        lat=pl.col("latitude").cast(pl.Float64),
        lon=pl.col("longitude").cast(pl.Float64),
        injured=pl.col("people_injured").cast(pl.Int64),
        killed=pl.col("people_killed").cast(pl.Int64),
    )


def parse_places(native: pl.DataFrame) -> pl.DataFrame:
    """Taxi zones; ``location_id`` is the zone's id and repeats where a zone has several parts."""
    key = "location_id" if "location_id" in native.columns else "LocationID"
    return native.select(
        place=pl.col(key).cast(pl.String),
        name=pl.col("zone").cast(pl.String),
        part_of=pl.col("borough").cast(pl.String),
        geometry=pl.col("geometry"),
    )


def _number(native: pl.DataFrame, column: str) -> pl.Expr:
    if column not in native.columns:
        return pl.lit(None, dtype=pl.Float64)
    return pl.col(column).cast(pl.Float64, strict=False)


_OTHER_FIELDS = (
    "borough",
    "zip_code",
    "location",
    "on_street_name",
    "off_street_name",
    "cross_street_name",
    "number_of_pedestrians_injured",
    "number_of_pedestrians_killed",
    "number_of_cyclist_injured",
    "number_of_cyclist_killed",
    "number_of_motorist_injured",
    "number_of_motorist_killed",
    *(f"contributing_factor_vehicle_{n}" for n in range(1, 6)),
    "vehicle_type_code1",
    "vehicle_type_code2",
    *(f"vehicle_type_code_{n}" for n in range(3, 6)),
)

LAYOUTS = (
    Layout(
        name="portal",
        columns=("crash_date", "crash_time", "collision_id"),
        optional=(
            ":id",
            "latitude",
            "longitude",
            "number_of_persons_injured",
            "number_of_persons_killed",
            *_OTHER_FIELDS,
        ),
        parse=parse_portal,
    ),
    Layout(
        name="extract",
        columns=("ts", "latitude", "longitude", "people_injured", "people_killed"),
        parse=parse_extract,
    ),
)
PLACES_LAYOUTS = (
    Layout(
        name="zones",
        columns=("location_id", "zone", "borough", "geometry"),
        optional=("shape_area", "shape_leng", "objectid"),
        parse=parse_places,
    ),
    Layout(
        name="zones_of_the_commission",
        columns=("LocationID", "zone", "borough", "geometry"),
        optional=("Shape_Area", "Shape_Leng", "OBJECTID"),
        parse=parse_places,
    ),
)
