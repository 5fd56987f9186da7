"""Simulated files as the city writes them: tickets, vintages of spaces and meters, each with its own ways."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import shapely
from pyproj import Transformer

from urbancast.core.product import Window
from urbancast.geo import outline
from urbancast.products.madrid_parking.product import PRODUCT
from urbancast.products.madrid_parking.streets import GRID
from urbancast.products.noise import key_of, uniform

DIRT = ("test", "old", "no_end", "reversed", "days", "unknown")
TESTS = ("ELO MONITORIZACION 1", "TALLER DEVAS", "TEST PARKARE")
_TREES = ("ACACIA", "ALAMO", "ALMENDRO", "CASTAÑO", "CEREZO", "CIPRES", "ENCINA", "FRESNO", "HAYA", "HIGUERA", "LAUREL",
          "MADROÑO", "NARANJO", "NOGAL", "OLIVO", "OLMO", "PINO", "ROBLE", "SAUCE", "TILO")  # fmt: skip
_KINDS = (("CALLE", "DEL"), ("PASEO", "DEL"), ("AVENIDA", "DEL"), ("PLAZA", "DEL"))
_STREETS, _BLOCKS = 6, 4  # a place's streets, and places on each where spaces are told
_SPACES_AT = 5
_HUNDRED_M = 0.0009  # in degrees, about
_VINTAGES: tuple[tuple[str, str, bool], ...] = (
    ("2020", "cp1252", False),
    ("2022_04", "utf-8-sig", True),
    ("2023_08", "cp1252", True),
)
_SINCE_2023 = ("10-", "11-", "15-")


def tickets(
    times: pl.DataFrame, places: pl.DataFrame, *, colour: pl.Series, kind: Any, shares: Mapping[str, Any]
) -> pl.DataFrame:
    """Tickets in the native columns; ``times``: local seconds start, end, bought; ``kind``: dirt of each row."""
    dirt = pl.Series("kind", kind)
    written = pl.from_epoch(pl.col("start", "end", "bought"), time_unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
    upper = pl.col("name").str.to_uppercase()
    spelled = pl.when(upper == "PILAR").then(pl.lit("EL PILAR")).when(upper == "CÁRMENES").then(pl.lit("LOS CARMENES"))
    minutes = (pl.col("end_s") - pl.col("start_s")) / 60
    meter = pl.lit(pl.Series(np.floor(np.asarray(shares["meter"]) * 40), dtype=pl.Int64)).cast(pl.String).str.zfill(4)
    app = pl.lit(pl.Series(shares["app"], dtype=pl.Boolean))
    return (
        pl.concat([times, places, dirt.to_frame()], how="horizontal")
        .with_columns(start_s="start", end_s="end", zone=colour)
        .with_columns(written)
        .select(
            matricula_parquimetro=pl.when(app)
            .then(pl.lit("APP MOVIL"))
            .otherwise(pl.concat_str(pl.lit("03"), pl.col("place").str.replace("-", ""), meter)),
            fecha_operacion="bought",
            fecha_inicio="start",
            fecha_fin=pl.when(pl.col("kind") == DIRT.index("no_end")).then(pl.lit("")).otherwise("end"),
            cod_distrito=pl.col("place").str.slice(0, 2),
            distrito=pl.col("part_of").str.to_uppercase(),
            cod_barrio=pl.when(pl.col("kind").is_in([DIRT.index("test"), DIRT.index("unknown")]))
            .then(pl.lit(""))
            .otherwise("place"),
            barrio=pl.when(pl.col("kind") == DIRT.index("test"))
            .then(pl.lit(pl.Series(TESTS)[(np.asarray(shares["meter"]) * len(TESTS)).astype(np.int64)]))
            .when(pl.col("kind") == DIRT.index("unknown"))
            .then(pl.lit("SIN BARRIO"))
            .otherwise(spelled.otherwise(upper)),
            tipo_zona="zone",
            distintivo=pl.when(app).then(pl.lit("B")).otherwise(pl.lit("C")),
            minutos_tique=minutes.round(0).cast(pl.Int64).cast(pl.String),
            importe_tique=(minutes * 0.02)
            .clip(lower_bound=0.0)
            .round(2)
            .cast(pl.String)
            .str.replace(".", ",", literal=True),
        )
    )


def written(frame: pl.DataFrame, name: str) -> bytes:
    """A quarter's file: every other one in windows-1252 with older names, its header delimited unlike its body."""
    body = frame.write_csv(separator=";", include_header=False)
    if name.endswith(("Q1", "Q3")):
        return ("\ufeff" + ";".join(f"{column} " for column in frame.columns) + "\n" + body).encode("utf-8")
    older = [column.replace("cod_", "codigo_") for column in frame.columns]
    return (",".join(older) + "\r\n" + body).encode("cp1252", "replace")


def tables(seed: int, places: pl.DataFrame) -> list[dict[str, Any]]:
    """Fields of the emulated tables without time: spaces and meters by vintage, the limit of the zone."""
    found: list[dict[str, Any]] = []
    for vintage, encoding, is_plain in _VINTAGES:
        rows = partial(_spaces, seed, places, vintage)
        found.append(_file(f"spaces_{vintage}", rows, encoding, _plain_names if is_plain else _first_names))
    for vintage, encoding in (("2020", "cp1252"), ("2022_04", "utf-8-sig")):
        found.append(_file(f"meters_{vintage}", partial(_meters, seed, places, vintage), encoding, None))
    return [*found, {"protocol": "file", "id": "limit", "form": "geojson", "rows": _limit}]


