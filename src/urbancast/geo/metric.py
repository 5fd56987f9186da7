"""Metres from degrees: great-circle distances and a local equal-area plane."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 of the GRS80 ellipsoid (Moritz 2000)


def distance_m(lon: ArrayLike, lat: ArrayLike, *, to_lon: ArrayLike, to_lat: ArrayLike) -> Floats:
    """Great-circle distance in metres on the mean sphere; arguments broadcast. Sinnott 1984 (haversine)."""
    lon_1, lat_1, lon_2, lat_2 = (np.radians(np.asarray(v, dtype=np.float64)) for v in (lon, lat, to_lon, to_lat))
    half = np.sin((lat_2 - lat_1) / 2) ** 2 + np.cos(lat_1) * np.cos(lat_2) * np.sin((lon_2 - lon_1) / 2) ** 2
    found: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return found


def as_points(xy: Floats) -> NDArray[np.object_]:
    """Points of coordinates of shape (n, 2); shape (n,)."""
    return np.asarray(shapely.points(xy), dtype=object)


def to_metres(lon: ArrayLike, lat: ArrayLike, *, centre: tuple[float, float] | None = None) -> Floats:
    """East and north in metres of a local equal-area plane; shape (n, 2). ``centre``: (lon, lat), else the mean."""
    lons, lats = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    at = centre or (float(np.mean(lons)), float(np.mean(lats)))
    return Plane(*at).to_metres(lons, lats)


@dataclass(frozen=True)
class Plane:
    """Lambert azimuthal equal-area plane around (lon, lat); distances true to 0.01 % within 100 km."""

    lon: float
    lat: float

    @classmethod
    def around(cls, geometry: BaseGeometry) -> Plane:
        """Plane centred on the bounding box of a geometry in longitude and latitude."""
        west, south, east, north = geometry.bounds
        return cls((west + east) / 2, (south + north) / 2)

    def to_metres(self, lon: Floats, lat: Floats) -> Floats:
        """East and north in metres; shape (n, 2)."""
        return np.column_stack(self._transformer.transform(lon, lat))

    def to_degrees(self, xy: Floats) -> Floats:
        """Longitude and latitude of points in metres; shape (n, 2)."""
        return np.column_stack(self._transformer.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))

    def flatten(self, geometry: Any) -> Any:
        """Geometry, or an array of them, from degrees to metres."""
        return shapely.transform(geometry, lambda c: self.to_metres(c[:, 0], c[:, 1]))

    def unflatten(self, geometry: Any) -> Any:
        """Geometry, or an array of them, from metres back to degrees."""
        return shapely.transform(geometry, self.to_degrees)

    @cached_property
    def _transformer(self) -> Transformer:
        plane = f"+proj=laea +lat_0={self.lat} +lon_0={self.lon} +ellps=WGS84 +units=m"
        return Transformer.from_crs("EPSG:4326", plane, always_xy=True)
