"""The shapes in which trips and areas arrive, and their canonical columns."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local
from urbancast.products.chicago_scooters.product import TZ

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "time": UTC_US,  # of the start, rounded to the hour by the portal
    "end": UTC_US,
    "distance_m": pl.Float64,
    "duration_s": pl.Float64,
    "vendor": pl.String,
    "from_area": pl.String,  # null: outside the city, or withheld
    "to_area": pl.String,
}
PLACES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "name": pl.String,
    "part_of": pl.String,
    "geometry": pl.Binary,
}
_ENDS = tuple(f"{end} {what}" for end in ("Start", "End") for what in (
    "Community Area Name", "Centroid Latitude", "Centroid Longitude", "Centroid Location"))  # fmt: skip
_NEEDED = (
    "Trip ID",
    "Start Time",
    "End Time",
    "Trip Distance",
    "Trip Duration",
)
# JSON leaves null fields out, so a page of trips with unknown areas lacks the columns; 2019 named no vendor.
_OPTIONAL = ("Vendor", "Start Community Area Number", "End Community Area Number", *_ENDS)
_FORMS = ("%Y-%m-%dT%H:%M:%S%.f", "%m/%d/%Y %I:%M:%S %p", "%Y %b %d %I:%M:%S %p", "%Y-%m-%d %H:%M:%S")


def _field(title: str) -> str:
    """Name of a column in the portal's API."""
    return title.lower().replace(" ", "_")


def parse_api(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of the API, JSON (every value a text, nulls left out) or CSV, with lower-case names."""
    return native.select(
        id=_text("trip_id"),
        time=from_local(_local("start_time"), TZ),
        end=from_local(_local("end_time"), TZ),
        distance_m=_number("trip_distance"),
        duration_s=_number("trip_duration"),
        vendor=_text("vendor"),
        from_area=_area("start_community_area_number"),
        to_area=_area("end_community_area_number"),
    )


def parse_export(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of the portal's CSV export, whose column names are titles and whose times are written for people."""
    return parse_api(native.rename(_field))


def parse_places(native: pl.DataFrame) -> pl.DataFrame:
    """Community areas; names come in capitals."""
    return native.select(
        place=_area("area_numbe"),
        name=pl.col("community").cast(pl.String).str.to_titlecase(),
        part_of=pl.lit(None, dtype=pl.String),
        geometry=pl.col("geometry"),
    )


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()


def _number(column: str) -> pl.Expr:
    return _text(column).str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)


def _area(column: str) -> pl.Expr:
    """Number of an area as its id, whether it came as ``8``, ``"8"`` or ``8.0``."""
    return _number(column).cast(pl.Int64, strict=False).cast(pl.String)


def _local(column: str) -> pl.Expr:
    text = _text(column)
    return pl.coalesce(text.str.to_datetime(form, time_unit="us", strict=False) for form in _FORMS)


LAYOUTS = (
    Layout(
        name="api",
        columns=tuple(map(_field, _NEEDED)),
        optional=tuple(map(_field, _OPTIONAL)),
        parse=parse_api,
    ),
    Layout(name="export", columns=_NEEDED, optional=_OPTIONAL, parse=parse_export),
)
PLACES_LAYOUTS = (
    Layout(
        name="community_areas",
        columns=("area_numbe", "community", "geometry"),
        optional=("area", "area_num_1", "comarea", "comarea_id", "perimeter", "shape_area", "shape_len"),
        parse=parse_places,
    ),
)
