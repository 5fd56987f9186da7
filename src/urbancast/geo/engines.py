"""Which router and geocoder answer: the built-in ones, or one elsewhere by URL with the built-in behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from urbancast.core.errors import PortalError
from urbancast.geo.gazetteer import Gazetteer
from urbancast.geo.geocoder import Geocoding
from urbancast.geo.index import ZoneIndex
from urbancast.geo.network import Network
from urbancast.geo.photon import Bounds, Photon
from urbancast.geo.remote import Remote
from urbancast.geo.routing import BuiltIn, Path, Point, Router
from urbancast.geo.snap import Snapper
from urbancast.geo.timing import Times
from urbancast.geo.valhalla import Valhalla


def router(network: Network, *, url: str = "", snapper: Snapper | None = None) -> Router:
    """The built-in router, or the Valhalla at ``url`` with the built-in one for when it fails."""
    snapper = snapper or Snapper(network)
    own = BuiltIn(network, snapper=snapper)
    return Spare(Valhalla(Remote("valhalla", url), network, snapper=snapper), own) if url else own


def geocoding(
    gazetteer: Gazetteer, *, url: str = "", bounds: Bounds | None = None, index: ZoneIndex | None = None
) -> Geocoding:
    """The gazetteer alone, or with the Photon at ``url``."""
    return Geocoding(gazetteer, Photon(Remote("photon", url), bounds=bounds, index=index) if url else None)


class Spare:
    """A router with another for when it fails; each path says by ``engine`` who found it."""

    def __init__(self, first: Router, spare: Router) -> None:
        """``spare`` answers where ``first`` raises PortalError."""
        self._first, self._spare = first, spare

    def route(self, start: Point, end: Point, *, depart_local: datetime, count: int = 3) -> list[Path]:
        """Paths of the first that answers."""
        try:
            return self._first.route(start, end, depart_local=depart_local, count=count)
        except PortalError:
            return self._spare.route(start, end, depart_local=depart_local, count=count)

    def retime(self, path: Path, departs: Sequence[datetime]) -> Times:
        """Times by the router that found the path."""
        own = self._spare if path.engine == "built-in" else self._first
        return own.retime(path, departs)
