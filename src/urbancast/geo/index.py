"""Points to zones: a raster where it is certain, an exact test where it is not."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon

from urbancast.core.errors import ContractError
from urbancast.geo.metric import Floats, Plane, as_points

Ints = NDArray[np.int64]
Shapes = NDArray[np.object_]
_OUTSIDE, _MIXED = -1, -2
_LONG_SIDE = 1536  # raster cells along the longer side: 5 MB, about 1 in 25 on a border for 260 zones
_SLACK = 1e-6  # of a raster cell: far above rounding, far below a cell


class ZoneIndex:
    """Which zone holds a point; rows of a places table that repeat an id are one zone.

    Zones are closed. A point of several (a shared edge, an overlap) belongs to the id that sorts first,
    whatever the order of rows.
    """

    def __init__(self, places: pl.DataFrame, *, long_side: int = _LONG_SIDE) -> None:
        """Index a places table (``place``, ``geometry`` as WKB polygons in degrees); ``long_side`` in raster cells."""
        self.places, self.shapes = _merged(places)
        self.is_schematic = "is_schematic" in places.columns and bool(places["is_schematic"].any())
        shapely.prepare(self.shapes)
        self._names = pl.Series("place", [*self.places, None], dtype=pl.String)
        self._boxes = shapely.bounds(self.shapes).reshape(-1, 4)
        self._grid = _Grid(self._boxes, long_side)
        self._raster, pairs = _rasterise(self.shapes, self._grid)
        self._mixed = np.unique(pairs[:, 0])
        self._starts = np.searchsorted(pairs[:, 0], np.append(self._mixed, np.iinfo(np.int64).max))
        self._candidates = pairs[:, 1]

    def locate(self, lon: ArrayLike, lat: ArrayLike) -> pl.Series:
        """Place of each point, null outside every zone; String, shape (n,). NaN and null are outside."""
        return self._named(self.locate_numbers(lon, lat))

    def locate_numbers(self, lon: ArrayLike, lat: ArrayLike) -> Ints:
        """Position in ``places`` of each point's zone, -1 outside; shape (n,)."""
        x, y = _numbers(lon), _numbers(lat)
        if x.shape != y.shape:
            raise ContractError(
                f"points: expected as many longitudes as latitudes, found {len(x)} and {len(y)}; pair them"
            )
        cell = self._grid.cell(x, y)
        found = self._raster.take(cell).astype(np.int64)
        unsure = np.flatnonzero(found == _MIXED)
        found[unsure] = self._test(x[unsure], y[unsure], cell[unsure])
        return found

    def nearest(self, lon: ArrayLike, lat: ArrayLike, limit_m: float) -> pl.Series:
        """Place that holds each point, else the nearest within ``limit_m`` metres, else null; String, shape (n,)."""
        x, y = _numbers(lon), _numbers(lat)
        found = self.locate_numbers(x, y)
        lost = np.flatnonzero((found == _OUTSIDE) & np.isfinite(x) & np.isfinite(y))
        if len(lost) and len(self.places):
            plane, tree, flat = self._flat
            points = as_points(plane.to_metres(x[lost], y[lost]))
            at, zone = tree.query(points, predicate="dwithin", distance=limit_m)
            gap = shapely.distance(points[at], flat[zone])
            order = np.lexsort((zone, gap, at))
            first = order[np.unique(at[order], return_index=True)[1]]
            found[lost[at[first]]] = zone[first]
        return self._named(found)

    def _named(self, found: Ints) -> pl.Series:
        return self._names.gather(np.where(found < 0, len(self.places), found))

    def _test(self, x: Floats, y: Floats, cell: Ints) -> Ints:
        """Exact answer for points in raster cells on a border: the first candidate zone that covers each."""
        row = np.searchsorted(self._mixed, cell)
        start, count = self._starts[row], self._starts[row + 1] - self._starts[row]
        point = np.repeat(np.arange(len(x)), count)
        within = np.arange(len(point)) - np.repeat(np.cumsum(count) - count, count)
        zone = self._candidates[np.repeat(start, count) + within]
        order = np.argsort(zone, kind="stable")
        ends = np.searchsorted(zone[order], np.arange(len(self.shapes) + 1))
        best = np.full(len(x), len(self.shapes))
        for k in range(len(self.shapes) - 1, -1, -1):
            asked = point[order[ends[k] : ends[k + 1]]]
            if len(asked):
                best[asked[shapely.intersects_xy(self.shapes[k], x[asked], y[asked])]] = k
        return np.where(best == len(self.shapes), _OUTSIDE, best)

    @cached_property
    def _flat(self) -> tuple[Plane, shapely.STRtree, Shapes]:
        west, south = self._boxes[:, :2].min(axis=0)
        east, north = self._boxes[:, 2:].max(axis=0)
        plane = Plane(float(west + east) / 2, float(south + north) / 2)
        flat = plane.flatten(self.shapes)
        return plane, shapely.STRtree(flat), flat


