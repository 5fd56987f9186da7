import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, box

from urbancast.core.errors import ContractError
from urbancast.core.place import PlaceKind
from urbancast.core.product import Measure, Product
from urbancast.core.tables import Places
from urbancast.geo import places

WORDS = {"en": "x", "es": "x", "fr": "x"}
BOW_TIE = Polygon([(2, 0), (3, 1), (3, 0), (2, 1)])
TAXI = {"place": "location_id", "name": "zone", "part_of": "borough"}


def product(folder, kind=PlaceKind.ZONE):
    return Product(
        id="p", city="c", country="US", tz="UTC", verb=WORDS, question=WORDS, place_kind=kind, place_word=WORDS,
        grain="1h", horizon=timedelta(days=1), lenses=("zone",), measures=(Measure(id="m", label=WORDS, unit=WORDS),),
        licences=(), folder=folder, centre=(0.0, 0.0),
    )  # fmt: skip


def features(*rows):
    return pl.DataFrame(
        [{"id": place, "label": name, "geometry": shape and shapely.to_wkb(shape)} for place, name, shape in rows],
        schema={"id": pl.String, "label": pl.String, "geometry": pl.Binary},
    )


def assert_keeps_the_contract(table):
    assert Places.validate(table.select(pl.lit("p").alias("product"), pl.all()), cast=True).height == table.height


def test_read_keeps_ids_as_text_and_lists_absent_facts_as_null(tmp_path):
    (tmp_path / "places.csv").write_text("place,name,lat,lon,spaces\n01,A,50,1,7\n2,B,50,2,8\n")
    rows = places.read(tmp_path / "places.csv")
    assert rows.columns == ["place", "name", "part_of", "lat", "lon", "area_km2", "spaces"]
    assert rows["place"].to_list() == ["01", "2"]
    assert rows["area_km2"].null_count() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("place,name,lat\n1,A,50\n", "add lon"),
        ("place,name,lat,lon\n1,A,50,1\n1,B,50,1\n", "'1' repeated"),
        ("place,name,lat,lon\n1,A,,1\n", "expected place, name, lat and lon in every row"),
    ],
)
def test_read_refuses_a_table_that_is_not_places(tmp_path, text, message):
    (tmp_path / "places.csv").write_text(text)
    with pytest.raises(ContractError, match=message):
        places.read(tmp_path / "places.csv")


def test_schematic_zones_keep_the_contract_and_say_what_they_are(tmp_path):
    (tmp_path / "places.csv").write_text("place,name,lat,lon,area_km2,spaces\n1,A,50.1,0.1,3,7\n2,B,50.1,0.3,9,\n")
    (tmp_path / "outline.csv").write_text("part,lat,lon\n0,50,0\n0,50,0.4\n0,50.2,0.4\n0,50.2,0\n")
    table = places.schematic(product(tmp_path))
    assert table.schema == places.SCHEMA
    assert_keeps_the_contract(table)
    assert table["is_schematic"].all()
    assert json.loads(table["attributes"][0]) == {"spaces": 7}
    shapes = shapely.from_wkb(table["geometry"].to_list())
    assert shapes[1].area == pytest.approx(3 * shapes[0].area, rel=0.02)


def test_sites_are_points_and_no_schematic(tmp_path):
    (tmp_path / "places.csv").write_text("place,name,lat,lon\n1,A,50.1,0.1\n")
    table = places.schematic(product(tmp_path, PlaceKind.SITE))
    assert_keeps_the_contract(table)
    assert shapely.from_wkb(table["geometry"][0]).equals(Point(0.1, 50.1))
    assert not table["is_schematic"].any()


def test_real_places_of_a_city_become_a_table(facts_folder):
    table = places.schematic(product(facts_folder("nyc")))
    assert table.height == 260
    assert_keeps_the_contract(table)
    assert shapely.is_valid(shapely.from_wkb(table["geometry"].to_list())).all()


def test_features_that_repeat_an_id_are_united_and_counted():
    found = places.from_features(
        features(("7", "A", box(0, 0, 1, 1)), ("5", "B", box(5, 5, 6, 6)), ("7", "A", box(1, 0, 2, 1))),
        {"place": "id", "name": "label"},
    )
    assert found.merged == {"7": 2}
    assert found.places["place"].to_list() == ["5", "7"]
    assert shapely.from_wkb(found.places["geometry"][1]).equals(box(0, 0, 2, 1))
    assert_keeps_the_contract(found.places)


