from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
import shapely

from urbancast.portals import by_name, encoding, read
from urbancast.portals.session import Session

pytestmark = pytest.mark.real
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.fixture
def native(source, shared_data):
    def load(name: str) -> pl.DataFrame:
        path = shared_data(name)
        with Session() as session:
            (page,) = by_name("files").fetch(source("files", "", url=str(path)), None, session=session, now=NOW)
        assert page.payload == path.read_bytes()
        return read.native(page)

    return load


def test_the_counters_native_sample_has_its_sixteen_columns(native):
    frame = native("paris/opendatasoft_native_sample.csv")
    assert (frame.height, frame.width) == (21, 16)
    assert frame["Coordonnées géographiques"][0] == "48.83504,2.33314"
    assert frame["Date et heure de comptage"][0] == "2021-09-01T03:00:00+02:00"


def test_the_crash_reports_native_sample_has_its_columns(native):
    frame = native("nyc/socrata_native_sample.csv")
    assert (frame.height, frame.width) == (1000, 29)
    assert frame.row(0)[:3] == ("2021-09-11T00:00:00.000", "2:39", "WHITESTONE EXPRESSWAY")


@pytest.mark.parametrize(
    ("name", "codec", "rows", "column"),
    [
        ("spaces_2020", "cp1252", 28351, "Número de Plazas"),
        ("spaces_2022_04", "utf-8-sig", 27473, "num_plazas"),
        ("spaces_2023_08", "cp1252", 31889, None),
        ("meters_2020", "cp1252", 3923, "Matrícula"),
        ("meters_2022_04", "utf-8-sig", 5318, "matricula"),
    ],
)
def test_each_vintage_of_streets_and_meters_is_decoded(native, shared_data, name, codec, rows, column):
    path = shared_data(f"madrid/{name}.csv")
    assert encoding.encoding_of(path.read_bytes()) == codec
    frame = native(f"madrid/{name}.csv")
    assert abs(frame.height - rows) <= 1  # a blank last row is a row
    assert column is None or column in frame.columns
    text = frame.select(pl.concat_str(pl.all(), separator="|", ignore_nulls=True)).to_series().str.join("\n").item()
    assert "�" not in text
    assert "CHAMARTÍN" in text or "CHAMARTIN" in text
    assert not any(mark in text for mark in ("Ã", "Â", "ï»¿"))


def test_the_taxi_zones_keep_features_and_shapes(native):
    frame = native("nyc/taxi_zones.geojson")
    assert frame.height == 263
    assert frame["location_id"].n_unique() == 260
    shapes = shapely.from_wkb(frame["geometry"].to_list())
    west, south, east, north = shapely.total_bounds(shapes)
    assert -74.3 < west < east < -73.6
    assert 40.4 < south < north < 41.0


def test_neighbourhood_limits_are_in_degrees(native):
    shapes = shapely.from_wkb(native("madrid/neighbourhoods.geojson")["geometry"].drop_nulls().to_list())
    west, south, east, north = shapely.total_bounds(shapes)
    assert -3.9 < west < east < -3.5
    assert 40.3 < south < north < 40.7


def test_the_year_of_counts_is_read_as_it_is(native):
    assert native("paris/counts_2020-09_2021-08.parquet").height == 455_163
