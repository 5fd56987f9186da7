"""The route lens: from here to there, where crashes have been reported, and would another road or hour see fewer.

What a figure means: docs/decisions, "What a route's figure means". Pure functions of a view; sums of stored forecasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from urbancast.api import route_words as words
from urbancast.api.asking import Asked, column
from urbancast.api.ends import Spot
from urbancast.api.grid import micros
from urbancast.api.proof import provenance
from urbancast.api.roads import Passing, Rates, Roads
from urbancast.core.errors import QueryError
from urbancast.core.time import iso
from urbancast.geo.along import Along, along, trace, visits
from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints
from urbancast.geo.routing import Path

DEPARTURES = 24
MOST_ROUTES = 3
FLAG_SHARE = 0.75  # share of the answer's length at most as far above the average as the default cutoff
REJOINED_M, LEAST_M = 300.0, 50.0  # a stay's rate is that of at least so much road
NIGHT = frozenset({23, 0, 1, 2, 3, 4, 5})
_DIGITS = 7
_LEVEL = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Driven:
    """A path with what is expected along it: at its own departure, and at each of k (``totals``, ``seconds``)."""

    path: Path
    found: Along
    passing: Passing
    average: Floats  # of the city, an hour and kilometre, when each piece is entered; shape (q,)
    totals: Floats
    seconds: Floats

    @cached_property
    def by_piece(self) -> Floats:
        """Expected events of each piece; shape (q,)."""
        known = np.nan_to_num(self.passing.expected)
        return np.asarray(np.bincount(self.passing.part, known, len(self.found.piece)), dtype=np.float64)

    @cached_property
    def usual(self) -> Floats:
        """Events that average roads as long as each piece would see; shape (q,)."""
        return np.maximum(self.average * self.found.length_m / 1000, 1e-15)

    @cached_property
    def stays(self) -> Stays:
        """Stays in one zone, in order of entering; a zone left for less than 300 m is not left."""
        first = visits(self.found)
        metres = np.add.reduceat(self.found.length_m, first)
        stay = _joined(self.found.place[first], metres)
        piece = np.repeat(stay, np.diff(np.append(first, len(self.found.place))))
        count = int(stay.max()) + 1

        def total(values: Floats) -> Floats:
            return np.asarray(np.bincount(piece, values, count), dtype=np.float64)

        expected, length_m = total(self.by_piece), total(self.found.length_m)
        usual = total(self.usual) * np.maximum(length_m, LEAST_M) / length_m
        opened = np.unique(piece, return_index=True)[1]
        closed = len(piece) - 1 - np.unique(piece[::-1], return_index=True)[1]
        return Stays(
            first=opened,
            last=closed,
            seconds=total(self.found.seconds),
            metres=length_m,
            expected=expected,
            lift=expected / usual,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Stays:
    """First and last piece of each stay, seconds, metres, expected events, and these over the city's average."""

    first: Ints
    last: Ints
    seconds: Floats
    metres: Floats
    expected: Floats
    lift: Floats


def _joined(place: Ints, metres: Floats) -> Ints:
    """Stay that each visit of a zone is part of: roads along the edge of two zones change sides at every corner."""
    stay = np.zeros(len(place), dtype=np.int64)
    left_at: dict[int, tuple[int, float]] = {}
    passed, count = 0.0, 0
    for n, zone_row in enumerate(place.tolist()):
        own, since = left_at.get(zone_row, (count, -math.inf))
        is_back = passed - since < REJOINED_M
        stay[n] = own if is_back else count
        count += not is_back
        passed += float(metres[n])
        left_at[zone_row] = (int(stay[n]), passed)
    return stay


