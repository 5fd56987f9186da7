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
    if kind == pl.Binary:  # WKB of one point: byte order, type, x, y
        number = {"dtype": pl.Float64, "endianness": "little"}
        return (
            pl.col(column).bin.slice(13, 8).bin.reinterpret(**number),
            pl.col(column).bin.slice(5, 8).bin.reinterpret(**number),
        )
    text = pl.col(column).cast(pl.String)
    return (
        pl.coalesce(text.str.extract(r'"lat"\s*:\s*(-?[\d.]+)'), text.str.extract(_COORDINATES, 1)).cast(pl.Float64, strict=False),
        pl.coalesce(text.str.extract(r'"lon"\s*:\s*(-?[\d.]+)'), text.str.extract(_COORDINATES, 2)).cast(pl.Float64, strict=False),
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


def parse_orly(native: pl.DataFrame) -> pl.DataFrame:
    """Three-hourly SYNOP of one station as hourly weather of the city: what was measured, never a forecast.

    Kelvin to Celsius, linear between reports; rain of the three hours before a report spread evenly,
    traces (negative) as none; unsorted, a repeated time counts once.
    """
    number = {name: pl.col(name).cast(pl.Float64, strict=False) for name in ("t", "rr3", "ff")}
    reports = (
        native.select(
            time=_instant_text(native, "date"),
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


def _instant_text(native: pl.DataFrame, column: str) -> pl.Expr:
    if isinstance(native.schema[column], pl.Datetime):
        return _instant(native, column)
    naive = pl.col(column).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    return naive.dt.replace_time_zone("UTC").cast(UTC_US)


ORLY = Layout(
    name="synop",
    columns=("numer_sta", "date", "t", "rr3", "ff"),
    optional=tuple(
        "pmer tend cod_tend dd td u vv ww w1 w2 n nbas hbas cl cm ch pres niv_bar geop tend24 tn12 tn24 tx12 tx24 "
        "tminsol sw tw raf10 rafper per etat_sol ht_neige ssfrai perssfrai rr1 rr6 rr12 rr24 phenspe1 phenspe2 "
        "phenspe3 phenspe4 nnuage1 ctype1 hnuage1 nnuage2 ctype2 hnuage2 nnuage3 ctype3 hnuage3 nnuage4 ctype4 "
        "hnuage4".split()
    ),
    parse=parse_orly,
)
