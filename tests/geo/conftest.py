import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture
def facts_folder(tmp_path):
    """Copy the facts of a city to a product-like folder, or skip with the name of what is absent."""

    def copy(city):
        for name in ("places", "outline"):
            source = SHARED / "places" / f"{city}_{name}.csv"
            if not source.exists():
                pytest.skip(f"shared/places/{source.name} is absent")
            shutil.copyfile(source, tmp_path / f"{name}.csv")
        return tmp_path

    return copy


@pytest.fixture(scope="session")
def boundary_features():
    """Features of a real boundary file as WKB and properties, or skip with its name."""

    def read(path):
        source = SHARED / "data" / path
        if not source.exists():
            pytest.skip(f"shared/data/{path} is absent")
        features = json.loads(source.read_text())["features"]
        shapes = [shapely.to_wkb(shapely.geometry.shape(feature["geometry"])) for feature in features]
        return pl.DataFrame([feature["properties"] for feature in features]).with_columns(
            geometry=pl.Series(shapes, dtype=pl.Binary)
        )

    return read


@pytest.fixture(scope="session")
def zones():
    """Make a places table of a few columns from shapes by id."""

    def make(shapes):
        return pl.DataFrame(
            {"place": [place for place, _ in shapes], "geometry": [shapely.to_wkb(shape) for _, shape in shapes]},
            schema={"place": pl.String, "geometry": pl.Binary},
        )

    return make


@pytest.fixture(scope="session")
def truth():
    """Answer point by point with shapely's own tree: the first id, in order, that intersects the point."""

    def locate(places, lon, lat):
        names = sorted(set(places["place"].to_list()))
        merged = [
            shapely.union_all(shapely.from_wkb(places.filter(pl.col("place") == name)["geometry"].to_list()))
            for name in names
        ]
        at, zone = shapely.STRtree(merged).query(shapely.points(lon, lat), predicate="intersects")
        found = np.full(len(lon), len(names))
        np.minimum.at(found, at, zone)
        return [[*names, None][k] for k in found]

    return locate