def test_an_invalid_shape_is_repaired_and_named():
    found = places.from_features(features(("1", "A", BOW_TIE), ("2", "B", box(0, 0, 1, 1))), {"place": "id"})
    assert found.repaired == ("1",)
    shape = shapely.from_wkb(found.places["geometry"][0])
    assert shape.is_valid
    assert shape.area == pytest.approx(0.5)


def test_features_that_are_no_place_are_refused_with_a_reason():
    found = places.from_features(
        features(("1", "A", box(0, 0, 1, 1)), (None, "B", box(0, 0, 1, 1)), ("3", "C", None), ("4", "D", Point(0, 0))),
        {"place": "id"},
    )
    assert found.places["place"].to_list() == ["1"]
    assert found.refused == ((1, "id is empty"), (2, "geometry of '3' is empty"), (3, "geometry of '4' is empty"))
    assert found.repaired == ()


@pytest.mark.parametrize("write", [shapely.to_geojson, shapely.to_wkt])
def test_geometry_may_come_as_text(write):
    frame = pl.DataFrame({"id": [1], "geometry": [write(box(0, 0, 1, 1))]})
    table = places.from_features(frame, {"place": "id", "attributes.code": "id"}).places
    assert shapely.from_wkb(table["geometry"][0]).equals(box(0, 0, 1, 1))
    assert table["attributes"][0] == '{"code": 1}'


def test_boundaries_without_the_mapped_property_are_refused_by_name():
    with pytest.raises(ContractError, match="map zone to a property"):
        places.from_features(features(("1", "A", box(0, 0, 1, 1))), {"place": "id", "name": "zone"})


def test_taxi_zones_agree_with_the_facts_computed_from_them(boundary_features, facts_folder):
    real = places.from_features(
        boundary_features("nyc/taxi_zones.geojson"), TAXI, valid_from=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert real.merged == {"103": 3, "56": 2}
    both = places.read(facts_folder("nyc") / "places.csv").join(real.places, on="place", suffix="_real")
    assert both.height == real.places.height == 260
    assert (both["area_km2"] - both["area_km2_real"]).abs().max() < 0.05
    assert (both["lat"] - both["lat_real"]).abs().max() < 0.005


@pytest.mark.parametrize("path", ["nyc/taxi_zones.geojson", "chicago/community_areas.geojson"])
def test_a_map_of_real_zones_is_light_valid_and_keeps_neighbours_joined(boundary_features, path):
    frame = boundary_features(path)
    key = next(name for name in ("location_id", "area_numbe", "area_num_1") if name in frame.columns)
    real = places.from_features(frame, {"place": key}).places
    drawn = places.to_geojson(real)
    assert len(json.dumps(drawn)) < 600_000
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in drawn["features"]]
    assert shapely.is_valid(shapes).all()
    exact = shapely.from_wkb(real["geometry"].to_list())
    gap = shapely.union_all(exact).symmetric_difference(shapely.union_all(shapes)).area
    assert gap < 0.01 * shapely.area(exact).sum()
    assert abs(shapely.area(shapes).sum() - shapely.union_all(shapes).area) < 0.001 * shapely.area(exact).sum()


def test_a_map_rounds_to_five_decimals_and_shows_each_place(tmp_path):
    table = places.from_features(
        features(("1", "A", box(0, 0, 1 / 3, 1)), ("2", "B", box(1 / 3, 0, 1, 1))), {"place": "id", "name": "label"}
    ).places
    first, second = places.to_geojson(table)["features"]
    assert (first["id"], first["properties"]["name"], first["properties"]["is_schematic"]) == ("1", "A", False)
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in (first, second)]
    assert shapes[0].bounds[2] == shapes[1].bounds[0] == 0.33333


def test_simplifying_drops_specks_but_never_a_whole_place():
    speck, island = box(1, 1, 1.00001, 1.00001), box(0, 0, 0.1, 0.1)
    kept = places.simplify([MultiPolygon([island, speck]), box(2, 2, 2.00001, 2.00001)], tolerance_m=30)
    assert kept[0].geom_type == "Polygon"
    assert not kept[1].is_empty
