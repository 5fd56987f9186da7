"""From what a person names (an id, an address, a point) to one place; nothing here is logged."""

from __future__ import annotations

from urbancast.api.asking import Asked, Found, row_of
from urbancast.api.atlas import NEAR_M, Atlas
from urbancast.api.problems import AmbiguousError, shown
from urbancast.api.schemas import AnswerQuery
from urbancast.core.errors import QueryError
from urbancast.core.place import PlaceKind
from urbancast.geo.gazetteer import Hit

MARGIN_DEG = 0.02
CANDIDATES = 8
STREET = "street"


def find(asked: Asked, query: AnswerQuery) -> Found:
    """Place that a query names; refuses what is unknown, ambiguous, outside, or not decidable without boundaries."""
    if query.place is not None:
        return Found(row=row_of(asked, query.place))
    if asked.snapshot.book is not None:
        raise QueryError("needs-two-ends", expected="`place` with the id of a pair, as in a>b", found="one end",
                         action="POST /v1/products/{product}/pair takes two addresses or points")  # fmt: skip
    if query.address is not None:
        return by_address(asked.atlas, query.address)
    if query.lat is None or query.lon is None:
        raise QueryError("malformed-query", expected="a place, an address, or lat and lon", found="none",
                         action="name one of them")  # fmt: skip
    return by_point(asked.atlas, query.lat, query.lon)


def by_address(atlas: Atlas, text: str) -> Found:
    """Place of an id or name, or of the landmark or street of that name; candidates where several places have it."""
    if text.strip() in atlas.rows:
        return Found(row=atlas.rows[text.strip()])
    hits = atlas.gazetteer.best(text)
    if len(hits) > 1:
        raise AmbiguousError(text, [described(hit) for hit in hits[:CANDIDATES]])
    if hits:
        hit = hits[0]
        point = (hit.lat, hit.lon) if hit.kind == STREET else None
        return Found(row=atlas.rows[hit.place], point=point) if hit.place else by_point(atlas, hit.lat, hit.lon)
    if _is_schematic(atlas):
        raise _needs_boundaries("an address")
    raise QueryError("address-unknown", expected="the name of a place or landmark of this city", found=shown(text),
                     action="try another spelling, or pick a place on the map", status=404)  # fmt: skip


def by_point(atlas: Atlas, lat: float, lon: float) -> Found:
    """Zone that holds a point, or the nearest site within 400 m."""
    west, south, east, north = atlas.bounds
    is_near = west - MARGIN_DEG <= lon <= east + MARGIN_DEG and south - MARGIN_DEG <= lat <= north + MARGIN_DEG
    if not is_near:
        raise _outside("the served area", "a point outside it")
    if atlas.kind is not PlaceKind.ZONE:
        row, metres = atlas.nearest(lat, lon)
        if metres > NEAR_M:
            raise _outside(f"a point within {NEAR_M:.0f} m of a place", f"the nearest is {metres:,.0f} m away")
        return Found(row=row, distance_m=metres)
    if atlas.index is None:
        raise _needs_boundaries("a point")
    place = atlas.index.locate([lon], [lat])[0]
    if place is None:
        raise _outside("a point inside one of the zones", "a point in none of them")
    return Found(row=atlas.rows[place], point=(lat, lon))


def described(hit: Hit) -> dict[str, object]:
    """Return a search hit as the API shows it."""
    return {
        "name": hit.name,
        "kind": hit.kind,
        "place": hit.place,
        "part_of": hit.part_of,
        "lat": hit.lat,
        "lon": hit.lon,
    }


def _is_schematic(atlas: Atlas) -> bool:
    return atlas.kind is PlaceKind.ZONE and atlas.is_schematic


def _outside(expected: str, found: str) -> QueryError:
    return QueryError("outside-area", expected=expected, found=found, action="choose a place on the map")


def _needs_boundaries(found: str) -> QueryError:
    action = "ask by a place's name, or run with real boundaries (--source places=PATH)"
    return QueryError(
        "needs-boundaries", expected="a place's name: the shapes here are a schematic", found=found, action=action
    )