def answer(
    asked: Asked, roads: Roads, start: Spot, end: Spot, *, depart_at: datetime | None, cutoff: float | None
) -> dict[str, Any]:
    """Return the routes between two spots, with departures compared, words and caveats."""
    depart = (asked.now if depart_at is None else depart_at).replace(microsecond=0)
    col = column(asked, depart)
    product, axis = asked.view.product, asked.snapshot.axis
    local = depart.astimezone(ZoneInfo(product.tz))
    rates = Rates.of(roads, asked.grid.values[:, :, 0], axis, product.tz)
    paths = roads.router.route(start.point, end.point, depart_local=local, count=MOST_ROUTES)
    departs = _departures(asked, local)
    driven = [_drive(roads, rates, path, departs) for path in paths]
    limit, is_default = _cutoff(driven, cutoff)
    routes = [_route(asked, roads, one, n, limit) for n, one in enumerate(driven)]
    compared = [_departure(driven, k, at) for k, at in enumerate(departs)]
    is_simulated = asked.view.is_simulated
    return {
        "product": product.id,
        "measure": asked.grid.measure.id,
        "unit": asked.grid.measure.unit,
        "depart_at": iso(depart),
        "depart_at_local": local.isoformat(),
        "from": _end(start, paths[0], 0),
        "to": _end(end, paths[0], 1),
        "routes": routes,
        "departures": compared,
        "cutoff": {"lift": round(limit, 3), "is_default": is_default},
        "words": {"fewer": words.fewer_by_road(routes), "hour": words.fewer_by_hour(compared)},
        "caveats": _caveats(roads, driven, is_simulated=is_simulated),
        "roads": {"name": roads.name, "years": roads.streets.years, "engine": paths[0].engine},
        "sentence": words.trip(routes[0], local, asked.now.astimezone(local.tzinfo), ends=(start.name, end.name),
                               is_simulated=is_simulated),
        **provenance(asked, col),
    }  # fmt: skip


def _departures(asked: Asked, local: datetime) -> list[datetime]:
    """This departure and the next hours, as far as anything is forecast."""
    axis = asked.snapshot.axis
    last = micros(axis.time(len(axis.times) - 1) + axis.step)
    hours = [(local.astimezone(UTC) + timedelta(hours=n)).astimezone(local.tzinfo) for n in range(DEPARTURES)]
    return [moment for moment in hours if micros(moment) < last]


def _drive(roads: Roads, rates: Rates, path: Path, departs: list[datetime]) -> Driven:
    found = along(path, roads.streets.pieces)
    if not len(found.piece):
        raise QueryError("no-road-data", expected="a way through zones we know", found="one that lies in none",
                         action="choose ends farther apart, or inside the zones")  # fmt: skip
    times = roads.router.retime(path, departs)
    later = along(path, roads.streets.pieces, times)
    weighed, own = rates.weigh(found), rates.columns([path.depart], found.enter_s)[0]
    return Driven(
        path=path,
        found=found,
        passing=rates.passing(weighed, own),
        average=rates.average(own),
        totals=rates.totals(weighed, rates.columns(departs, later.enter_s)),
        seconds=times.seconds,
    )


def _cutoff(driven: list[Driven], asked: float | None) -> tuple[float, bool]:
    """Lift from which a stay in a zone is flagged: as asked, or above 3 quarters of the length and the average."""
    if asked is not None:
        return asked, False
    lifts = np.concatenate([one.stays.lift for one in driven])
    metres = np.concatenate([one.stays.metres for one in driven])
    order = np.argsort(lifts)
    below = np.cumsum(metres[order]) - metres[order]
    at = int(np.searchsorted(below, FLAG_SHARE * metres.sum(), side="right")) - 1
    highest = float(lifts[order][max(at, 0)])
    return max(1.0, math.nextafter(highest, 0.0)), True


