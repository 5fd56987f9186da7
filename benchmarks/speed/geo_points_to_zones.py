"""Points to zones: our raster index beside shapely's STRtree and geopandas on the same points, answers compared.

    python benchmarks/speed/geo_points_to_zones.py [--points 5000000] [--zones PATH.geojson]

Without a boundary file it makes 260 bent zones of its own; without geopandas (group `peers`) it leaves that out. It
says so.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely

from urbancast.geo.index import ZoneIndex

ZONES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nyc" / "taxi_zones.geojson"
OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
KEY = "location_id"


def main() -> None:
    """Print seconds of building and asking, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--zones", type=Path, default=ZONES)
    asked = parser.parse_args()
    if asked.zones.exists():
        zones, origin = read(asked.zones), asked.zones.name
    else:
        zones, origin = bent_zones(260), f"made (no {asked.zones.name})"
    index, build_s = timed(lambda: ZoneIndex(zones))
    tree, tree_build_s = timed(lambda: shapely.STRtree(index.shapes))
    west, south, east, north = shapely.total_bounds(index.shapes)
    lon, lat = np.random.default_rng(7).uniform([west, south], [east, north], (asked.points, 2)).T
    ours, ours_s = timed(lambda: index.locate(lon, lat))
    theirs, theirs_s = timed(lambda: by_tree(tree, index.places, lon, lat))
    print(f"zones      {len(index.places)} of {origin}; {shapely.get_num_coordinates(index.shapes).sum():,} vertices")
    print(f"points     {asked.points:,} uniform in the bounds; {1 - ours.null_count() / len(ours):.0%} in a zone")
    print(f"ZoneIndex  build {build_s:.2f} s, locate {ours_s:.2f} s")
    print(f"STRtree    build {tree_build_s:.2f} s, query {theirs_s:.2f} s")
    work = f"{asked.points:,} points to {len(index.places)} zones ({origin})"
    rows = [line(work, ours_s, build_s, peer="shapely STRtree", peer_s=theirs_s)]
    agree(ours, theirs, "STRtree", theirs_s / ours_s)
    try:
        joined, joined_s = timed(lambda: by_geopandas(index, lon, lat))
    except ImportError as error:
        print(f"skipped    geopandas, {error}")
    else:
        print(f"geopandas  sjoin {joined_s:.2f} s")
        agree(ours, joined, "geopandas", joined_s / ours_s)
        rows.append(line(work, ours_s, build_s, peer="geopandas sjoin", peer_s=joined_s))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows), "utf-8")


def line(work: str, ours_s: float, build_s: float, *, peer: str, peer_s: float) -> dict[str, Any]:
    """One row of the table."""
    return {
        "work": work,
        "seconds": round(ours_s, 2),
        "build_seconds": round(build_s, 2),
        "beside": peer,
        "beside_seconds": round(peer_s, 2),
        "times_as_fast": round(peer_s / ours_s, 1),
    }


def agree(ours: pl.Series, theirs: pl.Series, peer: str, ratio: float) -> None:
    """Say how much faster, and stop where answers differ."""
    if not ours.equals(theirs):
        raise SystemExit(f"ANSWERS DIFFER from {peer}")
    print(f"ratio      {ratio:.1f} times as fast as {peer}; same answers")


def by_geopandas(index: ZoneIndex, lon: Any, lat: Any) -> pl.Series:
    """Answer with a spatial join, a million points at a time: of several zones the first in order."""
    import geopandas as gpd

    zones = gpd.GeoDataFrame({"zone": range(len(index.places))}, geometry=list(index.shapes), crs=4326)
    found = np.full(len(lon), len(index.places))
    for start in range(0, len(lon), 1_000_000):
        some = slice(start, start + 1_000_000)
        points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon[some], lat[some]), crs=4326)
        met = gpd.sjoin(points, zones, predicate="intersects")
        np.minimum.at(found, met.index.to_numpy() + start, met["zone"].to_numpy())
    return pl.Series("place", [*index.places, None], dtype=pl.String).gather(found)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds."""
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began


def by_tree(tree: shapely.STRtree, names: list[str], lon: Any, lat: Any) -> pl.Series:
    """Answer with the tree alone: first zone in order that intersects each point, a million points at a time."""
    found = np.full(len(lon), len(names))
    for start in range(0, len(lon), 1_000_000):
        some = slice(start, start + 1_000_000)
        at, zone = tree.query(shapely.points(lon[some], lat[some]), predicate="intersects")
        np.minimum.at(found, at + start, zone)
    return pl.Series("place", [*names, None], dtype=pl.String).gather(found)


def read(path: Path) -> pl.DataFrame:
    """Zones of a GeoJSON file as place and geometry (WKB)."""
    features = json.loads(path.read_text())["features"]
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    places = [str(feature["properties"].get(KEY, number)) for number, feature in enumerate(features)]
    return pl.DataFrame({"place": places, "geometry": shapely.to_wkb(shapes).tolist()})


def bent_zones(count: int) -> pl.DataFrame:
    """Voronoi cells with wavy borders of about 400 vertices each, seeded."""
    sites = shapely.multipoints(np.random.default_rng(3).uniform(0, 0.5, (count, 2)))
    made = shapely.voronoi_polygons(sites, extend_to=shapely.box(0, 0, 0.5, 0.5))
    cells = shapely.segmentize(shapely.get_parts(made), 3e-4)
    wavy = shapely.transform(cells, lambda c: c + 5e-4 * np.sin(c[:, ::-1] * 900))
    return pl.DataFrame({"place": [str(i) for i in range(count)], "geometry": shapely.to_wkb(wavy).tolist()})


if __name__ == "__main__":
    main()
