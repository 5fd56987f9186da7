"""The pair lens: how long from one zone to another, leaving at a time. Pure functions of a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from urbancast.api import pair_words, pairs
from urbancast.api.asking import Asked, times
from urbancast.api.grid import AT, breaks, instant_of, number
from urbancast.api.lenses import zone
from urbancast.api.pairs import Book
from urbancast.api.payload import listed
from urbancast.api.proof import provenance, record_of, skill
from urbancast.core.errors import QueryError
from urbancast.core.place import pair_id
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import iso

DEPARTURES = 24
SHOWN = ("mean", "q10", "q25", "q50", "q75", "q90")
_NUMBERS = ("mean", "median", "interval", "quantiles", "usual", "comparison")
COMPARISONS = {"busier": "longer", "usual": "usual", "quieter": "shorter"}


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Zones of a trip on the axes of a ``Book``; the last position is an unknown end."""

    start: int
    end: int


def book_of(asked: Asked) -> Book:
    """Pairs of a product; QueryError where it has none."""
    if asked.snapshot.book is None:
        raise QueryError("no-such-lens", expected="a product that answers for pairs of places",
                         found=asked.view.product.id, action="ask it for one place (forecast or answer)",
                         status=404)  # fmt: skip
    return asked.snapshot.book


def ends_of(asked: Asked, start: str, end: str) -> Ends:
    """Ends by the ids of their zones; the empty text is an unknown end."""
    book = book_of(asked)
    for name, place in (("from", start), ("to", end)):
        if place not in book.zones:
            raise QueryError("unknown-place", expected=f"`{name}`: the id of one of {len(asked.atlas.ids)} places",
                             found=repr(place[:80]), action="GET /v1/products/{product}/places lists them",
                             status=404)  # fmt: skip
    return Ends(start=book.zones[start], end=book.zones[end])


def answer(asked: Asked, ends: Ends, col: int) -> dict[str, Any]:
    """Return the answer for a trip that leaves in one interval, and for the next 24 departures."""
    book, grid, axis = book_of(asked), asked.grid, asked.snapshot.axis
    row, is_direct = book.between(ends.start, ends.end)
    at = axis.time(col)
    local = at.astimezone(ZoneInfo(asked.view.product.tz))
    is_there = row >= 0 and not np.isnan(grid.values[row, col, 0])
    place = pair_id(*(book_place(asked, end)["id"] for end in (ends.start, ends.end)))
    distance = float(book.distance_km[ends.start, ends.end])
    kept = record_of(asked, row, local.hour) if row >= 0 else None
    body = _numbers(asked, row, col) if is_there else dict.fromkeys(_NUMBERS)
    return {
        "product": asked.view.product.id,
        "from": book_place(asked, ends.start),
        "to": book_place(asked, ends.end),
        "place": place,
        "is_direct": is_direct,
        "band": None if is_direct or row < 0 else pairs.span_of(book.ids[row]),
        "distance_km": None if np.isnan(distance) else round(distance, 1),
        "measure": grid.measure.id,
        "unit": grid.measure.unit,
        "at": iso(at),
        "at_local": local.isoformat(),
        "grain": asked.view.product.grain,
        "kind": "forecast" if col >= axis.first else "past",
        "state": "forecast" if is_there else "no_data",
        "reason": None if is_there else "no forecast was made for this pair at that time",
        "action": None if is_there else "choose another pair or time",
        **body,
        "observed": number(float(grid.observed[row, col]), grid) if is_direct else None,
        "record": kept,
        "skill": skill(asked),
        "series": _series(asked, row, col),
        "shares": _shares(book, place),
        "sentence": pair_words.tell(_trip(asked, ends, row, col, kept if is_there else None)),
        **provenance(asked, col),
    }


def book_place(asked: Asked, position: int) -> dict[str, Any]:
    """One end as an answer shows it; an unknown one has no name and lies nowhere."""
    if position < len(asked.atlas.ids):
        return asked.atlas.describe(position)
    return {"id": "", "name": None, "part_of": None, "lat": None, "lon": None}


