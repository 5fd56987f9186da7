"""From what a person names (points, addresses, places) to the zones of a trip's two ends; nothing here is logged."""

from __future__ import annotations

from dataclasses import dataclass

from urbancast.api import locate
from urbancast.api.asking import Asked
from urbancast.api.lenses import pair
from urbancast.api.lenses.pair import Ends
from urbancast.api.schemas import End, EndQuery
from urbancast.core.errors import QueryError
from urbancast.geo.gazetteer import LANDMARK, fold
from urbancast.geo.metric import distance_m

SAME_SPOT_M = 50.0


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Zone of one end by its id, and the spot (lat, lon) where one was named."""

    place: str
    spot: tuple[float, float] | None = None


def resolve(asked: Asked, start: End, end: End) -> Ends:
    """Ends of a trip; refuses one spot twice. A trip within one zone is a trip like any other."""
    pair.book_of(asked)
    first, last = (_found(asked, _query(each)) for each in (start, end))
    if first.spot and last.spot and _apart_m(first.spot, last.spot) < SAME_SPOT_M:
        raise QueryError("same-ends", expected="two different ends", found="one spot twice",
                         action="move one of them, or name two places")  # fmt: skip
    return pair.ends_of(asked, first.place, last.place)


def _query(end: End) -> EndQuery:
    return EndQuery(address=end) if isinstance(end, str) else end


def _found(asked: Asked, end: EndQuery) -> _Found:
    if end.place is not None:
        return _Found(place=end.place)
    if end.address is not None:
        row = locate.by_address(asked.atlas, end.address).row
        return _Found(place=asked.atlas.ids[row], spot=_landmark(asked, end.address))
    if end.lat is None or end.lon is None:
        raise QueryError("malformed-query", expected="a place, an address, or lat and lon", found="none",
                         action="name one of them")  # fmt: skip
    row = locate.by_point(asked.atlas, end.lat, end.lon).row
    return _Found(place=asked.atlas.ids[row], spot=(end.lat, end.lon))


def _landmark(asked: Asked, text: str) -> tuple[float, float] | None:
    """Spot of an address that names one; a zone's name does not."""
    hits = asked.atlas.gazetteer.best(text)
    named = next((hit for hit in hits if hit.kind == LANDMARK and fold(hit.name) == fold(text)), None)
    return None if named is None else (named.lat, named.lon)


def _apart_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(distance_m(one[1], one[0], to_lon=other[1], to_lat=other[0]))