def _file(name: str, rows: Any, encoding: str, header: Any) -> dict[str, Any]:
    def as_bytes(frame: pl.DataFrame, _name: str) -> bytes:
        shown = frame.rename(header(frame.columns)) if header else frame
        return shown.write_csv(separator=";", line_terminator="\r\n").encode(encoding)

    return {"protocol": "file", "id": name, "rows": rows, "written": as_bytes}


def _plain_names(columns: list[str]) -> dict[str, str]:
    return {name: name for name in columns}


def _first_names(_columns: list[str]) -> dict[str, str]:
    return {
        "num_finca": "Nº Finca",
        "num_plazas": "Número de Plazas",
        "bateria_linea": "Batería/Línea",
        "calle": "Calle",
    }


def _spaces(seed: int, places: pl.DataFrame, vintage: str, _window: Window) -> pl.DataFrame:
    """Rows of spaces: some on each block of each street, nine in ten of them green."""
    rows = _blocks(seed, _served(places, vintage))
    u = uniform(seed, f"spaces {vintage}", rows["key"].to_numpy())
    is_blue = (uniform(seed, "blue block", rows["key"].to_numpy()) < 0.14) & ~rows["place"].str.starts_with(
        "01-"
    ).to_numpy()
    label = ("Azul", "Verde") if vintage == "2020" else ("043000255 Azul", "077214010 Verde")
    return rows.select(
        gis_x=_comma("x"),
        gis_y=_comma("y"),
        distrito=pl.concat_str(pl.col("place").str.slice(0, 2), pl.lit("  "), pl.col("part_of").str.to_uppercase()),
        barrio=pl.concat_str("place", pl.lit(" "), pl.col("name").str.to_uppercase()),
        calle="street",
        num_finca=pl.col("block").cast(pl.String),
        color=pl.when(pl.lit(pl.Series(is_blue))).then(pl.lit(label[0])).otherwise(pl.lit(label[1])),
        bateria_linea=pl.lit("Línea"),
        num_plazas=pl.Series(1 + np.floor(u * _SPACES_AT), dtype=pl.Int64),
    )


def _meters(seed: int, places: pl.DataFrame, vintage: str, _window: Window) -> pl.DataFrame:
    """One meter a street, in the forms of two vintages; the later ends with a blank row."""
    rows = _blocks(seed, _served(places, vintage)).filter(pl.col("block") == 1)
    number = pl.concat_str(pl.lit("3" if vintage == "2020" else "03"), pl.int_range(1_000_000, 1_000_000 + rows.height))
    shared: dict[str, Any] = {
        "gis_x": _comma("x"),
        "gis_y": _comma("y"),
        "fecha_alta": pl.lit("28-05-14" if vintage == "2020" else "28/05/2014"),
        "distrito": pl.concat_str(pl.col("place").str.slice(0, 2), pl.lit("  "), "part_of"),
        "barrio": pl.concat_str("place", pl.lit(" "), pl.col("name").str.to_uppercase()),
        "calle": "street",
        "num_finca": pl.lit("S/N"),
        "matricula": number,
    }
    table = rows.select(**shared)
    if vintage == "2020":
        return table
    return pl.concat([table, pl.DataFrame([dict.fromkeys(table.columns)], schema=table.schema)])


def _limit(_window: Window) -> pl.DataFrame:
    """The served outline as one feature."""
    return pl.DataFrame({"NOMBRE": ["Zona S.E.R."], "geometry": [shapely.to_wkb(outline.read(PRODUCT.folder))]})


def _served(places: pl.DataFrame, vintage: str) -> pl.DataFrame:
    """Places regulated at a vintage: outer ones came with the last."""
    is_outer = pl.any_horizontal(pl.col("place").str.starts_with(part) for part in _SINCE_2023)
    return places if vintage.startswith("2023") else places.filter(~is_outer)


def _blocks(seed: int, places: pl.DataFrame) -> pl.DataFrame:
    """One row a block: place, street, block, key and grid metres around the place's centre."""
    grid = (
        places.select("place", "name", "part_of", "lat", "lon", "area_km2")
        .join(pl.DataFrame({"nth": range(_STREETS)}), how="cross")
        .join(pl.DataFrame({"block": range(1, _BLOCKS + 1)}), how="cross")
    )
    place = np.array([key_of(each) for each in grid["place"]])
    nth, block = grid["nth"].to_numpy(), grid["block"].to_numpy()
    tree = (uniform(seed, "tree", place) * len(_TREES)).astype(np.int64)
    reach = np.sqrt(grid["area_km2"].to_numpy()) / 3 * 10 * _HUNDRED_M
    angle = 2 * np.pi * (nth + uniform(seed, "angle", place)) / _STREETS
    away = reach * block / _BLOCKS
    lat, lon = grid["lat"].to_numpy() + away * np.sin(angle), grid["lon"].to_numpy() + away * np.cos(angle)
    x, y = Transformer.from_crs("EPSG:4326", GRID, always_xy=True).transform(lon, lat)
    kinds = [_KINDS[i % len(_KINDS)] for i in range(_STREETS)]
    streets = [f"{_TREES[(t + i) % len(_TREES)]}, {kinds[i][0]}, {kinds[i][1]}" for t, i in zip(tree, nth, strict=True)]
    key = (place * _STREETS + nth) * 100 + block
    return grid.with_columns(x=pl.Series(x), y=pl.Series(y), street=pl.Series(streets), key=pl.Series(key))


def _comma(name: str) -> pl.Expr:
    return pl.col(name).round(2).cast(pl.String).str.replace(".", ",", literal=True)
