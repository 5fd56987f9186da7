"""What lies ahead: the streets with clearly more reported crashes within a radius and heading, at most three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from urbancast.api import route_words as words
from urbancast.api.asking import Asked, column
from urbancast.api.ends import Spot
from urbancast.api.proof import provenance
from urbancast.api.roads import LEAST_KM, Rates, Roads
from urbancast.core.time import iso
from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints

MOST = 3  # warnings a driver can take in
AHEAD_DEG = 60.0  # to either side of the heading
APART_M = 150.0  # stretches nearer than this are one
LEAST_EVENTS = 2.0
STANDS_OUT = 0.9  # share of the roads' length below the default cutoff


@dataclass(frozen=True, kw_only=True, eq=False)
class Near:
    """Streets within reach: rows, metres to the middle of each, and bearing in degrees from north."""

    street: Ints
    away_m: Floats
    bearing: Floats


def answer(
    asked: Asked, roads: Roads, spot: Spot, *, radius_m: float, heading: float | None, cutoff: float | None = None
) -> dict[str, Any]:
    """Return warnings ahead, what matters most first, and how many were held back."""
    col = column(asked, None)
    at = asked.snapshot.axis.time(col)
    rates = Rates.of(roads, asked.grid.values[:, :, 0], asked.snapshot.axis, asked.view.product.tz)
    expected = rates.by_street(col)
    kilometres = roads.streets.length_m / 1000
    lift = expected / np.maximum(kilometres, LEAST_KM) / max(float(rates.average(np.array([col]))[0]), 1e-15)
    limit = _cutoff(lift, kilometres) if cutoff is None else cutoff
    near = _within(roads, spot, radius_m, heading)
    matters = (lift[near.street] > limit) & (roads.streets.events[near.street] >= LEAST_EVENTS)
    stretches = _stretches(roads, near, matters, expected)
    shown = stretches[:MOST]
    is_simulated = asked.view.is_simulated
    return {
        "product": asked.view.product.id,
        "measure": asked.grid.measure.id,
        "unit": asked.grid.measure.unit,
        "at": iso(at),
        "radius_m": round(radius_m),
        "heading": heading,
        "warnings": [_warning(asked, roads, near, rows, (expected, lift)) for rows in shown],
        "budget": {"most": MOST, "held_back": len(stretches) - len(shown)},
        "cutoff": {"lift": round(limit, 3), "is_default": cutoff is None},
        "sentence": words.all_ahead(len(shown), len(stretches) - len(shown), radius_m, is_simulated=is_simulated),
        **provenance(asked, col),
    }


def _cutoff(lift: Floats, kilometres: Floats) -> float:
    """Lift that nine tenths of the roads' length stay below, at least the average."""
    order = np.argsort(lift)
    along = np.cumsum(kilometres[order])
    return max(1.0, float(lift[order][np.searchsorted(along, STANDS_OUT * along[-1])]))


def _within(roads: Roads, spot: Spot, radius_m: float, heading: float | None) -> Near:
    streets = roads.streets
    here = streets.plane.to_metres(np.array([spot.lon]), np.array([spot.lat]))[0]
    east, north = (streets.middle_m - here).T
    away = np.hypot(east, north)
    street = np.flatnonzero(away <= radius_m)
    bearing = np.degrees(np.arctan2(east[street], north[street])) % 360
    if heading is not None:
        turn = np.abs((bearing - heading + 180) % 360 - 180)
        street, bearing = street[turn <= AHEAD_DEG], bearing[turn <= AHEAD_DEG]
    return Near(street=street, away_m=away[street], bearing=bearing)


def _stretches(roads: Roads, near: Near, matters: Any, expected: Floats) -> list[Ints]:
    """Rows of ``near`` that stand out, those beside each other as one, led by its worst; most expected first."""
    rows = np.flatnonzero(matters)
    rows = rows[np.lexsort((near.street[rows], -expected[near.street[rows]]))]
    middle = roads.streets.middle_m[near.street]
    found: list[list[int]] = []
    for row in rows.tolist():
        for stretch in found:
            if np.hypot(*(middle[row] - middle[stretch[0]])) < APART_M:
                stretch.append(row)
                break
        else:
            found.append([row])
    return [np.array(stretch) for stretch in found]


def _warning(asked: Asked, roads: Roads, near: Near, rows: Ints, rates: tuple[Floats, Floats]) -> dict[str, Any]:
    streets, (expected, lift) = roads.streets, rates
    lead = int(near.street[rows[0]])
    place = _place(roads, lead)
    row = int(roads.row[place])
    zone_name = asked.atlas.names[row] if row >= 0 else ""
    name = ", ".join(part for part in (roads.link_names[lead], zone_name) if part)
    events = round(float(streets.events[near.street[rows]].sum()))
    metres = float(near.away_m[rows[0]])
    lon, lat = streets.middle[lead]
    return {
        "place": streets.pieces.places[place],
        "name": name,
        "lat": round(float(lat), 6),
        "lon": round(float(lon), 6),
        "distance_m": round(metres),
        "bearing": round(float(near.bearing[rows[0]])),
        "expected": round(float(expected[near.street[rows]].sum()), 7),
        "lift": round(float(lift[lead]), 2),
        "events": events,
        "years": round(streets.years, 1),
        "sentence": words.ahead(
            name, metres=metres, events=events, years=streets.years, is_simulated=asked.view.is_simulated
        ),
    }


def _place(roads: Roads, street: int) -> int:
    """Place (of the pieces) that most of a street's share belongs to."""
    first = roads.streets.first_row
    rows = slice(first[street], first[street + 1])
    return int(roads.streets.row_place[rows][np.argmax(roads.streets.row_share[rows])])
