"""The shapes in which trips and community areas arrive, and their canonical columns."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local
from urbancast.geo import places
from urbancast.products.chicago_taxi.product import PRODUCT, TZ

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "time": UTC_US,  # start, as stamped: a quarter of an hour
    "end": UTC_US,
    "seconds": pl.Float64,
    "miles": pl.Float64,
    "from": pl.String,  # community area; empty where the source does not know
    "to": pl.String,
    "fare": pl.Float64,
    "total": pl.Float64,
}
PLACES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "name": pl.String,
    "part_of": pl.String,
    "geometry": pl.Binary,
}
ISO, AMERICAN = "%Y-%m-%dT%H:%M:%S%.f", "%m/%d/%Y %I:%M:%S %p"
PORTAL_NAMES = {
    "id": "trip_id",
    "start": "trip_start_timestamp",
    "end": "trip_end_timestamp",
    "seconds": "trip_seconds",
    "miles": "trip_miles",
    "from": "pickup_community_area",
    "to": "dropoff_community_area",
    "fare": "fare",
    "total": "trip_total",
}
EXPORT_NAMES = {name: native.replace("_", " ").title().replace(" Id", " ID") for name, native in PORTAL_NAMES.items()}
_UNUSED = (
    "taxi_id",
    "pickup_census_tract",
    "dropoff_census_tract",
    "tips",
    "tolls",
    "extras",
    "payment_type",
    "company",
    "pickup_centroid_latitude",
    "pickup_centroid_longitude",
    "pickup_centroid_location",
    "dropoff_centroid_latitude",
    "dropoff_centroid_longitude",
)


def parse_portal(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of the portal's API as JSON or CSV; JSON leaves null fields out, so a page may lack whole columns."""
    return _parsed(native, PORTAL_NAMES, ISO)


def parse_export(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of the portal's CSV export: names as titles, times as Americans write them."""
    return _parsed(native, EXPORT_NAMES, AMERICAN)


def parse_extract(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of a typed extract of the same fields."""
    return _parsed(native, PORTAL_NAMES, ISO)


def parse_places(native: pl.DataFrame) -> pl.DataFrame:
    """Community areas by their number; names and sides of the city as this folder writes them."""
    known = places.read(PRODUCT.folder / "places.csv").select("place", "name", "part_of")
    number = pl.col("area_numbe").cast(pl.Float64, strict=False).cast(pl.Int64).cast(pl.String)
    rows = native.select(
        place=number, _name=pl.col("community").cast(pl.String).str.to_titlecase(), geometry="geometry"
    )
    return rows.join(known, on="place", how="left", maintain_order="left").select(
        "place", pl.coalesce("name", "_name").alias("name"), "part_of", "geometry"
    )


def _parsed(native: pl.DataFrame, names: Mapping[str, str], form: str) -> pl.DataFrame:
    start, end = (_local(native, names[name], form) for name in ("start", "end"))
    rows = native.select(
        id=pl.col(names["id"]).cast(pl.String),
        start=start,
        end=end,
        **{name: _number(names[name]) for name in ("seconds", "miles", "fare", "total")},
        **{name: _area(names[name]) for name in ("from", "to")},
    )
    return rows.with_columns(**_instants()).select(list(SCHEMA))


def _local(native: pl.DataFrame, column: str, form: str) -> pl.Expr:
    found = pl.col(column)
    if native.schema[column] == pl.String:
        found = found.str.strip_chars().str.to_datetime(form, time_unit="us", strict=False)
    return found.cast(pl.Datetime("us"))


def _number(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars().str.replace_all(r"[$,]", "")
    return text.cast(pl.Float64, strict=False)


def _area(column: str) -> pl.Expr:
    """Number of an area as text, ``8`` for ``8.0`` too; what is no number stays, for observe to refuse by name."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return text.str.replace(r"\.0+$", "").fill_null("")


def _instants() -> dict[str, pl.Expr]:
    """UTC start and end. Local times of the hour that comes twice are read so that they fit the seconds best."""
    first = {name: from_local(pl.col(name), TZ) for name in ("start", "end")}
    second = {name: pl.coalesce(_latest(pl.col(name)), first[name]) for name in ("start", "end")}
    readings = ((first["start"], first["end"]), (first["start"], second["end"]), (second["start"], second["end"]))
    misfits = [((end - start).dt.total_seconds() - pl.col("seconds")).abs() for start, end in readings]
    best = pl.min_horizontal(misfits)

    def chosen(which: int) -> pl.Expr:
        later = pl.when(misfits[1] == best).then(readings[1][which]).when(misfits[2] == best).then(readings[2][which])
        first_fits = (misfits[0] == best).fill_null(value=True)
        return pl.when(first_fits).then(readings[0][which]).otherwise(later.otherwise(readings[0][which]))

    return {"time": chosen(0), "end": chosen(1)}


def _latest(naive: pl.Expr) -> pl.Expr:
    there = naive.dt.replace_time_zone(TZ, ambiguous="latest", non_existent="null")
    return there.dt.convert_time_zone("UTC").cast(UTC_US)


_KEY = ("trip_id", "trip_start_timestamp")
_REST = tuple(name for name in PORTAL_NAMES.values() if name not in _KEY)
LAYOUTS = (
    Layout(
        name="portal",
        columns=_KEY,
        optional=(*_REST, *_UNUSED, "dropoff_centroid_location"),
        parse=parse_portal,
    ),
    Layout(
        name="extract",
        columns=(*_KEY, "dropoff_centroid__location"),
        optional=(*_REST, *_UNUSED),
        parse=parse_extract,
    ),
    Layout(
        name="export",
        columns=tuple(EXPORT_NAMES.values()),
        optional=(
            *(name.replace("_", " ").title() for name in _UNUSED),
            "Taxi ID",
            "Dropoff Centroid  Location",
            "Dropoff Centroid Location",
            "Community Areas",
        ),
        parse=parse_export,
    ),
)
PLACES_LAYOUTS = (
    Layout(name="areas", columns=("area_numbe", "community", "geometry"), optional=("*",), parse=parse_places),
)
