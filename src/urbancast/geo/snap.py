"""Points to roads: the nearest spot on a link, and the links a trip may begin or end on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike

from urbancast.core.errors import QueryError
from urbancast.geo.metric import Floats, Plane, as_points
from urbancast.geo.network import Ints, Network

LIMIT_M = 500.0  # farther off there is no road for a question
_SIDE_BY_SIDE_M = 2.0  # links this near a spot go through it: the other way, the others at a corner
_MOST_LINKS = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Snap:
    """A spot on the roads: the nearest point (degrees), its distance, and each link through it with its share there."""

    lon: float
    lat: float
    distance_m: float
    links: Ints
    shares: Floats


class Snapper:
    """Nearest links of a network; built once, asked often."""

    def __init__(self, network: Network) -> None:
        """Index the links of a network in a plane of metres."""
        self._plane = Plane.around(shapely.box(*shapely.total_bounds(network.lines)))
        self._lines = self._plane.flatten(network.lines)
        self._tree = shapely.STRtree(self._lines)

    def nearest(self, lon: ArrayLike, lat: ArrayLike, *, limit_m: float = LIMIT_M) -> tuple[Ints, Floats, Floats]:
        """Link of each point (-1: none within ``limit_m``), share along it, and metres to it; each of shape (n,)."""
        x, y = np.atleast_1d(np.asarray(lon, dtype=np.float64)), np.atleast_1d(np.asarray(lat, dtype=np.float64))
        link, share = np.full(len(x), -1, dtype=np.int64), np.full(len(x), np.nan)
        away = np.full(len(x), np.nan)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        points = as_points(self._plane.to_metres(x[known], y[known]))
        (at, found), gap = self._tree.query_nearest(points, max_distance=limit_m, return_distance=True)
        order = np.lexsort((found, at))
        first = order[np.unique(at[order], return_index=True)[1]]
        row = known[at[first]]
        link[row], away[row] = found[first], gap[first]
        share[row] = self._share(link[row], points[at[first]])
        return link, share, away

    def within(self, lon: ArrayLike, lat: ArrayLike, *, limit_m: float) -> tuple[Ints, Ints, Floats, Floats]:
        """Every link within ``limit_m`` of each point: row of the point, link, share along it, metres to it."""
        x, y = np.atleast_1d(np.asarray(lon, dtype=np.float64)), np.atleast_1d(np.asarray(lat, dtype=np.float64))
        points = as_points(self._plane.to_metres(x, y))
        at, found = self._tree.query(points, predicate="dwithin", distance=limit_m)
        away = np.asarray(shapely.distance(points[at], self._lines[found]), dtype=np.float64)
        return at, found, self._share(found, points[at]), away

    def snap(self, lon: float, lat: float, *, limit_m: float = LIMIT_M) -> Snap:
        """The spot nearest to a point; ``no-road-data`` where none is within ``limit_m``."""
        if not (np.isfinite(lon) and np.isfinite(lat)):
            raise no_road_data(limit_m)
        point = as_points(self._plane.to_metres(np.array([lon]), np.array([lat])))[0]
        found, gap = self._tree.query_nearest(point, max_distance=limit_m, return_distance=True)
        if not len(found):
            raise no_road_data(limit_m)
        first = self._lines[int(found.min())]
        spot = shapely.line_interpolate_point(first, shapely.line_locate_point(first, point))
        near = np.asarray(self._tree.query(spot, predicate="dwithin", distance=_SIDE_BY_SIDE_M))
        away = shapely.distance(self._lines[near], spot)
        near = near[np.lexsort((near, np.round(away, 3)))][:_MOST_LINKS].astype(np.int64)
        shares = self._share(near, np.full(len(near), spot, dtype=object))
        at = self._plane.to_degrees(shapely.get_coordinates(spot))[0]
        return Snap(lon=float(at[0]), lat=float(at[1]), distance_m=float(gap[0]), links=near, shares=shares)

    def _share(self, link: Ints, points: Any) -> Floats:
        found = shapely.line_locate_point(self._lines[link], points, normalized=True)
        return np.clip(np.asarray(found, dtype=np.float64), 0.0, 1.0)


def no_road_data(limit_m: float) -> QueryError:
    """Error of an end too far from any road."""
    return QueryError(
        "no-road-data",
        expected=f"a point within {limit_m:.0f} m of a road we know",
        found="none that near",
        action="choose a point nearer to a street on the map",
    )
