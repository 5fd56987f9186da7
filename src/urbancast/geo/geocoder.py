"""From what a person types to points: the gazetteer, and a geocoder elsewhere where one is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from urbancast.core.errors import PortalError
from urbancast.geo.gazetteer import Gazetteer, Hit
from urbancast.geo.metric import distance_m
from urbancast.geo.routing import Point

GAZETTEER, OUTSIDE = "gazetteer", "outside"
DOWN = "geocoder-down"
_SAME_SPOT_M = 250.0  # addresses this near are one answer: a building and its street


class Geocoder(Protocol):
    """Finds names and addresses."""

    def search(self, text: str, limit: int = 8, near: Point | None = None) -> list[Hit]:
        """Best hits first, nearest of equals first where ``near`` (lon, lat) is given."""
        ...


@dataclass(frozen=True, kw_only=True)
class Found:
    """Hits, whose they are, and ``geocoder-down`` where the one set did not answer."""

    hits: tuple[Hit, ...]
    source: str
    note: str | None = None


class Geocoding:
    """The gazetteer first; what it does not know by its whole name is asked of the geocoder elsewhere."""

    def __init__(self, gazetteer: Gazetteer, outside: Geocoder | None = None) -> None:
        """``outside``: null for the gazetteer alone."""
        self._gazetteer, self._outside = gazetteer, outside

    def search(self, text: str, limit: int = 8, near: Point | None = None) -> list[Hit]:
        """Best hits first."""
        return list(self.find(text, limit=limit, near=near).hits)

    def find(self, text: str, *, limit: int = 8, near: Point | None = None) -> Found:
        """Hits and where they come from; a geocoder that is down leaves those of the gazetteer, and a note."""
        known = _nearer_first(self._gazetteer.search(text, limit=limit), near)
        if self._outside is None or (known and known[0].tier == 0):
            return Found(hits=tuple(known), source=GAZETTEER)
        try:
            hits = self._outside.search(text, limit, near)
        except PortalError:
            return Found(hits=tuple(known), source=GAZETTEER, note=DOWN)
        return Found(hits=tuple(hits), source=OUTSIDE) if hits else Found(hits=tuple(known), source=GAZETTEER)

    def best(self, text: str, *, near: Point | None = None) -> Found:
        """The hits that fit equally well and better than all others: none = unknown, several = ambiguous."""
        found = self.find(text, near=near)
        if found.source == GAZETTEER:
            return Found(hits=tuple(self._gazetteer.best(text)), source=GAZETTEER, note=found.note)
        kept: list[Hit] = []
        for hit in found.hits:
            is_equal = hit.tier == found.hits[0].tier
            if is_equal and all(_apart_m(hit, other) > _SAME_SPOT_M for other in kept):
                kept.append(hit)
        return Found(hits=tuple(kept), source=OUTSIDE)


def _nearer_first(hits: list[Hit], near: Point | None) -> list[Hit]:
    if near is None:
        return hits
    lon, lat = near
    return sorted(hits, key=lambda hit: (hit.tier, float(distance_m(lon, lat, to_lon=hit.lon, to_lat=hit.lat))))


def _apart_m(hit: Hit, other: Hit) -> float:
    return float(distance_m(hit.lon, hit.lat, to_lon=other.lon, to_lat=other.lat))
