"""Routes from a Valhalla server, by its HTTP API (valhalla.github.io/valhalla/api/turn-by-turn)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from urbancast.core.errors import PortalError, QueryError
from urbancast.geo import timing
from urbancast.geo.alternatives import MOST_LONGER, MOST_SHARED
from urbancast.geo.match import match
from urbancast.geo.metric import Floats, distance_m
from urbancast.geo.network import Network
from urbancast.geo.remote import Remote
from urbancast.geo.routing import Path, Point, check_apart, no_path, shared_length
from urbancast.geo.snap import LIMIT_M, Snapper, no_road_data
from urbancast.geo.timing import Times

_NO_PATH = {154, 170, 442, 443}  # too long, unconnected regions, no path found
_NO_ROAD = {171}  # no edge near an end
_COSTING = "auto"


class Valhalla:
    """Router elsewhere; its lines are matched onto our links, so that sums along them are those of our pieces."""

    def __init__(self, remote: Remote, network: Network, *, snapper: Snapper | None = None) -> None:
        """``network``: the links to match onto."""
        self._remote, self._network, self._snapper = remote, network, snapper or Snapper(network)

    def route(self, start: Point, end: Point, *, depart_local: datetime, count: int = 3) -> list[Path]:
        """Paths, quickest first: see ``routing.Router``."""
        check_apart(start, end)
        status, reply = self._remote.post("/route", _question(start, end, depart_local, count))
        if status != 200:
            raise _error(status, reply)
        paths = [self._path(trip, depart_local, (start, end)) for trip in _trips(reply)]
        paths.sort(key=lambda path: (path.seconds, path.length_m))
        kept: list[Path] = []
        for path in paths:
            is_other = all(shared_length(path, one) <= MOST_SHARED for one in kept)
            if not kept or (is_other and path.seconds <= MOST_LONGER * kept[0].seconds and len(kept) < count):
                kept.append(path)
        return [_beside(path, kept[0]) for path in kept]

    def retime(self, path: Path, departs: Sequence[datetime]) -> Times:
        """The engine's times, scaled as ours change from one departure to another on the links matched."""
        known = path.links >= 0
        part = np.where(known, path.to_share - path.from_share, 0.0)
        ours = timing.read(self._network, np.where(known, path.links, 0), part, [path.depart, *departs])
        usual = max(float(ours.seconds[0]), 1e-9)
        scale = np.where(ours.seconds[0] > 0, ours.seconds[1:] / usual, 1.0)
        return Times(
            depart=tuple(departs), enter_s=scale[:, None] * path.enter_s, link_s=scale[:, None] * path.link_s,
            seconds=scale * path.seconds,
        )  # fmt: skip

    def _path(self, trip: Mapping[str, Any], depart: datetime, asked: tuple[Point, Point]) -> Path:
        lon, lat, at_s = _line(trip)
        gaps = [
            float(distance_m(*point, to_lon=lon[row], to_lat=lat[row]))
            for point, row in zip(asked, (0, -1), strict=True)
        ]
        if max(gaps) > LIMIT_M:
            raise no_road_data(LIMIT_M)
        found = match(self._network, self._snapper, lon=lon, lat=lat)
        here, there = (np.cumsum(Network.steps_m(x, y)) for x, y in ((lon, lat), (found.lon, found.lat)))
        clock = np.interp(there * here[-1] / max(there[-1], 1e-9), here, at_s)[found.first_vertex]
        return Path(
            links=found.links, from_share=found.from_share, to_share=found.to_share, link_m=found.link_m,
            enter_s=clock[:-1], link_s=np.diff(clock), seconds=float(clock[-1]), length_m=float(found.link_m.sum()),
            lon=found.lon, lat=found.lat, first_vertex=found.first_vertex, depart=depart,
            snapped_m=(gaps[0], gaps[1]), engine="valhalla",
        )  # fmt: skip


def decode(shape: str) -> Floats:
    """Longitude and latitude of an encoded polyline of six decimals; shape (n, 2). Google's format."""
    values, value, shift = [], 0, 0
    for letter in shape.encode("ascii"):
        bits = letter - 63
        value |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            values.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    if shift or len(values) % 2:
        raise ValueError("cut off")
    return np.cumsum(np.array(values, dtype=np.int64).reshape(-1, 2), axis=0)[:, ::-1] / 1e6


def _question(start: Point, end: Point, depart: datetime, count: int) -> dict[str, Any]:
    return {
        "locations": [{"lon": lon, "lat": lat} for lon, lat in (start, end)],
        "costing": _COSTING,
        "alternates": max(0, count - 1),
        "date_time": {"type": 1, "value": depart.strftime("%Y-%m-%dT%H:%M")},
        "units": "kilometers",
        "directions_type": "maneuvers",
    }


def _error(status: int, reply: Any) -> QueryError | PortalError:
    code = reply.get("error_code") if isinstance(reply, Mapping) else None
    if code in _NO_PATH:
        return no_path()
    if code in _NO_ROAD:
        return no_road_data(LIMIT_M)
    return PortalError(f"valhalla: expected a route, found status {status} and code {code}; see the engine's log")


def _trips(reply: Any) -> Iterator[Mapping[str, Any]]:
    try:
        yield reply["trip"]
        yield from (other["trip"] for other in reply.get("alternates", []))
    except (KeyError, TypeError, AttributeError) as error:
        raise PortalError(f"valhalla: expected a trip, found {type(error).__name__}; check the engine's URL") from None


def _line(trip: Mapping[str, Any]) -> tuple[Floats, Floats, Floats]:
    """Vertices of a trip and the second at which each is passed, by manoeuvres; each of shape (v,)."""
    try:
        (leg,) = trip["legs"]
        xy = decode(leg["shape"])
        if len(xy) < 2:
            raise no_path()
        along = np.cumsum(Network.steps_m(xy[:, 0], xy[:, 1]))
        ends = np.array([int(move["end_shape_index"]) for move in leg["maneuvers"]])
        at = np.concatenate([[0.0], along[ends]])
        clock = np.concatenate([[0.0], np.cumsum([float(move["time"]) for move in leg["maneuvers"]])])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PortalError(f"valhalla: expected a leg with shape and times, found {type(error).__name__}; "
                          "check the engine's version") from None  # fmt: skip
    return xy[:, 0], xy[:, 1], np.interp(along, at, clock)


def _beside(path: Path, first: Path) -> Path:
    return replace(path, shared_length=shared_length(path, first))
