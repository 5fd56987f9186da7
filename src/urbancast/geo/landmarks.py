"""Well-known points to find one's way by, from a product's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from urbancast.geo import rows

SCHEMA = {"name": pl.String, "lat": pl.Float64, "lon": pl.Float64}


def read(folder: Path) -> pl.DataFrame:
    """Landmarks as name, lat, lon from ``landmarks.csv``; empty when there is no file."""
    path = folder / "landmarks.csv"
    if not path.exists():
        return pl.DataFrame(schema=SCHEMA)
    return rows.read(path, SCHEMA).select(list(SCHEMA))


def to_geojson(landmarks: pl.DataFrame) -> dict[str, Any]:
    """GeoJSON FeatureCollection of points."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": row["name"]},
                "geometry": {"type": "Point", "coordinates": [round(row["lon"], 5), round(row["lat"], 5)]},
            }
            for row in landmarks.iter_rows(named=True)
        ],
    }
