"""The shapes in which tickets, spaces, meters and limits arrive, columns recognised by meaning."""

from __future__ import annotations

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local
from urbancast.products.madrid_parking.regulated import TZ
from urbancast.products.madrid_parking.streets import to_degrees
from urbancast.products.madrid_parking.swapped import check_not_swapped

Schema = dict[str, pl.DataType | type[pl.DataType]]
TICKETS_SCHEMA: Schema = {
    "meter": pl.String,  # of a machine a number, of an app a name
    "start": pl.Datetime("us"),  # on the clock of the city
    "end": pl.Datetime("us"),
    "time": UTC_US,
    "district_code": pl.String,
    "barrio_code": pl.String,
    "barrio": pl.String,
    "zone": pl.String,
    "badge": pl.String,
    "bought": pl.String,
    "minutes": pl.Float64,
    "amount": pl.Float64,
}
SPACES_SCHEMA: Schema = {
    "place": pl.String,
    "barrio": pl.String,
    "street": pl.String,
    "number": pl.String,
    "colour": pl.String,
    "spaces": pl.Int64,
    "lat": pl.Float64,
    "lon": pl.Float64,
}
METERS_SCHEMA: Schema = {
    "meter": pl.String,
    "place": pl.String,
    "street": pl.String,
    "since": pl.Date,
    "until": pl.Date,
    "lat": pl.Float64,
    "lon": pl.Float64,
}
PLACES_SCHEMA: Schema = {"place": pl.String, "name": pl.String, "part_of": pl.String, "geometry": pl.Binary}
LIMIT_SCHEMA: Schema = {"name": pl.String, "geometry": pl.Binary}
METER_DIGITS = 10
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")
_DATES = ("%d/%m/%Y", "%d-%m-%y", "%Y-%m-%d", "%d-%m-%Y")


def parse_tickets(native: pl.DataFrame) -> pl.DataFrame:
    """Tickets as SCHEMA; ContractError where columns look swapped. What cannot be read is null, for `observe`."""
    check_not_swapped(native, TICKETS.meanings)
    text = ("meter", "district_code", "barrio_code", "barrio", "zone", "badge", "bought")
    found = native.select(
        *(pl.col(name).cast(pl.String).str.strip_chars() for name in text),
        *(_as_mostly_written(native, name) for name in ("start", "end")),
        minutes=_number("minutes"),
        amount=_number("amount"),
    )
    start, end = (_instants(native[name], found[name]) for name in ("start", "end"))
    return found.with_columns(start, end, _in_utc(start).alias("time")).select(list(TICKETS_SCHEMA))


def parse_spaces(native: pl.DataFrame) -> pl.DataFrame:
    """Rows of spaces; the blank row at the end of a vintage stays, all null. Every row counts: none is a repeat."""
    lat, lon = to_degrees(native.select(_number("x"))["x"], native.select(_number("y"))["y"])
    return native.select(
        place=_place(),
        barrio=pl.col("barrio").cast(pl.String).str.replace(r"^\s*\d+-\d+\s*", "").str.strip_chars(),
        street=pl.col("street").cast(pl.String).str.strip_chars(),
        number=pl.col("number").cast(pl.String).str.strip_chars(),
        colour=pl.col("colour").cast(pl.String).str.replace(r"^\s*\d+\s+", "").str.strip_chars(),
        spaces=_number("spaces").cast(pl.Int64),
        lat=lat,
        lon=lon,
    )


def parse_meters(native: pl.DataFrame) -> pl.DataFrame:
    """Meters; ids with ten digits whatever zeros a vintage left out, dates in any of its formats."""
    lat, lon = to_degrees(native.select(_number("x"))["x"], native.select(_number("y"))["y"])
    return native.select(
        meter=pl.col("meter").cast(pl.String).str.strip_chars().str.zfill(METER_DIGITS),
        place=_place(),
        street=pl.col("street").cast(pl.String).str.strip_chars(),
        since=_date("since"),
        until=_date("until"),
        lat=lat,
        lon=lon,
    )


def parse_places(native: pl.DataFrame) -> pl.DataFrame:
    """Neighbourhoods; the feature that stands for all outside the zone (codes ``-``) has no id and is no place."""
    district, barrio = (
        pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
        for name in ("district_code", "barrio_code")
    )
    within = pl.when(barrio > 10 * district).then(barrio - 10 * district).otherwise(barrio)
    return native.select(
        place=pl.concat_str(_two(district), pl.lit("-"), _two(within)),
        name=pl.col("barrio").cast(pl.String).str.strip_chars(),
        part_of=pl.col("district").cast(pl.String).str.strip_chars(),
        geometry=pl.col("geometry"),
    )


def parse_limit(native: pl.DataFrame) -> pl.DataFrame:
    """Limit of the regulated zone."""
    return native.select(name=pl.col("name").cast(pl.String), geometry=pl.col("geometry"))


def _as_mostly_written(native: pl.DataFrame, name: str) -> pl.Expr:
    """Naive local times, null where they are not written in the first of the formats."""
    if isinstance(native.schema[name], pl.Datetime):
        return pl.col(name).dt.replace_time_zone(None).cast(pl.Datetime("us"))
    return pl.col(name).cast(pl.String).str.to_datetime(_FORMATS[0], time_unit="us", strict=False, cache=False)


def _instants(column: pl.Series, found: pl.Series) -> pl.Series:
    """``found`` with what is null in it read in the other formats."""
    for form in _FORMATS:
        unread = (found.is_null() & column.is_not_null()).arg_true()
        if unread.is_empty():
            break
        text = column.gather(unread).cast(pl.String).str.strip_chars()
        found = found.scatter(unread, text.str.to_datetime(form, time_unit="us", strict=False))
    return found


