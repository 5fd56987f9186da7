"""Places of a product: read from its folder, drawn as a schematic, or taken from real boundaries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely
from shapely.geometry import MultiPolygon, Polygon, mapping

from urbancast.core.errors import ContractError
from urbancast.core.place import PlaceKind
from urbancast.core.product import Product
from urbancast.core.time import UTC_US
from urbancast.geo import outline, rows
from urbancast.geo.cells import power_cells
from urbancast.geo.metric import Floats, Plane, as_points

FACTS = {
    "place": pl.String,
    "name": pl.String,
    "part_of": pl.String,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "area_km2": pl.Float64,
}
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "kind": pl.String,
    "name": pl.String,
    "part_of": pl.String,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "area_km2": pl.Float64,
    "geometry": pl.Binary,
    "is_schematic": pl.Boolean,
    "attributes": pl.String,
    "valid_from": UTC_US,
    "valid_to": UTC_US,
}
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)  # places whose source gives no date hold from here


def read(path: Path) -> pl.DataFrame:
    """Facts of ``places.csv``: place, name, part_of, lat, lon, area_km2, and any further column; ids unique."""
    table = rows.read(path, FACTS, optional=("part_of", "area_km2"))
    repeated = table.filter(pl.col("place").is_duplicated())["place"].unique(maintain_order=True).to_list()
    if repeated:
        raise ContractError(
            f"{path.name}.place: expected one row an id, found {repeated[0]!r} repeated; merge its rows"
        )
    empty = table.filter(pl.any_horizontal(pl.col("place", "name", "lat", "lon").is_null()))
    if empty.height:
        raise ContractError(
            f"{path.name}: expected place, name, lat and lon in every row, found {empty.row(0)}; fill it"
        )
    return table


def schematic(product: Product) -> pl.DataFrame:
    """Places table (without product and run) of a product's folder: power cells for zones, points for sites."""
    facts = read(product.folder / "places.csv")
    if product.shape_kind is PlaceKind.ZONE:
        area = facts["area_km2"].fill_null(0.0).to_list()
        shapes: list[Any] = list(
            power_cells(facts["lat"].to_list(), facts["lon"].to_list(), area, outline.read(product.folder))
        )
    else:
        shapes = list(as_points(facts.select("lon", "lat").to_numpy()))
    extra = [name for name in facts.columns if name not in FACTS]
    attributes = [_json(row) for row in facts.select(extra).iter_rows(named=True)] if extra else ["{}"] * facts.height
    return facts.with_columns(
        kind=pl.lit(str(product.shape_kind)),
        geometry=pl.Series(shapely.to_wkb(shapes).tolist(), dtype=pl.Binary),
        is_schematic=pl.lit(product.shape_kind is PlaceKind.ZONE),
        attributes=pl.Series(attributes, dtype=pl.String),
        valid_from=pl.lit(ALWAYS, dtype=UTC_US),
        valid_to=pl.lit(None, dtype=UTC_US),
    ).select(list(SCHEMA))


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """Real places and what was done to their features.

    ``merged``: ids of several features, with their number. ``repaired``: ids with an invalid geometry made
    valid. ``refused``: features that are no place (``row``, ``reason``).
    """

    places: pl.DataFrame
    merged: Mapping[str, int] = field(default_factory=dict)
    repaired: tuple[str, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


def from_features(
    features: pl.DataFrame,
    columns: Mapping[str, str],
    *,
    kind: PlaceKind = PlaceKind.ZONE,
    valid_from: datetime = ALWAYS,
) -> Boundaries:
    """Places table of real boundaries, one row an id, sorted by id.

    ``features``: ``geometry`` (WKB, or GeoJSON or WKT text; degrees) and one column a property. ``columns`` names
    the property for ``place`` and, if any, ``name`` (else the id), ``part_of`` and ``attributes.<key>``.
    """
    _check_columns(features, columns)
    shapes, repaired, refused = _shapes(features, columns["place"], kind)
    ids = features[columns["place"]].cast(pl.String).to_list()
    features_of: dict[str, list[int]] = {}
    for row in shapes:
        features_of.setdefault(ids[row], []).append(row)
    united = {place: shapely.union_all([shapes[row] for row in features_of[place]]) for place in sorted(features_of)}
    records = [
        _record(place, shape, columns, features.row(features_of[place][0], named=True))
        for place, shape in united.items()
    ]
    table = pl.DataFrame(records, schema={name: SCHEMA[name] for name in _RECORD}).with_columns(
        area_km2=pl.Series(areas_km2(list(united.values())), dtype=pl.Float64),
        kind=pl.lit(str(kind)),
        is_schematic=pl.lit(value=False),
        valid_from=pl.lit(valid_from, dtype=UTC_US),
        valid_to=pl.lit(None, dtype=UTC_US),
    )
    return Boundaries(
        places=table.select(list(SCHEMA)),
        merged={place: len(found) for place, found in sorted(features_of.items()) if len(found) > 1},
        repaired=tuple(sorted({ids[row] for row in repaired})),
        refused=tuple(refused),
    )


_RECORD = ("place", "name", "part_of", "lat", "lon", "geometry", "attributes")


def _record(place: str, shape: Any, columns: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the places table; name falls back to the id."""

    def text(field_name: str) -> str | None:
        found = properties.get(columns.get(field_name, ""))
        return None if found is None else str(found).strip() or None

    centre = shape.centroid
    extra = {key.removeprefix("attributes."): properties[name] for key, name in columns.items() if "." in key}
    return {
        "place": place,
        "name": text("name") or place,
        "part_of": text("part_of"),
        "lat": centre.y,
        "lon": centre.x,
        "geometry": shapely.to_wkb(shape),
        "attributes": _json(extra),
    }


def areas_km2(shapes: Sequence[shapely.Geometry]) -> Floats:
    """Areas on the ellipsoid of shapes in degrees, in square kilometres; 0 for points; shape (n,)."""
    every = np.array(shapes, dtype=object)
    if not len(every):
        return np.zeros(0)
    flat = Plane.around(shapely.box(*shapely.total_bounds(every))).flatten(every)
    return np.asarray(shapely.area(flat), dtype=np.float64) / 1e6


def _check_columns(features: pl.DataFrame, columns: Mapping[str, str]) -> None:
    wanted = ["geometry", *columns.values()]
    missing = [name for name in wanted if name not in features.columns]
    if missing or "place" not in columns:
        raise ContractError(
            f"boundaries: expected columns {', '.join(wanted)}, found {', '.join(features.columns)}; "
            f"map {', '.join(missing) or 'place'} to a property of the file"
        )


def _shapes(
    features: pl.DataFrame, place: str, kind: PlaceKind
) -> tuple[dict[int, Any], list[int], list[tuple[int, str]]]:
    """Valid geometry by row number, rows repaired, and rows refused with their reason."""
    shapes: dict[int, Any] = {}
    repaired: list[int] = []
    refused: list[tuple[int, str]] = []
    ids = features[place].cast(pl.String).to_list()
    for row, found in enumerate(_decode(features["geometry"])):
        if ids[row] is None or not ids[row].strip():
            refused.append((row, f"{place} is empty"))
            continue
        shape = found
        if kind is PlaceKind.ZONE and shape is not None and not (shape.is_valid and _is_polygonal(shape)):
            repaired.append(row)
            shape = outline.make_polygonal(shape)
        if shape is None or shape.is_empty:
            refused.append((row, f"geometry of {ids[row]!r} is empty"))
        else:
            shapes[row] = shape
    return shapes, [row for row in repaired if row in shapes], refused


def _decode(geometry: pl.Series) -> list[Any]:
    if geometry.dtype == pl.Binary:
        return list(shapely.from_wkb(geometry.to_numpy()))
    if geometry.dtype != pl.String:
        raise ContractError(
            f"boundaries.geometry: expected WKB bytes or text, found {geometry.dtype}; convert it to WKB"
        )
    texts = geometry.to_list()
    return [
        None if t is None else shapely.from_geojson(t) if t.lstrip().startswith("{") else shapely.from_wkt(t)
        for t in texts
    ]


def _is_polygonal(shape: Any) -> bool:
    return isinstance(shape, Polygon | MultiPolygon)


def _json(properties: Mapping[str, Any]) -> str:
    return json.dumps(properties, ensure_ascii=False, sort_keys=True, default=str)


def to_geojson(places: pl.DataFrame, *, tolerance_m: float = 30.0) -> dict[str, Any]:
    """GeoJSON FeatureCollection of a places table, coordinates to five decimals (about a metre).

    Shared borders are simplified once, so neighbours stay joined; schematic cells are left as they are.
    """
    shapes = shapely.from_wkb(places["geometry"].to_numpy())
    is_real = ~places["is_schematic"].to_numpy().astype(bool) & (shapely.get_dimensions(shapes) == 2)
    if tolerance_m > 0 and is_real.any():
        shapes[is_real] = simplify(shapes[is_real], tolerance_m=tolerance_m)
    shown = places.select("name", "part_of", "area_km2", "is_schematic").iter_rows(named=True)
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": place, "properties": properties, "geometry": mapping(_rounded(shape))}
            for place, properties, shape in zip(places["place"], shown, shapes, strict=True)
        ],
    }


def simplify(shapes: Any, *, tolerance_m: float) -> Any:
    """Polygons in degrees with fewer vertices, as a coverage: common borders stay common.

    Parts smaller than the tolerance squared go, but a shape's largest part stays. Visvalingam and Whyatt 1993.
    """
    plane = Plane.around(shapely.box(*shapely.total_bounds(shapes)))
    flat = shapely.set_precision(plane.flatten(np.asarray(shapes, dtype=object)), 0.1)
    kept = np.array([_without_specks(shape, tolerance_m**2) for shape in flat], dtype=object)
    thin = shapely.coverage_simplify(kept, tolerance_m)
    thin = np.where(shapely.is_empty(thin), kept, thin)
    return plane.unflatten(thin)


def _without_specks(shape: Any, least_m2: float) -> Any:
    parts = sorted(shapely.get_parts(shape), key=lambda part: -part.area)
    kept = [part for i, part in enumerate(parts) if i == 0 or part.area >= least_m2]
    return kept[0] if len(kept) == 1 else MultiPolygon(kept)


def _rounded(shape: Any) -> Any:
    """Shape on a grid of five decimals and still valid; left unsnapped where snapping would lose it."""
    snapped = shapely.set_precision(shape, 1e-5)
    kept = shape if snapped.is_empty or snapped.geom_type == "GeometryCollection" else snapped
    return shapely.transform(kept, lambda c: c.round(5))
