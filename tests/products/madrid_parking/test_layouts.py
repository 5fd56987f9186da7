from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.portals import layouts, media, read
from urbancast.products.madrid_parking.recipe import RECIPE, TICKETS

SOURCES = {source.name: source for source in RECIPE.sources}
NAMES = (
    "matricula_parquimetro;fecha_operacion;fecha_inicio;fecha_fin;{c}_distrito;distrito;{c}_barrio;barrio;tipo_zona;"
)
NAMES += "distintivo;minutos_tique;importe_tique"
ROW = "APP 7;2024-03-06 09:59:00;2024-03-06 10:00:00;2024-03-06 11:00:00;1;CENTRO;01-01;JERÓNIMOS;VERDE;C;60;1,20"


def parse(text: str, encoding: str = "utf-8") -> pl.DataFrame:
    return layouts.parse_frame(TICKETS, read.frame(text.encode(encoding), media.CSV))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize(
    "header",
    [
        NAMES.format(c="cod"),
        NAMES.format(c="codigo"),
        NAMES.format(c="cod").replace(";", " ; "),
        NAMES.format(c="codigo").replace(";", ","),
        NAMES.format(c="cod").replace(";", "\t").upper(),
    ],
)
def test_tickets_read_the_same_however_they_are_written(header: str, encoding: str) -> None:
    found = parse(f"{header}\r\n{ROW}\r\n{ROW}\r\n", encoding).row(0, named=True)
    assert found["meter"] == "APP 7"
    assert found["start"] == datetime(2024, 3, 6, 10)
    assert found["end"] == datetime(2024, 3, 6, 11)
    assert found["time"].isoformat() == "2024-03-06T09:00:00+00:00"
    assert (found["barrio_code"], found["barrio"], found["zone"]) == ("01-01", "JERÓNIMOS", "VERDE")
    assert (found["minutes"], found["amount"]) == (60.0, 1.2)


def test_a_decimal_point_and_times_written_otherwise_are_read() -> None:
    row = ROW.replace("1,20", "1.20").replace("2024-03-06 10:00:00", "2024-03-06T10:00:00")
    found = parse(f"{NAMES.format(c='cod')}\n{ROW}\n{row}\n")
    assert found["amount"].to_list() == [1.2, 1.2]
    assert found["start"].null_count() == 0


def test_the_hour_that_comes_twice_is_the_earlier_and_the_skipped_one_an_hour_later() -> None:
    rows = [ROW.replace("2024-03-06 10:00:00", at) for at in ("2023-10-29 02:30:00", "2024-03-31 02:30:00")]
    found = parse("\n".join([NAMES.format(c="cod"), *rows]))["time"].dt.to_string("%Y-%m-%d %H:%M").to_list()
    assert found == ["2023-10-29 00:30", "2024-03-31 01:30"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fecha_inicio", "fecha_fin"),
        ("fecha_inicio", "barrio"),
        ("fecha_fin", "tipo_zona"),
        ("minutos_tique", "importe_tique"),
        ("cod_distrito", "cod_barrio"),
        ("tipo_zona", "cod_barrio"),
    ],
)
def test_swapped_columns_are_refused_by_name(one: str, other: str) -> None:
    names = NAMES.format(c="cod").split(";")
    i, j = names.index(one), names.index(other)
    names[i], names[j] = names[j], names[i]
    rows = [ROW.replace("06 ", f"{day:02d} ") for day in range(1, 29)]
    with pytest.raises(ContractError, match="look swapped") as refused:
        parse("\n".join([";".join(names), *rows]))
    assert one in str(refused.value)
    assert other in str(refused.value)


def test_a_column_that_no_meaning_fits_is_refused_by_name() -> None:
    header = NAMES.format(c="cod").replace("fecha_fin", "hasta_cuando")
    with pytest.raises(ContractError, match="hasta_cuando"):
        parse(f"{header}\n{ROW}\n")


@pytest.mark.parametrize(
    "written",
    [
        {"Gis_X": "439592,9100000000", "Gis_Y": "4473566,2300000000", "Distrito": "01  CENTRO",
         "Barrio": "01-01 PALACIO", "Calle": "AGUAS, CALLE, DE LAS", "Nº Finca": "2", "Color": "Verde",
         "Batería/Línea": "Línea", "Número de Plazas": "8"},
        {"gis_x": "439592.91", "gis_y": "4473566.23", "distrito": "01  CENTRO", "barrio": "01-01 PALACIO",
         "calle": "AGUAS, CALLE, DE LAS", "num_finca": "2", "color": "077214010 Verde", "bateria_linea": "Línea",
         "num_plazas": "8"},
        {"gis_x": "439592,91", "gis_y": "4473566,23", "cod_distrito": "1", "distrito": "CENTRO", "cod_barrio": "11",
         "num_barrio": "1", "barrio": "PALACIO", "calle": "AGUAS, CALLE, DE LAS", "num_finca": "2",
         "color": "Verde", "bateria_linea": "Línea", "numero_plazas": "8"},
    ],
)  # fmt: skip
def test_spaces_of_any_vintage_read_the_same(written: dict[str, Any]) -> None:
    found = layouts.parse_frame(SOURCES["spaces"], pl.DataFrame([written])).row(0, named=True)
    assert (found["place"], found["barrio"], found["colour"], found["spaces"]) == ("01-01", "PALACIO", "Verde", 8)
    assert found["street"] == "AGUAS, CALLE, DE LAS"
    assert (round(found["lat"], 3), round(found["lon"], 3)) == (40.411, -3.712)


def test_a_vintage_whose_spaces_have_another_name_is_refused_by_that_name() -> None:
    row = {"gis_x": "1", "gis_y": "2", "barrio": "01-01 P", "calle": "A", "color": "Verde", "capacidad_total": "8"}
    with pytest.raises(ContractError, match="capacidad_total"):
        layouts.parse_frame(SOURCES["spaces"], pl.DataFrame([row]))


@pytest.mark.parametrize("since", ["28-05-14", "28/05/2014", "2014-05-28"])
@pytest.mark.parametrize("meter", ["301110056", "0301110056"])
def test_meters_read_in_every_date_format_with_and_without_the_leading_zero(since: str, meter: str) -> None:
    row = {"gis_x": "439607,98", "gis_y": "4473548,99", "fecha_alta": since, "distrito": "01  CENTRO",
           "barrio": "01-01 PALACIO", "calle": "AGUAS", "num_finca": "1", "matricula": meter}  # fmt: skip
    found = layouts.parse_frame(SOURCES["meters"], pl.DataFrame([row])).row(0, named=True)
    assert (found["meter"], found["since"], found["place"]) == ("0301110056", date(2014, 5, 28), "01-01")
