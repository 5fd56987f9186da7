import pytest
import shapely
from shapely.geometry import MultiPolygon, box

from urbancast.core.errors import ContractError
from urbancast.geo import landmarks, outline, water

SQUARE = "0,0,0\n0,0,1\n0,1,1\n0,1,0\n"


def test_an_outline_is_one_shape_of_its_parts(tmp_path):
    (tmp_path / "outline.csv").write_text(
        f"part,lat,lon\n{SQUARE}" + SQUARE.replace("\n0,", "\n1,5").replace("0,0,0", "1,50,0", 1)
    )
    area = outline.read(tmp_path)
    assert isinstance(area, MultiPolygon)
    assert len(area.geoms) == 2
    assert area.geoms[0].equals(box(0, 0, 1, 1))


def test_a_product_without_files_has_an_empty_outline_no_water_and_no_landmarks(tmp_path):
    assert outline.read(tmp_path).is_empty
    assert outline.to_geojson(outline.read(tmp_path)) is None
    assert water.read(tmp_path).is_empty()
    assert water.to_geojson(water.read(tmp_path))["features"] == []
    assert landmarks.read(tmp_path).is_empty()


def test_a_ring_that_crosses_itself_is_made_valid(tmp_path):
    (tmp_path / "outline.csv").write_text("part,lat,lon\n0,0,0\n0,1,1\n0,1,0\n0,0,1\n")
    area = outline.read(tmp_path)
    assert area.is_valid
    assert area.area == pytest.approx(0.5)


def test_an_outline_draws_as_geojson(tmp_path):
    (tmp_path / "outline.csv").write_text(f"part,lat,lon\n{SQUARE}")
    assert shapely.geometry.shape(outline.to_geojson(outline.read(tmp_path))).equals(box(0, 0, 1, 1))


def test_water_is_lines_and_areas(tmp_path):
    (tmp_path / "water.csv").write_text(
        "part,name,kind,lat,lon\nr,River,line,0,0\nr,River,line,1,1\nl,Lake,area,0,0\nl,Lake,area,0,1\nl,Lake,area,1,1\n"
    )
    drawn = water.to_geojson(water.read(tmp_path))["features"]
    assert [(f["properties"]["name"], f["geometry"]["type"]) for f in drawn] == [
        ("River", "LineString"),
        ("Lake", "Polygon"),
    ]


def test_landmarks_are_points(tmp_path):
    (tmp_path / "landmarks.csv").write_text("name,lat,lon\nTower,48.858,2.294\n")
    (point,) = landmarks.to_geojson(landmarks.read(tmp_path))["features"]
    assert point["geometry"] == {"type": "Point", "coordinates": [2.294, 48.858]}


@pytest.mark.parametrize(
    ("read", "name", "text", "message"),
    [
        (outline.read, "outline.csv", "part,lat\n0,1\n", "add lon"),
        (outline.read, "outline.csv", "part,lat,lon\n0,0,0\n0,1,1\n", "found 2 in part '0'"),
        (water.read, "water.csv", "part,name,kind,lat,lon\nr,R,line,0,0\n", "found 1 in part 'r'"),
        (water.read, "water.csv", "part,name,kind,lat,lon\nr,R,canal,0,0\nr,R,canal,0,1\nr,R,canal,1,1\n", "'canal'"),
        (landmarks.read, "landmarks.csv", "name,lat\nA,1\n", "add lon"),
    ],
)
def test_a_malformed_file_is_refused_by_what_is_wrong(tmp_path, read, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ContractError, match=message):
        read(tmp_path)