def _in_utc(local: pl.Series) -> pl.Series:
    """UTC instants of naive local times; the clock changes at whole hours, so each hour is looked up once."""
    hour = local.dt.truncate("1h").alias("hour")
    hours = hour.unique().to_frame().with_columns(utc=from_local(pl.col("hour"), TZ))
    found = hour.to_frame().join(hours, on="hour", how="left", maintain_order="left", nulls_equal=True)
    return (found["utc"] + (local - hour)).cast(UTC_US)


def _number(name: str) -> pl.Expr:
    """Number with a decimal comma or point."""
    return pl.col(name).cast(pl.String).str.strip_chars().str.replace(",", ".", literal=True).cast(
        pl.Float64, strict=False
    ).alias(name)  # fmt: skip


def _date(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.coalesce(text.str.to_date(form, strict=False) for form in _DATES)


def _place() -> pl.Expr:
    """Id ``DD-BB``: written in the text, or as codes in columns of their own (11 and 1, or 1 and 1)."""
    text = pl.col("barrio").cast(pl.String)
    written = pl.concat_str(
        _two(text.str.extract(r"^\s*(\d{1,2})-\d").cast(pl.Int64)),
        pl.lit("-"),
        _two(text.str.extract(r"^\s*\d{1,2}-(\d{1,2})").cast(pl.Int64)),
    )
    district, barrio = (
        pl.col(name).cast(pl.String).str.extract(r"(\d+)\s*$").cast(pl.Int64, strict=False)
        for name in ("district_code", "barrio_code")
    )
    within = pl.when(barrio > 10 * district).then(barrio - 10 * district).otherwise(barrio)
    return pl.coalesce(written, pl.concat_str(_two(district), pl.lit("-"), _two(within)))


def _two(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


_DISTRICT_CODE = ("cod_distrito", "codigo_distrito", "coddistrit", "coddis", "num_distrito", "id_distrito")
_BARRIO_CODE = ("cod_barrio", "codigo_barrio", "codbarrio", "codbar", "id_barrio")
_AREA = {"district": ("distrito",), "barrio": ("barrio",), "district_code": _DISTRICT_CODE, "barrio_code": _BARRIO_CODE}
_SPOT = {
    "x": ("gis_x", "coordenada_x", "coord_x", "x_utm", "x"),
    "y": ("gis_y", "coordenada_y", "coord_y", "y_utm", "y"),
    "street": ("calle", "via", "nombre_via", "direccion"),
    "number": ("num_finca", "numero_de_finca", "n_finca", "no_finca", "finca", "numero_finca", "numero"),
}
TICKETS = Layout(
    name="tickets",
    columns=("start", "end", "barrio", "zone"),
    optional=("meter", "bought", "district_code", "district", "barrio_code", "badge", "minutes", "amount"),
    parse=parse_tickets,
    meanings={
        "meter": ("matricula_parquimetro", "parquimetro", "matricula", "num_parquimetro"),
        "bought": ("fecha_operacion", "fecha_hora_operacion"),
        "start": ("fecha_inicio", "fecha_hora_inicio", "inicio"),
        "end": ("fecha_fin", "fecha_hora_fin", "fin"),
        **_AREA,
        "zone": ("tipo_zona", "zona", "color"),
        "badge": ("distintivo", "distintivo_ambiental"),
        "minutes": ("minutos_tique", "minutos_ticket", "minutos_tiquet", "minutos"),
        "amount": ("importe_tique", "importe_ticket", "importe_tiquet", "importe"),
    },
)
SPACES = Layout(
    name="spaces",
    columns=("x", "y", "barrio", "street", "colour", "spaces"),
    optional=("district", "district_code", "barrio_code", "barrio_number", "number", "rows", "since"),
    parse=parse_spaces,
    meanings={
        **_AREA,
        **_SPOT,
        "barrio_number": ("num_barrio", "numero_barrio"),
        "colour": ("color", "tipo_plaza", "tipo_zona"),
        "rows": ("bateria_linea", "tipo_estacionamiento", "disposicion"),
        "spaces": ("num_plazas", "numero_plazas", "numero_de_plazas", "plazas", "n_plazas", "no_plazas"),
        "since": ("fecha_alta", "fecha_de_alta"),
    },
)
METERS = Layout(
    name="meters",
    columns=("x", "y", "barrio", "street", "meter", "since"),
    optional=("district", "district_code", "barrio_code", "number", "until"),
    parse=parse_meters,
    meanings={
        **_AREA,
        **_SPOT,
        "meter": ("matricula", "matricula_parquimetro"),
        "since": ("fecha_alta", "fecha_de_alta"),
        "until": ("fecha_baja", "fecha_de_baja"),
    },
)
PLACES = Layout(
    name="neighbourhoods",
    columns=("district_code", "barrio_code", "barrio", "geometry"),
    optional=("district", "*"),
    parse=parse_places,
    meanings={
        "district_code": _DISTRICT_CODE,
        "barrio_code": (*_BARRIO_CODE, "num_bar"),
        "barrio": ("nombar", "nombre_barrio", "barrio"),
        "district": ("nomdis", "nombre_distrito", "distrito"),
    },
)
LIMIT = Layout(
    name="limit",
    columns=("name", "geometry"),
    optional=("*",),
    parse=parse_limit,
    meanings={"name": ("nombre",)},
)
