"""The served area of a city, as coarse rings in a product's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import shapely
from shapely.geometry import MultiPolygon, Polygon, mapping

from urbancast.core.errors import ContractError
from urbancast.geo import rows

SCHEMA = {"part": pl.String, "lat": pl.Float64, "lon": pl.Float64}


def read(folder: Path) -> MultiPolygon:
    """Served area in longitude and latitude from ``outline.csv`` (part, lat, lon); empty when there is no file."""
    path = folder / "outline.csv"
    if not path.exists():
        return MultiPolygon()
    vertices = read_rings(path, SCHEMA)
    parts = [
        Polygon(ring.select("lon", "lat").to_numpy()) for _, ring in vertices.group_by("part", maintain_order=True)
    ]
    return as_multipolygon(shapely.union_all([make_polygonal(part) for part in parts]))


def read_rings(path: Path, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Vertices of a CSV by part; a ring of fewer than three, or a line of fewer than two, is refused by name."""
    vertices = rows.read(path, schema).select(list(schema))
    is_line = pl.col("kind") == "line" if "kind" in schema else pl.lit(value=False)
    needed = pl.when(is_line.first()).then(2).otherwise(3)
    counted = vertices.group_by("part", maintain_order=True).agg(n=pl.len(), needed=needed)
    short = counted.filter(pl.col("n") < pl.col("needed"))
    if short.height:
        raise ContractError(
            f"{path.name}: expected at least three vertices a ring (two a line), found {short['n'][0]} "
            f"in part {short['part'][0]!r}; complete or remove it"
        )
    return vertices


def make_polygonal(geometry: shapely.Geometry) -> Polygon | MultiPolygon:
    """Valid polygons of a geometry, anything thinner dropped; may be empty."""
    valid = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(valid) if isinstance(part, Polygon) and part.area > 0]
    if not parts:
        return MultiPolygon()
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def as_multipolygon(geometry: shapely.Geometry) -> MultiPolygon:
    """Polygonal geometry as one MultiPolygon."""
    parts = [part for part in shapely.get_parts(geometry) if isinstance(part, Polygon) and not part.is_empty]
    return MultiPolygon(parts)


def to_geojson(area: MultiPolygon) -> dict[str, Any] | None:
    """GeoJSON geometry of the served area, rounded to five decimals; ``None`` when there is none."""
    if area.is_empty:
        return None
    return mapping(shapely.transform(area, lambda c: c.round(5)))
