"""Rivers and lakes to draw, as coarse lines and rings in a product's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import shapely
from shapely.geometry import LineString, Polygon, mapping

from urbancast.core.errors import ContractError
from urbancast.geo.outline import make_polygonal, read_rings

SCHEMA = {"part": pl.String, "name": pl.String, "kind": pl.String, "lat": pl.Float64, "lon": pl.Float64}
KINDS = ("line", "area")


def read(folder: Path) -> pl.DataFrame:
    """Water as name, kind (``line`` or ``area``), geometry (WKB, degrees) of ``water.csv``; empty without it."""
    empty = pl.DataFrame(schema={"name": pl.String, "kind": pl.String, "geometry": pl.Binary})
    path = folder / "water.csv"
    if not path.exists():
        return empty
    rows = read_rings(path, SCHEMA)
    strange = rows.filter(~pl.col("kind").is_in(KINDS) | pl.col("kind").is_null())
    if strange.height:
        raise ContractError(f"{path.name}.kind: expected line or area, found {strange['kind'][0]!r}; use one of them")
    drawn = []
    for _, part in rows.group_by("part", maintain_order=True):
        xy, kind = part.select("lon", "lat").to_numpy(), part["kind"][0]
        shape = LineString(xy) if kind == "line" else make_polygonal(Polygon(xy))
        drawn.append({"name": part["name"][0], "kind": kind, "geometry": shapely.to_wkb(shape)})
    return pl.DataFrame(drawn, schema=empty.schema)


def to_geojson(water: pl.DataFrame) -> dict[str, Any]:
    """GeoJSON FeatureCollection of ``read``'s frame, rounded to five decimals."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": row["name"], "kind": row["kind"]},
                "geometry": mapping(shapely.transform(shapely.from_wkb(row["geometry"]), lambda c: c.round(5))),
            }
            for row in water.iter_rows(named=True)
        ],
    }
