import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely

from urbancast.geo.network import DAY_TYPES, Network

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


@pytest.fixture(scope="session")
def town():
    """Make a network from a seed: a bent grid of streets about 100 m long, some one-way, some double, noisy times."""

    def make(seed, *, side=6):
        random = np.random.default_rng(seed)
        at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
        place = np.array([-73.98, 40.75]) + 1e-3 * (at + random.uniform(-0.25, 0.25, at.shape))
        nodes = pl.DataFrame({"node": np.arange(side**2), "lon": place[:, 0], "lat": place[:, 1]})
        pairs = [(a, b) for a in range(side**2) for b in (a + 1, a + side) if b < side**2 and (b - a > 1 or b % side)]
        ways = [(a, b) for a, b in pairs if random.random() > 0.1]
        ways += [(b, a) for a, b in pairs if random.random() > 0.3]
        ways += [ways[k] for k in random.integers(0, len(ways), 4)]
        bends = [(place[a] + place[b]) / 2 + random.normal(0, 1e-4, 2) for a, b in ways]
        lines = shapely.linestrings([[place[a], bend, place[b]] for (a, b), bend in zip(ways, bends, strict=True)])
        edges = pl.DataFrame(
            {
                "link": np.arange(len(ways)),
                "from_node": [a for a, _ in ways],
                "to_node": [b for _, b in ways],
                "name": [f"Street {k % 7}" for k in range(len(ways))],
                "shape": [shapely.to_wkb(line) for line in lines],
            }
        )
        times = pl.DataFrame(
            {
                "link": np.tile(np.arange(len(ways)), 72),
                "day_type": np.repeat(DAY_TYPES, 24 * len(ways)),
                "hour": np.tile(np.repeat(np.arange(24), len(ways)), 3),
                "seconds": random.uniform(5, 60, 72 * len(ways)),
            }
        )
        return Network.of_tables(nodes, edges, times)

    return make


@pytest.fixture(scope="session")
def manhattan():
    """Read the real road graph, or skip with its name."""
    folder = SHARED / "data" / "network"
    if not folder.exists():
        pytest.skip("shared/data/network is absent")
    nodes = pl.read_csv(folder / "manhattan_points.csv", has_header=False, new_columns=["node", "lat", "lon"])
    edges = pl.read_csv(folder / "manhattan_edges.csv", has_header=False, new_columns=["link", "from_node", "to_node"])
    hours = [str(hour) for hour in range(24)]
    files = zip(("week", "sat", "sun"), DAY_TYPES, strict=True)
    times = [
        pl.read_csv(folder / f"manhattan_{name}.csv", has_header=False, new_columns=["link", *hours])
        .unpivot(index="link", variable_name="hour", value_name="seconds")
        .with_columns(pl.col("hour").cast(pl.Int64), day_type=pl.lit(day))
        for name, day in files
    ]
    return Network.of_tables(nodes, edges, pl.concat(times))
