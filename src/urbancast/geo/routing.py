"""From here to there by road: paths with the time each link is entered, and the same paths at other hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from urbancast.core.errors import QueryError
from urbancast.geo import alternatives, timing
from urbancast.geo.alternatives import MOST_LONGER, Quest, Way
from urbancast.geo.metric import Floats, distance_m
from urbancast.geo.network import Ints, Network
from urbancast.geo.search import Graph
from urbancast.geo.snap import Snap, Snapper
from urbancast.geo.timing import Times

Point = tuple[float, float]  # longitude, latitude
SAME_M = 10.0  # ends on the roads nearer than this are one


@dataclass(frozen=True, eq=False, kw_only=True)
class Path:
    """One way from A to B, driven from ``depart`` (local) on.

    L links in order, each driven from ``from_share`` to ``to_share`` of its length, ``link_m`` metres in ``link_s``
    seconds, entered ``enter_s`` after departure. ``lon``, ``lat`` (v,): its line; link i begins at vertex
    ``first_vertex[i]``, the last ends at ``first_vertex[L]``. ``snapped_m``: from the asked ends to the line's.
    ``shared_length``: share of the shorter one's length driven together with the first path. ``engine``: who found it.
    """

    links: Ints
    from_share: Floats
    to_share: Floats
    link_m: Floats
    enter_s: Floats
    link_s: Floats
    seconds: float
    length_m: float
    lon: Floats
    lat: Floats
    first_vertex: Ints
    depart: datetime
    snapped_m: tuple[float, float]
    shared_length: float = 1.0
    engine: str = "built-in"


class Router(Protocol):
    """Finds paths; the quickest first, others share little and take little longer."""

    def route(self, start: Point, end: Point, *, depart_local: datetime, count: int = 3) -> list[Path]:
        """Up to ``count`` paths, at least one.

        QueryError ``no-road-data``, ``same-ends`` or ``no-path``; PortalError where an engine elsewhere fails.
        """
        ...

    def retime(self, path: Path, departs: Sequence[datetime]) -> Times:
        """The same path at other local departures."""
        ...


class BuiltIn:
    """Router over our own links: times frozen at departure for the search, re-read along the path."""

    def __init__(self, network: Network, *, snapper: Snapper | None = None) -> None:
        """Prepare a network once; a router may be shared between threads."""
        self.network = network
        self.network = network
        self.snapper = snapper or Snapper(network)
        self._graph = Graph(network)

    def route(self, start: Point, end: Point, *, depart_local: datetime, count: int = 3) -> list[Path]:
        """Paths, quickest first: see ``Router``."""
        spots = self.snapper.snap(*start), self.snapper.snap(*end)
        check_apart(start, end)
        check_apart(*((spot.lon, spot.lat) for spot in spots))
        weight_s = self.network.seconds[divmod(timing.slot(depart_local), 24)].astype(np.float64)
        ways = Quest(graph=self._graph, start=spots[0], end=spots[1], weight_s=weight_s).ways(max(1, count))
        if not ways:
            raise no_path()
        paths = [self._path(way, depart_local, spots) for way in ways]
        quickest = min(path.seconds for path in paths)
        kept = sorted((p for p in paths if p.seconds <= MOST_LONGER * quickest), key=lambda p: (p.seconds, p.length_m))
        return [replace(path, shared_length=shared_length(path, kept[0])) for path in kept]

    def retime(self, path: Path, departs: Sequence[datetime]) -> Times:
        """The same path at other local departures."""
        return timing.read(self.network, path.links, path.to_share - path.from_share, departs)

    def _path(self, way: Way, depart: datetime, spots: tuple[Snap, Snap]) -> Path:
        from_share, to_share = np.zeros(len(way.links)), np.ones(len(way.links))
        from_share[0], to_share[-1] = way.from_share, way.to_share
        times = timing.read(self.network, way.links, to_share - from_share, [depart])
        lon, lat, first_vertex = draw(self.network, way.links, from_share=from_share, to_share=to_share)
        return Path(
            links=way.links, from_share=from_share, to_share=to_share, link_m=way.metres,
            enter_s=times.enter_s[0], link_s=times.link_s[0], seconds=float(times.seconds[0]),
            length_m=way.length_m, lon=lon, lat=lat, first_vertex=first_vertex, depart=depart,
            snapped_m=(spots[0].distance_m, spots[1].distance_m),
        )  # fmt: skip


def check_apart(start: Point, end: Point) -> None:
    """Refuse ends that are one spot."""
    gap = float(distance_m(*start, to_lon=end[0], to_lat=end[1]))
    if gap < SAME_M:
        raise QueryError(
            "same-ends",
            expected=f"two ends at least {SAME_M:.0f} m apart",
            found=f"{gap:.0f} m between them",
            action="choose another start or destination",
        )


def no_path() -> QueryError:
    """Error of two ends that no road joins."""
    return QueryError(
        "no-path",
        expected="two ends joined by roads we know",
        found="no way from the one to the other",
        action="choose an end on another street",
    )


def shared_length(path: Path, other: Path) -> float:
    """Share of the shorter path's length on links that both drive."""
    metres = alternatives.shared_m((path.links, path.link_m), (other.links, other.link_m))
    return min(1.0, metres / max(min(path.length_m, other.length_m), 1e-9))


def draw(network: Network, links: Ints, *, from_share: Floats, to_share: Floats) -> tuple[Floats, Floats, Ints]:
    """Line along parts of connected links: lon and lat (v,), and the vertex at which each begins and the last ends."""
    count = np.diff(network.vertex)[links]
    row = np.repeat(np.arange(len(links)), count)
    at = np.repeat(network.vertex[links] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(len(row))
    share = network.vertex_share[at]
    place = row * 2.0 + share
    is_inner = (share > from_share[row]) & (share < to_share[row])
    begin, last = np.arange(len(links)) * 2.0 + from_share, (len(links) - 1) * 2.0 + to_share[-1]
    wanted = np.concatenate([begin, place[is_inner], [last]])
    rank = np.concatenate([np.zeros(len(begin)), np.ones(int(is_inner.sum())), [2.0]])
    order = np.lexsort((rank, wanted))
    first_vertex = np.append(np.flatnonzero(order < len(begin)), len(order) - 1)
    lon, lat = (np.interp(wanted[order], place, v[at]) for v in (network.vertex_lon, network.vertex_lat))
    return lon, lat, first_vertex.astype(np.int64)