def _route(asked: Asked, roads: Roads, one: Driven, n: int, limit: float) -> dict[str, Any]:
    path, expected = one.path, one.passing.total
    kilometres = path.length_m / 1000
    spread = one.passing.spread(roads.dispersion.get(asked.grid.measure.id, 0.0))
    low, high, none = interval(expected, spread)
    lon, lat, first, last = trace(path, one.found)
    is_single = not asked.grid.measure.clustered
    per_trip = one.passing.per_trip()
    return {
        "id": n,
        "label": words.label(n),
        "length_m": round(path.length_m),
        "duration_s": round(path.seconds),
        "arrive_at": iso((path.depart + timedelta(seconds=path.seconds)).replace(microsecond=0)),
        "geometry": {"type": "LineString", "coordinates": np.column_stack([lon, lat]).round(6).tolist()},
        "expected": round(expected, _DIGITS),
        "interval": {"level": _LEVEL, "low": low, "high": high},
        "chance_of_any": round(1 - none, _DIGITS) if is_single else None,
        "per_km": round(expected / kilometres, _DIGITS),
        "per_trip": None if per_trip is None else float(f"{per_trip:.4g}"),
        "lift": round(expected / float(one.usual.sum()), 3),
        "shared_length": round(path.shared_length, 3),
        "zones": _zones(asked, roads, one, (first, last), limit),
    }


def _zones(asked: Asked, roads: Roads, one: Driven, vertices: tuple[Any, Any], limit: float) -> list[dict[str, Any]]:
    """Stays in zones, in order: when it is entered, how long, what is expected there."""
    found, stays, atlas = one.found, one.stays, asked.atlas
    rows = []
    for n, (first, lift) in enumerate(zip(stays.first.tolist(), stays.lift.tolist(), strict=True)):
        place = int(found.place[first])
        row = int(roads.row[place])
        entered = one.path.depart + timedelta(seconds=float(found.enter_s[first]))
        rows.append({
            "place": roads.streets.pieces.places[place],
            "name": atlas.names[row] if row >= 0 else None,
            "enter_at": iso(entered.replace(microsecond=0)),
            "seconds": round(float(stays.seconds[n]), 1),
            "length_m": round(float(stays.metres[n])),
            "expected": round(float(stays.expected[n]), _DIGITS),
            "lift": round(lift, 3),
            "is_flagged": lift > limit,
            "part": [int(vertices[0][first]), int(vertices[1][stays.last[n]])],
        })  # fmt: skip
    return rows


def _departure(driven: list[Driven], k: int, local: datetime) -> dict[str, Any]:
    routes = [
        {"id": n, "expected": round(float(one.totals[k]), _DIGITS), "duration_s": round(float(one.seconds[k]))}
        for n, one in enumerate(driven)
    ]
    return {"depart_at": iso(local), "at_local": local.isoformat(), "is_night": local.hour in NIGHT, "routes": routes}


def interval(mean: float, dispersion: float) -> tuple[int, int, float]:
    """Counts between which 8 of 10 fall, and the chance of none; negative binomial about a mean, Poisson at 0."""
    size = 1 / dispersion if dispersion > 1e-9 else math.inf
    chance = math.exp(-mean) if math.isinf(size) else (size / (size + mean)) ** size
    none, below, count = chance, chance, 0
    low = 0 if below >= (1 - _LEVEL) / 2 else None
    while below < (1 + _LEVEL) / 2 and count < 10_000:
        grown = mean if math.isinf(size) else mean * (size + count) / (size + mean)
        chance *= grown / (count + 1)
        count += 1
        below += chance
        if low is None and below >= (1 - _LEVEL) / 2:
            low = count
    return low or 0, count, none


def _end(spot: Spot, path: Path, which: int) -> dict[str, Any]:
    at = -1 if which else 0
    return {
        "lat": round(float(path.lat[at]), 6),
        "lon": round(float(path.lon[at]), 6),
        "name": spot.name,
        "snapped_m": round(path.snapped_m[which], 1),
    }


def _caveats(roads: Roads, driven: list[Driven], *, is_simulated: bool) -> list[dict[str, Any]]:
    ids = ["exposure", "night", "static"]
    ids += ["schematic"] if roads.is_schematic and is_simulated else []
    ids += ["gaps"] if any(np.isnan(one.passing.expected).any() for one in driven) else []
    return [{"id": each, "text": words.CAVEATS[each]} for each in ids]
