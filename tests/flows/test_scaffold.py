from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from urbancast.core.errors import QueryError
from urbancast.flows import scaffold
from urbancast.geo import outline, places

ROOT = Path(__file__).resolve().parents[2]


def square(code: str, x: float) -> dict[str, object]:
    ring = [[x, 47.0], [x + 0.02, 47.0], [x + 0.02, 47.02], [x, 47.02], [x, 47.0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"code": code, "title": f"Area {code}", "since": 1999}, "geometry": shape}


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    path = tmp_path / "areas.geojson"
    features = [square("a", 7.0), square("b", 7.02)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_a_new_folder_passes_the_contract_tests_as_it_is(tmp_path: Path) -> None:
    scaffold.write(tmp_path, scaffold.Outline(id="new_town", city="New Town", country="BE", tz="Europe/Brussels"))
    environment = {**os.environ, "URBANCAST_PRODUCTS": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "new_town", "tests/contracts"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_areas_become_places_an_outline_and_a_source(tmp_path: Path, areas: Path) -> None:
    folder = scaffold.write_zones(tmp_path, scaffold.Outline(id="zoned"), areas, place="code", name="title")
    facts = places.read(folder / "places.csv")
    assert facts["place"].to_list() == ["a", "b"]
    assert facts["area_km2"].to_list() == pytest.approx([3.38, 3.38], rel=0.02)
    assert outline.read(folder).area == pytest.approx(0.02 * 0.04, rel=0.5)
    assert "counts.boundaries(place=" in (folder / "recipe.py").read_text()


def test_a_property_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, areas: Path) -> None:
    with pytest.raises(QueryError, match="code, title, since"):
        scaffold.write_zones(tmp_path, scaffold.Outline(id="zoned"), areas, place="id", name="title")


@pytest.mark.parametrize("name", ["", "Ab", "9lives", "with space", "class", "../up", "x" * 60])
def test_a_name_that_python_could_not_import_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(QueryError) as refused:
        scaffold.write(tmp_path, scaffold.Outline(id=name))
    assert refused.value.state == "malformed-id"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_never_written_over(tmp_path: Path) -> None:
    folder = scaffold.write(tmp_path, scaffold.Outline(id="mine_own"))
    (folder / "product.py").write_text("mine")
    with pytest.raises(QueryError, match="new folder"):
        scaffold.write(tmp_path, scaffold.Outline(id="mine_own"))
    assert (folder / "product.py").read_text() == "mine"


def test_a_place_on_no_globe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="latitude"):
        scaffold.write(tmp_path, scaffold.Outline(id="far_out", lat=123.0))
