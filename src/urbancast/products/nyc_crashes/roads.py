"""Simulated roads in the native tables of a road graph: a lattice of streets, bridges between its islands.

A pure function of the seed and the served outline; it follows no real street and makes none look dangerous.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from urbancast.core.product import Window
from urbancast.geo import outline
from urbancast.geo.metric import Floats, Plane
from urbancast.products.noise import normal, uniform
from urbancast.products.nyc_crashes.product import PRODUCT

Ints = NDArray[np.int64]
SPACING_M, TURN_DEG, AVENUE_EVERY = 480.0, 29.0, 4
JITTER, DROPPED, SHORE_M = 0.10, 0.06, 40.0
LEAST_NODES, GAP_M, BRIDGES, BRIDGE_APART_M = 12, 2_000.0, 3, 2_500.0
STREET_KMH, AVENUE_KMH, BRIDGE_KMH = 23.0, 33.0, 50.0
ZONE_TRIPS_A_HOUR = 14.0
DAYS = ("week", "sat", "sun")
# Share of the free speed that is left, by local hour: weekday, then weekend.
_WEEK = np.array([98, 100, 100, 100, 98, 94, 84, 70, 62, 66, 70, 70, 68, 68, 66, 62, 60, 60, 66, 74, 82, 88, 92, 96])
_WEEKEND = np.array([92, 94, 96, 98, 100, 100, 98, 96, 92, 88, 82, 78, 74, 74, 74, 74, 74, 74, 76, 78, 82, 86, 88, 90])
# Trips fall further at night than crashes do: a crash a trip is then likelier, as in life.
_TRIPS = np.array([22, 14, 9, 6, 6, 10, 24, 48, 64, 66, 64, 66, 70, 72, 76, 80, 82, 92, 100, 94, 84, 76, 62, 42]) / 58.0


def datasets(seed: int) -> list[dict[str, Any]]:
    """Fields of the emulated files: nodes, edges, seconds of three kinds of day, and trips by zone."""
    roads = Roads(seed)
    files = {
        "roads_nodes": roads.nodes,
        "roads_edges": roads.edges,
        **{f"roads_times_{day}": _of_day(roads, day) for day in DAYS},
    }
    plain = {"protocol": "file", "separator": ",", "has_header": False}
    tables = [{**plain, "id": name, "rows": rows} for name, rows in files.items()]
    return [*tables, {**plain, "id": "roads_volumes", "rows": roads.volumes, "has_header": True}]


def _of_day(roads: Roads, day: str) -> Any:
    return lambda window: roads.times(window, day)


class Roads:
    """The lattice of a seed; ``street`` (k, 2) node rows of streets, each drawn once, driven both ways."""

    def __init__(self, seed: int) -> None:
        """Draw the roads of a seed."""
        self.seed = seed
        self.plane = Plane(*PRODUCT.centre)

    def nodes(self, _window: Window) -> pl.DataFrame:
        """Id (from 1), latitude and longitude."""
        lon_lat = self.plane.to_degrees(self._drawn[0]).round(6)
        return pl.DataFrame({"id": np.arange(1, len(lon_lat) + 1), "lat": lon_lat[:, 1], "lon": lon_lat[:, 0]})

    def edges(self, _window: Window) -> pl.DataFrame:
        """Id (from 1), from and to: every street both ways."""
        both = np.vstack([self.street, self.street[:, ::-1]]) + 1
        return pl.DataFrame({"id": np.arange(1, len(both) + 1), "from": both[:, 0], "to": both[:, 1]})

    def times(self, _window: Window, day: str) -> pl.DataFrame:
        """Id and whole seconds in each of 24 hours, of a kind of day."""
        xy, street, kmh = self._drawn
        length = np.hypot(*(xy[street[:, 0]] - xy[street[:, 1]]).T)
        left = (_WEEK if day == "week" else _WEEKEND * (1.0 if day == "sat" else 1.04)) / 100
        edge = np.arange(2 * len(street))
        own = np.exp(0.12 * normal(self.seed, "flow", edge[:, None], np.arange(24)[None, :], DAYS.index(day)))
        seconds = np.maximum(np.rint(np.tile(length / kmh * 3.6, 2)[:, None] / left[None, :] * own), 1).astype(np.int64)
        columns = {f"h{hour:02d}": seconds[:, hour] for hour in range(24)}
        return pl.DataFrame({"id": edge + 1, **columns})

    def volumes(self, _window: Window) -> pl.DataFrame:
        """Taxi trips started an hour by zone and local hour of week (0: Monday 00:00); zones differ by area alone."""
        facts = pl.read_csv(PRODUCT.folder / "places.csv", schema_overrides={"place": pl.String})
        weight = np.sqrt(facts["area_km2"].fill_null(1.0).to_numpy())
        how = np.arange(168)
        day = _TRIPS[how % 24] * np.where((how >= 120) & (how % 24 < 5), 2.0, 1.0)
        trips = (ZONE_TRIPS_A_HOUR * weight / weight.mean())[:, None] * day[None, :]
        place = np.repeat(facts["place"].to_numpy(), 168)
        return pl.DataFrame(
            {"place": place, "hour_of_week": np.tile(how, facts.height), "trips": trips.ravel().round(3)}
        )

    @property
    def street(self) -> Ints:
        """Node rows of each street; shape (k, 2)."""
        return self._drawn[1]

    def spread(self, cells: NDArray[np.object_]) -> Spread:
        """Where crashes of each cell (polygons in degrees) fall: on its streets, by length and by chance."""
        xy, street, _ = self._drawn
        lines = np.asarray(shapely.linestrings(self.plane.to_degrees(xy)[street]), dtype=object)
        cell, line = shapely.STRtree(lines).query(cells, predicate="intersects")
        parts, owner = shapely.get_parts(shapely.intersection(lines[line], cells[cell]), return_index=True)
        is_line = shapely.get_type_id(parts) == 1
        parts, cell, line = parts[is_line], cell[owner[is_line]], line[owner[is_line]]
        ends = shapely.get_coordinates(parts).reshape(-1, 2, 2)
        weight = shapely.length(parts) * np.exp(0.7 * normal(self.seed, "street", line))
        order = np.argsort(cell, kind="stable")
        return Spread(cell[order], ends[order], weight[order], len(cells))

    @cached_property
    def _drawn(self) -> tuple[Floats, Ints, Floats]:
        """Nodes in metres (n, 2), streets (k, 2) and their free speed (k,)."""
        served = shapely.buffer(self.plane.flatten(outline.read(PRODUCT.folder)), SHORE_M)
        xy, across, up = self._lattice(served)
        street, is_avenue = self._streets(served, xy, across, up)
        keep, part = _islands(len(xy), street)
        row = np.cumsum(keep) - 1
        is_kept = keep[street[:, 0]]
        bridges = _bridges(xy[keep], part[keep])
        streets = np.vstack([row[street[is_kept]], bridges])
        speed = np.where(is_avenue[is_kept], AVENUE_KMH, STREET_KMH)
        return xy[keep], streets, np.concatenate([speed, np.full(len(bridges), BRIDGE_KMH)])

    def _lattice(self, served: Any) -> tuple[Floats, Ints, Ints]:
        west, south, east, north = served.bounds
        middle, reach = np.array([(west + east) / 2, (south + north) / 2]), np.hypot(east - west, north - south) / 2
        steps = np.arange(-int(reach / SPACING_M) - 1, int(reach / SPACING_M) + 2)
        across, up = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
        angle = np.radians(TURN_DEG)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        away = [JITTER * normal(self.seed, axis, across, up).clip(-2, 2) for axis in ("x", "y")]
        xy = middle + SPACING_M * (np.column_stack([across + away[0], up + away[1]]) @ turn)
        inside = shapely.contains_xy(served, xy[:, 0], xy[:, 1])
        return xy[inside], across[inside], up[inside]

    def _streets(self, served: Any, xy: Floats, across: Ints, up: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        row = {key: n for n, key in enumerate(zip(across.tolist(), up.tolist(), strict=True))}
        pairs = [
            (n, row[to], step == "up")
            for (a, b), n in row.items()
            for step, to in (("across", (a + 1, b)), ("up", (a, b + 1)))
            if to in row
        ]
        found = np.array(pairs, dtype=np.int64)
        is_up = found[:, 2].astype(bool)
        is_avenue = np.where(is_up, across[found[:, 0]], up[found[:, 0]]) % AVENUE_EVERY == 0
        is_dry = shapely.covers(served, shapely.linestrings(xy[found[:, :2]]))
        is_kept = is_avenue | (uniform(self.seed, "dropped", found[:, 0], found[:, 1]) >= DROPPED)
        return found[is_dry & is_kept, :2], is_avenue[is_dry & is_kept]


class Spread:
    """Points on the streets of cells."""

    def __init__(self, cell: Ints, ends: Floats, weight: Floats, cells: int) -> None:
        """Keep pieces sorted by ``cell``: their ends (n, 2, 2) in degrees and their weight."""
        self.ends, self.total = ends, np.concatenate([[0.0], np.cumsum(weight)])
        self.first = np.searchsorted(cell, np.arange(cells + 1))

    def points(self, cell: Ints, which: Floats, along: Floats) -> Floats:
        """Longitude and latitude of a point of each cell, NaN in a cell without a street; draws in (0, 1)."""
        low, high = self.total[self.first[cell]], self.total[self.first[cell + 1]]
        piece = np.searchsorted(self.total, low + which * (high - low), side="right") - 1
        has_any = high > low
        ends = self.ends[np.where(has_any, piece, 0)]
        found = ends[:, 0] + along[:, None] * (ends[:, 1] - ends[:, 0])
        return np.asarray(np.where(has_any[:, None], found, np.nan))


def _islands(size: int, street: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Whether a node's island is large enough to keep, and the island of each node."""
    graph = csr_array((np.ones(len(street)), (street[:, 0], street[:, 1])), shape=(size, size))
    _, part = connected_components(graph, directed=False)
    return np.bincount(part)[part] >= LEAST_NODES, part.astype(np.int64)


def _bridges(xy: Floats, part: Ints) -> Ints:
    """Node rows of bridges: some between islands that are near, and the shortest that makes all one."""
    names = np.unique(part)
    rows = [np.flatnonzero(part == name) for name in names]
    spans: list[tuple[float, int, int, int, int]] = []
    for a in range(len(names)):
        tree = cKDTree(xy[rows[a]])
        for b in range(a + 1, len(names)):
            gap, near = (np.atleast_1d(found) for found in tree.query(xy[rows[b]]))
            chosen: list[int] = []
            for at in np.argsort(gap):
                apart = [np.hypot(*(xy[rows[b][at]] - xy[rows[b][other]])) for other in chosen]
                if len(chosen) < BRIDGES and min(apart, default=np.inf) >= BRIDGE_APART_M:
                    chosen.append(int(at))
                    spans.append((float(gap[at]), a, b, int(rows[a][near[at]]), int(rows[b][at])))
    joined = np.arange(len(names))
    kept = []
    for gap_m, a, b, one, other in sorted(spans):
        if joined[a] != joined[b] or gap_m <= GAP_M:
            kept.append((one, other))
            joined[joined == joined[b]] = joined[a]
    return np.array(kept, dtype=np.int64).reshape(-1, 2)
