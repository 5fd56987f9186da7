"""The shapes in which counts arrive, each turned into place, name, site, time (UTC), value, lat, lon."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "name": pl.String,
    "site": pl.String,
    "time": UTC_US,
    "value": pl.Float64,
    "lat": pl.Float64,
    "lon": pl.Float64,
}
_COORDINATES = r"(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)"


def parse_labels(native: pl.DataFrame) -> pl.DataFrame:
    """CSV export with the portal's French labels."""
    return _canonical(
        native,
        place="Identifiant du compteur",
        name="Nom du compteur",
        site="Nom du site de comptage",
        time="Date et heure de comptage",
        value="Comptage horaire",
        coordinates="Coordonnées géographiques",
    )


def parse_fields(native: pl.DataFrame) -> pl.DataFrame:
    """API and parquet export with the portal's field names."""
    return _canonical(
        native,
        place="id_compteur",
        name="nom_compteur",
        site="name",
        time="date",
        value="sum_counts",
        coordinates="coordinates",
    )


def parse_extract(native: pl.DataFrame) -> pl.DataFrame:
    """Extract with English names; its ``date`` is naive UTC."""
    return _canonical(
        native,
        place="counter_id",
        name="counter_name",
        site="site_name",
        time="date",
        value="bike_count",
        coordinates="coordinates",
    )


def _canonical(native: pl.DataFrame, *, time: str, coordinates: str, value: str, **names: str) -> pl.DataFrame:
    """Text, typed or nested columns as SCHEMA; what cannot be read becomes null and is refused by ``observe``."""
    lat, lon = _point(native, coordinates)
    return native.select(
        *(pl.col(native_name).cast(pl.String).str.strip_chars().alias(name) for name, native_name in names.items()),
        time=_instant(native, time),
        value=pl.col(value).cast(pl.Float64, strict=False),
        lat=lat,
        lon=lon,
    ).select(list(SCHEMA))


def _instant(native: pl.DataFrame, column: str) -> pl.Expr:
    kind = native.schema[column]
    if isinstance(kind, pl.Datetime):
        naive_or_aware = pl.col(column)
        if kind.time_zone is None:
            return naive_or_aware.dt.replace_time_zone("UTC").cast(UTC_US)
        return naive_or_aware.dt.convert_time_zone("UTC").cast(UTC_US)
    return pl.col(column).cast(pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _point(native: pl.DataFrame, column: str) -> tuple[pl.Expr, pl.Expr]:
    """Latitude and longitude of a struct (lon, lat), of "lat, lon" text, or of JSON text."""
    if column not in native.columns:
        nothing = pl.lit(None, dtype=pl.Float64)
        return nothing, nothing
    kind = native.schema[column]
    if isinstance(kind, pl.Struct):
        field = pl.col(column).struct.field
        return field("lat").cast(pl.Float64, strict=False), field("lon").cast(pl.Float64, strict=False)
    if kind == pl.Binary:  # WKB of a point, little-endian: order, type, x, y
        lon, lat = (pl.col(column).bin.slice(at, 8) for at in (5, 13))
        return lat.bin.reinterpret(dtype=pl.Float64), lon.bin.reinterpret(dtype=pl.Float64)
    text = pl.col(column).cast(pl.String)
    return (
        pl.coalesce(text.str.extract(r'"lat"\s*:\s*(-?[\d.]+)'), text.str.extract(_COORDINATES, 1)).cast(
            pl.Float64, strict=False
        ),
        pl.coalesce(text.str.extract(r'"lon"\s*:\s*(-?[\d.]+)'), text.str.extract(_COORDINATES, 2)).cast(
            pl.Float64, strict=False
        ),
    )


LAYOUTS = (
    Layout(
        name="labels",
        columns=(
            "Identifiant du compteur",
            "Nom du compteur",
            "Nom du site de comptage",
            "Comptage horaire",
            "Date et heure de comptage",
            "Coordonnées géographiques",
        ),
        optional=(
            "Identifiant du site de comptage",
            "Date d'installation du site de comptage",
            "Lien vers photo du site de comptage",
            "Identifiant technique compteur",
            "ID Photos",
            "test_lien_vers_photos_du_site_de_comptage_",
            "id_photo_1",
            "url_sites",
            "type_dimage",
            "mois_annee_comptage",
        ),
        parse=parse_labels,
    ),
    Layout(
        name="fields",
        columns=("id_compteur", "nom_compteur", "name", "sum_counts", "date"),
        optional=(
            "coordinates",
            "id",
            "installation_date",
            "url_photos_n1",
            "counter",
            "photos",
            "test_lien_vers_photos_du_site_de_comptage_",
            "id_photo_1",
            "url_sites",
            "type_dimage",
            "mois_annee_comptage",
        ),
        parse=parse_fields,
    ),
    Layout(
        name="extract",
        columns=("counter_id", "counter_name", "site_name", "bike_count", "date", "coordinates"),
        optional=(
            "site_id",
            "counter_installation_date",
            "counter_technical_id",
            "latitude",
            "longitude",
        ),
        parse=parse_extract,
    ),
)
