"""A product's roads in memory: streets with their shares, a router over them, and forecasts summed along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely

from urbancast.api.atlas import Atlas
from urbancast.api.grid import Axis, Floats as Values, instant_of, micros
from urbancast.core.errors import QueryError
from urbancast.core.product import Product
from urbancast.geo import engines, outline
from urbancast.geo.along import Along
from urbancast.geo.geocoder import Geocoding
from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints
from urbancast.geo.routing import Router
from urbancast.geo.snap import Snapper
from urbancast.geo.streets import Streets
from urbancast.settings import settings

LEAST_KM = 0.05  # a shorter street's rate is that of so much


@dataclass(frozen=True, kw_only=True, eq=False)
class Roads:
    """Roads as served. ``row``: of each place of the pieces in the grids, -1 without one; ``area``: what is served.

    ``dispersion``: of each measure's served release: variance is mean + dispersion · mean²; 0 where none is stored.
    """

    name: str
    streets: Streets
    router: Router
    snapper: Snapper
    geocoding: Geocoding
    row: Ints
    area: Any
    is_schematic: bool
    dispersion: Mapping[str, float]

    @cached_property
    def link_names(self) -> tuple[str, ...]:
        """Name of each street, empty where it has none."""
        first = np.unique(self.streets.street, return_index=True)[1]
        names = self.streets.network.names
        return tuple(names[row] for row in self.streets.network.name[first])

    def covers(self, lat: float, lon: float) -> bool:
        """Whether a point lies in the served area."""
        return bool(shapely.contains_xy(self.area, lon, lat))


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Forecast means of one measure by place of the pieces (rows, the last for none) and column of the axis."""

    roads: Roads
    values: Values
    axis: Axis
    tz: str

    @classmethod
    def of(cls, roads: Roads, values: Values, axis: Axis, tz: str) -> Rates:
        """Rates of a grid's means; shape (places of the grid, times)."""
        return cls(roads=roads, values=values, axis=axis, tz=tz)

    def at(self, place: Ints, col: Ints) -> Floats:
        """Events an hour of places in columns; NaN where nothing is forecast."""
        row = self.roads.row[place]
        found = self.values[np.maximum(row, 0), col].astype(np.float64)
        return np.where(row >= 0, found, np.nan)

    def columns(self, departs: Sequence[datetime], seconds: Floats) -> Ints:
        """Column of the interval so many seconds after each of k departures, (k, q); the last where it is beyond."""
        us = np.array([micros(depart) for depart in departs])[:, None] + (seconds * 1e6).astype(np.int64)
        return np.clip(np.searchsorted(self.axis.times, us, side="right") - 1, 0, len(self.axis.times) - 1)

    def average(self, col: Ints) -> Floats:
        """Events an hour and kilometre of all known streets, in columns; shape of ``col``."""
        streets = self.roads.streets
        found, at = np.unique(col, return_inverse=True)
        known = np.flatnonzero(self.roads.row >= 0)
        rate = np.nan_to_num(self.values[np.ix_(self.roads.row[known], found)].astype(np.float64))
        mean = streets.share_of_place[known] @ rate / max(streets.kilometres, 1e-9)
        return np.asarray(mean[at].reshape(np.shape(col)))

    def weigh(self, found: Along) -> Weighed:
        """Which places' forecasts count how much on each piece that a path drives."""
        first, place, weight = self.roads.streets.weights
        count = first[found.piece + 1] - first[found.piece]
        part = np.repeat(np.arange(len(found.piece)), count)
        row = np.repeat(first[found.piece] - (np.cumsum(count) - count), count) + np.arange(len(part))
        pieces = self.roads.streets.pieces
        driven = found.share / np.maximum(pieces.to_share[found.piece] - pieces.from_share[found.piece], 1e-9)
        return Weighed(part=part, place=place[row], weight=weight[row] * np.minimum(driven, 1.0)[part])

    def passing(self, weighed: Weighed, col: Ints) -> Passing:
        """What is expected on pieces entered in columns; shape (q,)."""
        own = col[weighed.part]
        expected = weighed.weight * self.at(weighed.place, own)
        trips = weighed.weight * self._trips(weighed.place, own)
        return Passing(part=weighed.part, place=weighed.place, expected=expected, trips=trips)

    def totals(self, weighed: Weighed, col: Ints) -> Floats:
        """Expected events in all, of k departures; ``col`` of shape (k, q)."""
        known = np.nan_to_num(self.at(weighed.place[None, :], col[:, weighed.part]))
        return np.asarray(known @ weighed.weight, dtype=np.float64)

    def _trips(self, place: Ints, col: Ints) -> Floats:
        trips = self.roads.streets.trips
        if not trips.shape[1]:
            return np.full(len(place), np.nan)
        found, at = np.unique(col, return_inverse=True)
        local = [instant_of(int(self.axis.times[c])).astimezone(ZoneInfo(self.tz)) for c in found]
        hours = np.array([moment.weekday() * 24 + moment.hour for moment in local])
        return np.asarray(trips[place, hours[at]])

    def by_street(self, col: int) -> Floats:
        """Events an hour of each street in a column; shape (streets,)."""
        streets = self.roads.streets
        known = np.nan_to_num(self.at(streets.row_place, np.full(len(streets.row_place), col)))
        return np.asarray(
            np.bincount(streets.row_street, streets.row_share * known, len(streets.events)), dtype=np.float64
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighed:
    """Rows (piece of the path, place) and how much of a place's events happens there; shape (rows,)."""

    part: Ints
    place: Ints
    weight: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Passing:
    """Expected events, and trips on the same roads, by (piece of the path, place); shape (rows,)."""

    part: Ints
    place: Ints
    expected: Floats
    trips: Floats

    @property
    def total(self) -> float:
        """Expected events on all of it; places without a forecast count nothing."""
        return float(np.nansum(self.expected))

    def per_trip(self) -> float | None:
        """Expected events by trips made on the same roads; None where no trips are known."""
        trips = float(np.nansum(np.where(np.isfinite(self.expected), self.trips, np.nan)))
        return self.total / trips if trips > 0 else None

    def spread(self, dispersion: float) -> float:
        """Dispersion of the total: places are independent, each with its own."""
        by_place = np.bincount(self.place, np.nan_to_num(self.expected)) if len(self.place) else np.zeros(1)
        return dispersion * float((by_place**2).sum()) / max(self.total**2, 1e-18)


def make(product: Product, atlas: Atlas, streets: Streets, *, name: str, dispersion: Mapping[str, float]) -> Roads:
    """Roads of a product over its atlas, with the router and geocoder of the deployment."""
    deployed = settings()
    snapper = Snapper(streets.network)
    _ = streets.weights, streets.middle_m, streets.share_of_place  # once, not in the first request
    return Roads(
        name=name,
        streets=streets,
        router=engines.router(streets.network, url=deployed.router, snapper=snapper),
        snapper=snapper,
        geocoding=engines.geocoding(atlas.gazetteer, url=deployed.geocoder, bounds=atlas.bounds, index=atlas.index),
        row=np.array([atlas.rows.get(place, -1) for place in streets.pieces.places], dtype=np.int64),
        area=_area(product, atlas),
        is_schematic=atlas.is_schematic,
        dispersion=dispersion,
    )


def _area(product: Product, atlas: Atlas) -> Any:
    """Area that is served: real zones, or the outline around a schematic."""
    area = outline.read(product.folder) if atlas.index is None else shapely.union_all(atlas.index.shapes)
    shapely.prepare(area)
    return area


def required(roads: Roads | None, product: Product, *, is_schematic: bool, is_simulated: bool) -> Roads:
    """Roads, or the named state for why there are none."""
    if roads is not None:
        return roads
    if "route" not in product.lenses:
        raise QueryError("no-such-lens", expected="a product that answers for routes", found=product.id,
                         action="GET /v1/products lists the lenses of each", status=404)  # fmt: skip
    if is_schematic and not is_simulated:
        raise QueryError("needs-boundaries", expected="real zones to cut real roads by", found="schematic shapes",
                         action="run with real boundaries (--source places=PATH)")  # fmt: skip
    raise QueryError("no-road-data", expected="roads to route on", found="none loaded for this product",
                     action="pull with roads: --source nodes=… --source edges=…, or --source roads=extract.osm.pbf"
                     )  # fmt: skip