def _numbers(asked: Asked, row: int, col: int) -> dict[str, Any]:
    grid = asked.grid
    values = [number(float(value), grid) for value in grid.values[row, col]]
    usual = number(float(grid.usual[row, col]), grid)
    compared = zone.compare(values[0] or 0.0, usual)
    return {
        "mean": values[0],
        "median": values[AT["q50"]],
        "interval": {"level": 0.8, "low": values[AT["q10"]], "high": values[AT["q90"]]},
        "quantiles": dict(zip(QUANTILE_COLUMNS, values[1:], strict=True)),
        "usual": usual,
        "comparison": None if compared is None else COMPARISONS[compared],
    }


def _series(asked: Asked, row: int, col: int) -> list[dict[str, Any]]:
    grid, axis = asked.grid, asked.snapshot.axis
    if row < 0:
        return []
    last = min(col + DEPARTURES, len(axis.times))
    return [
        {"time": iso(axis.time(at)), **{name: number(float(grid.values[row, at, AT[name]]), grid) for name in SHOWN}}
        for at in range(col, last)
    ]


def _shares(book: Book, place: str) -> dict[str, Any] | None:
    """Share of the source's rows that tell no honest duration: of this pair, else of all."""
    if not book.refused:
        return None
    own = book.refused.get(place)
    return {"quarantined": book.refused[""] if own is None else own, "scope": "all" if own is None else "pair"}


def _trip(asked: Asked, ends: Ends, row: int, col: int, kept: dict[str, Any] | None) -> pair_words.Trip:
    product, book = asked.view.product, book_of(asked)
    local = ZoneInfo(product.tz)
    found = None if kept is None else _numbers(asked, row, col)
    _, is_direct = book.between(ends.start, ends.end)
    return pair_words.Trip(
        verb=product.verb,
        place_word=product.place_word,
        unit=asked.grid.measure.unit,
        start=book_place(asked, ends.start)["name"],
        end=book_place(asked, ends.end)["name"],
        at=asked.snapshot.axis.time(col).astimezone(local),
        now=asked.now.astimezone(local),
        grain=product.grain,
        numbers=None if found is None else (
            found["median"], found["interval"]["low"], found["interval"]["high"], found["usual"]
        ),
        comparison=None if found is None else found["comparison"],
        band=None if is_direct or row < 0 else pairs.span_of(book.ids[row]),
        hubs=book.hubs,
        record={} if kept is None else kept["sentence"],
        is_simulated=asked.view.is_simulated,
    )  # fmt: skip


def start_of(asked: Asked, place: str | None) -> int:
    """Position of the zone that a map's trips leave from: the one named, else the busiest."""
    book = book_of(asked)
    return book.busiest if place is None else ends_of(asked, place, place).start


def city_map(asked: Asked, start: int, col: int) -> dict[str, Any]:
    """Minutes from one zone to every zone, leaving in one interval; the zone lens's map, and ``from``."""
    book, grid, axis = book_of(asked), asked.grid, asked.snapshot.axis
    zones = len(asked.atlas.ids)
    between = [book.between(start, end) for end in range(zones)]
    row = np.array([found for found, _ in between])
    values = np.where((row >= 0)[:, None], grid.values[row, col], np.nan)
    observed = np.where([is_direct for _, is_direct in between], grid.observed[row, col], np.nan)
    at, origin = axis.time(col), int(grid.origins[col])
    return {
        "product": asked.view.product.id,
        "from": book_place(asked, start),
        "measure": grid.measure.id,
        "unit": grid.measure.unit,
        "at": iso(at),
        "at_local": at.astimezone(ZoneInfo(asked.view.product.tz)).isoformat(),
        "origin": iso(instant_of(origin)) if origin >= 0 else iso(asked.snapshot.origin),
        "release": grid.releases[col] or grid.release,
        "provenance": asked.view.provenance,
        "simulated": asked.view.is_simulated,
        "kind": "forecast" if col >= axis.first else "past",
        "places": list(asked.atlas.ids),
        **{name: listed(values[:, AT[name]], 3) for name in ("mean", "q50", "q10", "q90")},
        "usual": listed(np.where(row >= 0, grid.usual[row, col], np.nan), 3),
        "observed": listed(observed, 3),
        "is_direct": [is_direct for _, is_direct in between],
        "state": np.where(np.isnan(values[:, 0]), "no_data", "forecast").tolist(),
        "breaks": list(breaks(grid.values[row[row >= 0], axis.first :, 0])),
        "times": times(asked),
    }