class _Grid:
    """Raster over the zones' bounds with one empty cell around; cells are numbered by row."""

    def __init__(self, boxes: Floats, long_side: int) -> None:
        low, high = (boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)) if len(boxes) else (np.zeros(2), np.ones(2))
        self.size = max(float((high - low).max()) / long_side, 1e-9)
        self.west, self.south = low - self.size
        self.columns, self.rows = (int(v) for v in np.ceil((high - low) / self.size) + 2)

    def cell(self, x: Floats, y: Floats) -> Ints:
        """Number of the raster cell of each point; a point off the raster falls in the empty corner cell 0."""
        across, up = (x - self.west) / self.size, (y - self.south) / self.size
        is_on = (across >= 0) & (across < self.columns) & (up >= 0) & (up < self.rows)
        return np.where(is_on, up, 0.0).astype(np.int64) * self.columns + np.where(is_on, across, 0.0).astype(np.int64)

    def centres(self, cell: Ints) -> Floats:
        """Longitude and latitude of the middle of cells; shape (n, 2)."""
        up, across = np.divmod(cell, self.columns)
        return np.column_stack([self.west + (across + 0.5) * self.size, self.south + (up + 0.5) * self.size])

    def touched(self, xy: Floats, start: Ints) -> tuple[Ints, Ints]:
        """Cells that segments from ``xy[start]`` to the next vertex may touch, never one too few; (cell, segment)."""
        at = np.column_stack([(xy[:, 0] - self.west) / self.size, (xy[:, 1] - self.south) / self.size])
        a, b = at[start], at[start + 1]
        pieces = np.maximum(1, np.ceil(np.abs(b - a).max(axis=1) * 2)).astype(np.int64)
        segment = np.repeat(np.arange(len(start)), pieces)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        step = (b - a)[segment] / pieces[segment][:, None]
        p = a[segment] + step * nth[:, None]
        q = p + step
        low = np.floor(np.minimum(p, q) - _SLACK).astype(np.int64)
        high = np.floor(np.maximum(p, q) + _SLACK).astype(np.int64)
        corners = [(low[:, 0], low[:, 1]), (high[:, 0], low[:, 1]), (low[:, 0], high[:, 1]), (high[:, 0], high[:, 1])]
        cells = np.concatenate([up * self.columns + across for across, up in corners])
        return cells, np.tile(segment, 4)


def _rasterise(shapes: Shapes, grid: _Grid) -> tuple[NDArray[np.int32], Ints]:
    """Zone of every raster cell (or outside, or mixed) and the sorted (mixed cell, candidate zone) pairs."""
    raster = np.full(grid.rows * grid.columns, _OUTSIDE, dtype=np.int32)
    if not len(shapes):
        return raster, np.empty((0, 2), dtype=np.int64)
    edges = _edges(shapes, grid)
    mixed = np.unique(edges[:, 0])
    is_clear = np.ones(len(raster), dtype=bool)
    is_clear[mixed] = False
    patches, count = ndimage.label(is_clear.reshape(grid.rows, grid.columns))
    flat = patches.ravel()
    cell_of = np.zeros(count + 1, dtype=np.int64)
    cell_of[flat[::-1]] = np.arange(len(flat) - 1, -1, -1)
    patch, zone = _covering(shapes, grid.centres(cell_of[1:]))
    owner = np.full(count + 1, _OUTSIDE, dtype=np.int32)
    owner[patch[::-1] + 1] = zone[::-1]
    raster = owner[flat]
    raster[mixed] = _MIXED
    inside, holder = _covering(shapes, grid.centres(mixed))
    return raster, np.unique(np.vstack([edges, np.column_stack([mixed[inside], holder])]), axis=0)


def _edges(shapes: Shapes, grid: _Grid) -> Ints:
    """Distinct (raster cell, zone) pairs of all borders."""
    parts, zone_of_part = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    zone = zone_of_part[part]
    start = np.flatnonzero(ring[:-1] == ring[1:])
    cells, segment = grid.touched(xy, start)
    code = np.unique(cells * len(shapes) + zone[ring[start]][segment])
    return np.column_stack(np.divmod(code, len(shapes)))


def _covering(shapes: Shapes, xy: Floats) -> tuple[Ints, Ints]:
    """Every (point, zone) with the zone covering the point, sorted by point then zone."""
    order = np.argsort(xy[:, 0], kind="stable")
    x = xy[order, 0]
    found = []
    for k, (west, south, east, north) in enumerate(shapely.bounds(shapes)):
        at = order[np.searchsorted(x, west) : np.searchsorted(x, east, side="right")]
        at = at[(xy[at, 1] >= south) & (xy[at, 1] <= north)]
        at = at[shapely.intersects_xy(shapes[k], xy[at, 0], xy[at, 1])]
        found.append(np.column_stack([at, np.full(len(at), k)]))
    pairs = np.vstack(found)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs[:, 0], pairs[:, 1]


def _merged(places: pl.DataFrame) -> tuple[list[str], Shapes]:
    """Ids in sorted order and their shapes, rows of one id united."""
    ids, shapes = places["place"].to_list(), shapely.from_wkb(places["geometry"].to_numpy())
    by_id: dict[str, list[shapely.Geometry]] = {}
    for place, shape in zip(ids, shapes, strict=True):
        if not isinstance(shape, Polygon | MultiPolygon) or shape.is_empty:
            raise ContractError(
                f"geometry of {place!r}: expected a polygon, found {shape and shape.geom_type}; index zones only"
            )
        by_id.setdefault(place, []).append(shape)
    names = sorted(by_id)
    merged = np.empty(len(names), dtype=object)
    for k, name in enumerate(names):
        parts = by_id[name]
        merged[k] = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    return names, merged


def _numbers(values: ArrayLike) -> Floats:
    if isinstance(values, pl.Series):
        return values.cast(pl.Float64).to_numpy()
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
