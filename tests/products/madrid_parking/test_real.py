"""The city's own files, where they are at hand."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
import shapefile
import shapely

from urbancast.geo import places as shapes
from urbancast.portals import layouts, media, read
from urbancast.products.madrid_parking.attributes import attributes, with_measure
from urbancast.products.madrid_parking.recipe import RECIPE

pytestmark = pytest.mark.real
SOURCES = {source.name: source for source in RECIPE.sources}
TOTALS = {"spaces_2020": 153_233, "spaces_2022_04": 144_364, "spaces_2023_08": 167_684}
Locate = Callable[[str], Path]


def table(path: Path, source: str) -> pl.DataFrame:
    kind = media.of("", path.name)
    frame = layouts.parse_frame(SOURCES[source], read.frame(path.read_bytes(), kind))
    return frame.with_columns(file=pl.lit(path.stem))


@pytest.mark.parametrize("name", TOTALS)
def test_every_vintage_holds_exactly_its_spaces(shared_data: Locate, name: str) -> None:
    rows = table(shared_data(f"madrid/{name}.csv"), "spaces")
    assert rows["spaces"].sum() == TOTALS[name]
    told = rows.drop_nulls("spaces")
    assert told.select("place", "street", "colour", "lat", "lon").null_count().sum_horizontal().item() == 0
    assert told["place"].str.contains(r"^\d\d-\d\d$").all()
    assert told["lat"].is_between(40.3, 40.6).all()
    assert told["lon"].is_between(-3.8, -3.6).all()
    green = with_measure(told).filter(pl.col("measure") == "green")["spaces"].sum()
    assert 0.7 < green / TOTALS[name] < 0.9


@pytest.mark.parametrize(("name", "meters"), [("meters_2020", 3923), ("meters_2022_04", 5317)])
def test_meters_are_read_with_dates_and_ten_digits(shared_data: Locate, name: str, meters: int) -> None:
    rows = table(shared_data(f"madrid/{name}.csv"), "meters").drop_nulls("meter")
    assert rows.height == meters
    assert rows["meter"].str.len_chars().unique().to_list() == [10]
    assert rows["since"].null_count() == 0


def test_what_lies_outside_the_zone_is_no_neighbourhood(shared_data: Locate) -> None:
    found = real_places(shared_data)
    assert len(found.refused) == 1
    assert found.places.height == 60
    facts = shapes.read(Path(str(RECIPE.attributes.__code__.co_filename)).parent / "places.csv")  # type: ignore[union-attr]
    assert found.places["place"].to_list() == facts["place"].sort().to_list()


def test_limits_read_as_shapefile_as_they_do_as_geojson(shared_data: Locate) -> None:
    native = read.frame(shared_data("madrid/neighbourhoods.geojson").read_bytes(), media.GEOJSON)
    zipped = read.frame(as_shapefile(native), media.SHAPEFILE)
    one, other = (layouts.parse_frame(SOURCES["places"], frame) for frame in (native, zipped))
    assert one.drop("geometry").equals(other.drop("geometry"))
    limit = table(shared_data("madrid/ser_zone.geojson"), "limit")
    assert limit["name"].to_list() == ["Zona S.E.R."]


def test_each_vintage_holds_from_its_date_with_streets_and_capacities(shared_data: Locate) -> None:
    spaces = pl.concat([table(shared_data(f"madrid/{name}.csv"), "spaces") for name in TOTALS])
    meters = pl.concat(
        [table(shared_data(f"madrid/{name}.csv"), "meters") for name in ("meters_2020", "meters_2022_04")]
    )
    told = attributes(real_places(shared_data).places, {"spaces": spaces, "meters": meters})
    found = told.places
    kept_out = told.quarantine.select("source", "rule").rows()  # a row without a number, and a blank one
    assert kept_out == [("spaces", "no-number"), ("meters", "no-place")]
    assert found.height == 4 * 60
    begins = [
        datetime(2019, 12, 31, 23, tzinfo=UTC),
        datetime(2022, 3, 31, 22, tzinfo=UTC),
        datetime(2023, 7, 31, 22, tzinfo=UTC),
    ]
    assert found["valid_from"].unique().sort().to_list()[1:] == begins
    assert found["valid_to"].drop_nulls().unique().sort().to_list() == begins
    newest = found.filter(pl.col("valid_to").is_null())
    told = {place: json.loads(text) for place, text in newest.select("place", "attributes").iter_rows()}
    assert sum(each["capacity"]["paid"] for each in told.values()) == TOTALS["spaces_2023_08"]
    assert all(told[f"01-0{n}"]["capacity"]["blue"] == 0 for n in range(1, 7))
    assert 1_500 < sorted(each["capacity"]["paid"] for each in told.values())[30] < 3_500
    names = {street[0] for street in told["01-01"]["streets"]}
    assert "Calle de las Aguas" in names
    held = {name: sum(each.get(name, 0) for *_, each in told["04-02"]["streets"]) for name in ("green", "blue")}
    assert held == {name: told["04-02"]["capacity"][name] for name in held}


def real_places(shared_data: Locate) -> shapes.Boundaries:
    rows = table(shared_data("madrid/neighbourhoods.geojson"), "places")
    return shapes.from_features(rows, {name: name for name in ("place", "name", "part_of")})


def as_shapefile(native: pl.DataFrame) -> bytes:
    parts = {end: BytesIO() for end in ("shp", "dbf", "shx")}
    with shapefile.Writer(**parts) as writer:
        for name in ("CODDIS", "NOMDIS", "CODBAR", "NOMBAR"):
            writer.field(name, "C", 60)
        for row in native.iter_rows(named=True):
            writer.shape(shapely.geometry.mapping(shapely.from_wkb(row["geometry"])))
            writer.record(*(row[name] for name in ("CODDIS", "NOMDIS", "CODBAR", "NOMBAR")))
    store = BytesIO()
    with zipfile.ZipFile(store, "w") as archive:
        for end, part in parts.items():
            archive.writestr(f"barrios.{end}", part.getvalue())
        archive.writestr("barrios.cpg", "utf-8")
    return store.getvalue()
