"""From what a person names (a point, an address, a place) to an end of a trip; nothing here is logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from urbancast.api.asking import Asked, row_of
from urbancast.api.locate import CANDIDATES, MARGIN_DEG, described
from urbancast.api.problems import AmbiguousError, shown
from urbancast.api.roads import Roads
from urbancast.api.schemas import End, EndQuery
from urbancast.core.errors import QueryError
from urbancast.geo.metric import distance_m
from urbancast.geo.routing import Point
from urbancast.geo.snap import LIMIT_M

WATER_M = 100.0  # off every zone and this far from a road: water, or another city


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A resolved end and its name, if it has one."""

    lat: float
    lon: float
    name: str | None

    @property
    def point(self) -> Point:
        """Longitude and latitude."""
        return self.lon, self.lat


def resolve(asked: Asked, roads: Roads, end: End, *, which: str, near: Point | None = None) -> Spot:
    """Spot of an end near a road; ``which`` names the end in an error."""
    query = EndQuery(address=end) if isinstance(end, str) else end
    if query.place is not None:
        return _of_place(asked, roads, query.place, which)
    if query.address is not None:
        return _of_address(asked, roads, query.address, which=which, near=near)
    if query.lat is None or query.lon is None:
        raise QueryError("malformed-query", expected=f"`{which}`: a point, an address or a place", found="none",
                         action="name one of them")  # fmt: skip
    return check(asked, roads, Spot(lat=query.lat, lon=query.lon, name=None), which)


def check(asked: Asked, roads: Roads, spot: Spot, which: str) -> Spot:
    """The same spot; refused where it is outside the area, in water, or too far from every known road."""
    west, south, east, north = asked.atlas.bounds
    is_near = (
        west - MARGIN_DEG <= spot.lon <= east + MARGIN_DEG and south - MARGIN_DEG <= spot.lat <= north + MARGIN_DEG
    )
    if not is_near:
        raise _refused("outside-area", f"`{which}` in the served area", "a point outside it")
    _, _, away = roads.snapper.nearest([spot.lon], [spot.lat])
    metres = float(away[0])  # NaN beyond the limit
    if not (metres <= WATER_M or roads.covers(spot.lat, spot.lon)):
        raise _refused("outside-area", f"`{which}` on land inside the served area",
                       "a point in water or in none of its zones")  # fmt: skip
    if not metres <= LIMIT_M:
        raise _refused("no-road-data", f"`{which}` within {LIMIT_M:.0f} m of a road we know", "no road that near")
    return spot


def _of_address(asked: Asked, roads: Roads, text: str, *, which: str, near: Point | None) -> Spot:
    found = roads.geocoding.best(text, near=near)
    if len(found.hits) > 1:
        raise AmbiguousError(text, [described(hit) for hit in found.hits[:CANDIDATES]])
    if not found.hits:
        more = "; the address service does not answer just now" if found.note else ""
        raise QueryError("address-unknown", expected=f"`{which}`: the name of a place or landmark of this city",
                         found=f"{shown(text)}{more}", action="try another spelling, or pick a point on the map",
                         status=404)  # fmt: skip
    hit = found.hits[0]
    if hit.place is not None and hit.kind == str(asked.atlas.kind):
        return _of_place(asked, roads, hit.place, which)
    return check(asked, roads, Spot(lat=hit.lat, lon=hit.lon, name=hit.name), which)


def _of_place(asked: Asked, roads: Roads, place: str, which: str) -> Spot:
    """Middle of the street of a zone that is nearest to its centre."""
    row = row_of(asked, place)
    streets = roads.streets
    known = np.flatnonzero(roads.row == row)
    pieces = np.flatnonzero(streets.pieces.place == known[0]) if len(known) else known
    if not len(pieces):
        raise _refused("no-road-data", f"`{which}`: a zone with a road we know", f"none in {asked.atlas.names[row]}")
    lon, lat = streets.middle[streets.street[streets.pieces.link[pieces]]].T
    best = int(np.argmin(distance_m(asked.atlas.lon[row], asked.atlas.lat[row], to_lon=lon, to_lat=lat)))
    return Spot(lat=float(lat[best]), lon=float(lon[best]), name=asked.atlas.names[row])


def _refused(state: str, expected: str, found: str) -> QueryError:
    return QueryError(state, expected=expected, found=found, action="choose a point nearer to a street on the map")
