"""Addresses from a Photon server, by its HTTP API (komoot, github.com/komoot/photon)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from urbancast.core.errors import PortalError
from urbancast.geo.gazetteer import Hit, fold
from urbancast.geo.index import ZoneIndex
from urbancast.geo.remote import Remote
from urbancast.geo.routing import Point

ADDRESS = "address"
Bounds = tuple[float, float, float, float]  # west, south, east, north


class Photon:
    """Geocoder elsewhere: it is told what a person typed."""

    def __init__(self, remote: Remote, *, bounds: Bounds | None = None, index: ZoneIndex | None = None) -> None:
        """``bounds``: hits beyond them are left out; ``index``: tells which real zone holds a hit."""
        self._remote, self._bounds = remote, bounds
        self._index = None if index is None or index.is_schematic else index

    def search(self, text: str, limit: int = 8, near: Point | None = None) -> list[Hit]:
        """Best hits first, as the server ranks them; PortalError where it fails."""
        fields = {"q": text, "limit": str(limit)}
        if near is not None:
            fields |= {"lon": f"{near[0]:.5f}", "lat": f"{near[1]:.5f}"}
        if self._bounds is not None:
            fields["bbox"] = ",".join(f"{value:.5f}" for value in self._bounds)
        status, reply = self._remote.get("/api", fields)
        features = reply.get("features") if isinstance(reply, Mapping) else None
        if status != 200 or not isinstance(features, list):
            raise PortalError(f"photon: expected features, found status {status} without; check the address of the API")
        hits = [hit for feature in features if (hit := self._hit(feature, fold(text))) is not None]
        return hits[:limit]

    def _hit(self, feature: Any, wanted: str) -> Hit | None:
        """Hit of a feature; null where it has no point, no name, or lies beyond the bounds."""
        try:
            lon, lat = (float(value) for value in feature["geometry"]["coordinates"][:2])
            facts = {key: str(value) for key, value in feature["properties"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        name = _name(facts)
        if not name or not self._holds(lon, lat):
            return None
        place = None if self._index is None else self._index.locate([lon], [lat])[0]
        part_of = ", ".join(dict.fromkeys(facts[key] for key in ("district", "city") if key in facts)) or None
        return Hit(name=name, kind=ADDRESS, place=place, lat=lat, lon=lon, part_of=part_of, tier=_tier(name, wanted))

    def _holds(self, lon: float, lat: float) -> bool:
        if self._bounds is None:
            return True
        west, south, east, north = self._bounds
        return west <= lon <= east and south <= lat <= north


def _name(facts: Mapping[str, str]) -> str:
    street = " ".join(facts[key] for key in ("housenumber", "street") if key in facts)
    return ", ".join(dict.fromkeys(part for part in (facts.get("name"), street) if part))


def _tier(name: str, wanted: str) -> int:
    found = fold(name)
    if found == wanted:
        return 0
    if found.startswith(wanted) or wanted.startswith(found):
        return 1
    return 2 if set(wanted.split()) <= set(found.split()) else 3
