"""GeoJSON and Shapefiles to frames: properties as columns, ``geometry`` as WKB in longitude and latitude."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import orjson
import polars as pl
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

GEOMETRY = "geometry"


class ShapeError(ValueError):
    """Shapes that cannot be read."""


def from_geojson(document: dict[str, Any]) -> pl.DataFrame:
    """One row a feature, in order; null geometry stays null. A legacy ``crs`` member is honoured."""
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise ShapeError(f"expected a FeatureCollection, found {document.get('type')!r}")
    if not all(isinstance(feature, dict) for feature in features):
        raise ShapeError("expected features, found something else among them")
    texts = [orjson.dumps(f["geometry"]).decode() if f.get("geometry") else None for f in features]
    try:
        geometry = shapely.from_geojson(np.array(texts, dtype=object))
    except shapely.errors.GEOSException as error:
        raise ShapeError(f"a geometry cannot be read: {error}") from error
    named = document.get("crs", {}).get("properties", {}).get("name") if document.get("crs") else None
    return _frame([f.get("properties") or {} for f in features], geometry, named)


def from_shapefile(payload: bytes) -> pl.DataFrame:
    """One row a record of the first ``.shp`` in the zip; coordinates follow its ``.prj`` (absent: EPSG:4326)."""
    import shapefile  # a Shapefile is rare and its reader slow to import

    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        by_suffix = _parts(archive)
        parts = {end: io.BytesIO(archive.read(name)) for end, name in by_suffix.items()}
    if not {"shp", "dbf"} <= parts.keys():
        raise ShapeError(f"expected .shp and .dbf in the zip, found {', '.join(sorted(parts)) or 'neither'}")
    crs = parts["prj"].read().decode("utf-8", "replace") if "prj" in parts else None
    declared = parts["cpg"].read().decode("ascii", "replace").strip() if "cpg" in parts else "utf-8"
    for codec in (declared, "cp1252"):
        streams = {end: io.BytesIO(parts[end].getvalue()) for end in ("shp", "dbf", "shx") if end in parts}
        try:
            with shapefile.Reader(**streams, encoding=codec) as reader:
                properties = [record.as_dict() for record in reader.iterRecords()]
                texts = [
                    orjson.dumps(shape.__geo_interface__).decode() if shape.shapeType else None
                    for shape in reader.iterShapes()
                ]
        except (UnicodeDecodeError, LookupError):
            continue
        except shapefile.ShapefileException as error:
            raise ShapeError(str(error)) from error
        return _frame(properties, shapely.from_geojson(np.array(texts, dtype=object)), crs)
    raise ShapeError(f"attributes are neither {declared} nor windows-1252")


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Map suffix to the name of each part of the first layer in the zip."""
    layers = sorted(name for name in archive.namelist() if name.lower().endswith(".shp"))
    if not layers:
        raise ShapeError("expected a .shp in the zip, found none")
    stem = layers[0][:-4]
    return {name[-3:].lower(): name for name in archive.namelist() if name[:-4] == stem and name[-4:-3] == "."}


def _frame(properties: list[dict[str, Any]], geometry: NDArray[np.object_], crs: str | None) -> pl.DataFrame:
    lonlat = _to_lonlat(geometry, crs)
    wkb = [None if shape is None else shapely.to_wkb(shape) for shape in lonlat]
    table = pl.DataFrame(properties, infer_schema_length=None) if properties else pl.DataFrame()
    if table.width == 0:
        return pl.DataFrame({GEOMETRY: wkb}, schema={GEOMETRY: pl.Binary})
    table = table.with_columns(pl.col(pl.Null).cast(pl.String))
    return table.with_columns(pl.Series(GEOMETRY, wkb, dtype=pl.Binary))


def _to_lonlat(geometry: NDArray[np.object_], crs: str | None) -> NDArray[np.object_]:
    if crs is None:
        return geometry
    try:
        found = CRS.from_user_input(crs)
    except CRSError as error:
        raise ShapeError(f"expected a known coordinate system, found {crs!r}") from error
    if found.is_geographic:
        return geometry
    project = Transformer.from_crs(found, "EPSG:4326", always_xy=True).transform

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(project(points[:, 0], points[:, 1]))

    return np.array([None if s is None else shapely.transform(s, moved) for s in geometry], dtype=object)
