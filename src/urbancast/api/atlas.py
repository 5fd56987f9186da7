"""A product's places in memory: look-up by id, point and name, and the GeoJSON that the map draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
import shapely

from urbancast.api import streets
from urbancast.api.payload import GEOJSON, Payload, digest, encode
from urbancast.api.streets import Streets
from urbancast.core.place import PlaceKind
from urbancast.core.product import Product, Provenance
from urbancast.core.time import local_day
from urbancast.geo import landmarks, outline, places as shapes, water
from urbancast.geo.gazetteer import Gazetteer
from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import distance_m

NEAR_M = 400.0
DECIMALS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Atlas:
    """Places in a fixed order. ``rows``: id to its row; ``bounds``: west, south, east, north.

    ``attributes``: of each place, with ``valid_from`` beside; ``streets`` of all of them.
    """

    ids: tuple[str, ...]
    rows: Mapping[str, int]
    names: tuple[str, ...]
    parts: tuple[str | None, ...]
    lat: np.ndarray[Any, np.dtype[np.float64]]
    lon: np.ndarray[Any, np.dtype[np.float64]]
    area_km2: np.ndarray[Any, np.dtype[np.float64]]
    closed_from: Mapping[int, int]
    is_schematic: bool
    kind: PlaceKind
    index: ZoneIndex | None
    gazetteer: Gazetteer
    bounds: tuple[float, float, float, float]
    geojson: Payload
    attributes: tuple[Mapping[str, Any], ...] = ()
    streets: Streets | None = None

    def describe(self, row: int) -> dict[str, Any]:
        """Return the place of an answer."""
        return {
            "id": self.ids[row],
            "name": self.names[row],
            "part_of": self.parts[row],
            "lat": round(float(self.lat[row]), DECIMALS),
            "lon": round(float(self.lon[row]), DECIMALS),
        }

    def nearest(self, lat: float, lon: float) -> tuple[int, float]:
        """Row of the nearest place and its distance in metres."""
        metres = distance_m(lon, lat, to_lon=self.lon, to_lat=self.lat)
        row = int(np.argmin(metres))
        return row, float(metres[row])


def make(product: Product, places: pl.DataFrame, provenance: Provenance) -> Atlas:
    """Atlas of a places table (newest validity of each place)."""
    newest = places.sort("place", "valid_from").unique("place", keep="last", maintain_order=True)
    is_schematic = bool(newest["is_schematic"].any())
    closed = newest.with_row_index("row").filter(pl.col("valid_to").is_not_null())
    marks = landmarks.read(product.folder)
    index = ZoneIndex(newest) if product.shape_kind is PlaceKind.ZONE and not is_schematic else None
    bounds = shapely.total_bounds(shapely.from_wkb(newest["geometry"].to_numpy()))
    attributes = tuple(_attributes(row, product.tz) for row in newest.iter_rows(named=True))
    west, south, east, north = (round(float(edge), 4) for edge in bounds)
    return Atlas(
        ids=tuple(newest["place"]),
        rows={place: row for row, place in enumerate(newest["place"])},
        names=tuple(newest["name"]),
        parts=tuple(newest["part_of"]),
        lat=newest["lat"].to_numpy(),
        lon=newest["lon"].to_numpy(),
        area_km2=newest["area_km2"].fill_null(1.0).to_numpy(),
        closed_from=dict(zip(closed["row"].to_list(), closed["valid_to"].dt.epoch("us").to_list(), strict=True)),
        is_schematic=is_schematic,
        kind=product.shape_kind,
        index=index,
        gazetteer=Gazetteer(newest, marks, index=index),
        bounds=(west, south, east, north),
        geojson=_geojson(product, newest, provenance),
        attributes=attributes,
        streets=streets.of(attributes),
    )


def _attributes(row: Mapping[str, Any], tz: str) -> dict[str, Any]:
    return {**orjson.loads(row["attributes"] or "{}"), "valid_from": local_day(row["valid_from"], tz).isoformat()}


def _geojson(product: Product, places: pl.DataFrame, provenance: Provenance) -> Payload:
    body = encode(
        {
            **shapes.to_geojson(places),
            "product": product.id,
            "provenance": provenance,
            "simulated": provenance == "sample",
            "mask": outline.to_geojson(outline.read(product.folder)),
            "water": water.to_geojson(water.read(product.folder)),
            "landmarks": landmarks.to_geojson(landmarks.read(product.folder)),
        }
    )
    return Payload(body, digest(body), GEOJSON)
