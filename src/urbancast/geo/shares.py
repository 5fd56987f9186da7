"""What share of a zone's events each street has: counted where they happened, shrunk towards its length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import ArrayLike

from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import Floats, Plane, as_points
from urbancast.geo.network import Ints, Network
from urbancast.geo.pieces import Pieces
from urbancast.geo.streets import Streets, streets_of

SNAP_M, BESIDE_M = 60.0, 15.0
ZONE_M = 200.0  # an event off every zone belongs to one this near
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
USUAL_STRENGTH, LEAST_EVENTS, HELD = 30.0, 200, 0.25
_LEAST_CHANCE = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """Events by zone (-1: none) in order of time, and the streets they lie on: event, street, weight (≤ 1 in all)."""

    zone: Ints
    event: Ints
    street: Ints
    weight: Floats


def build(
    network: Network, pieces: Pieces, places: pl.DataFrame, events: pl.DataFrame, trips: Floats | None = None
) -> Streets:
    """Streets of a network whose shares come from ``events`` (lat, lon, time), those of the past known so far."""
    street = streets_of(network)
    ordered = events.sort("time")
    placed = place(network, street, ZoneIndex(places), ordered["lon"].to_numpy(), ordered["lat"].to_numpy())
    lengths = _lengths(street, pieces)
    k, scores = strength(placed, lengths, len(pieces.places))
    rows = shares(placed, lengths, len(pieces.places), k)
    order = np.lexsort((rows[1], rows[0]))
    times = ordered["time"]
    years = (times[-1] - times[0]).total_seconds() / 31_557_600 if ordered.height > 1 else 0.0
    facts = {
        "k": k,
        "log_likelihood": scores,
        "years": round(years, 3),
        "events": ordered.height,
        "events_in_zones": int((placed.zone >= 0).sum()),
        "events_on_streets": len(np.unique(placed.event)),
        "until": str(times[-1]) if ordered.height else None,
    }
    return Streets(
        network=network, pieces=pieces,
        row_street=rows[0][order], row_place=rows[1][order], row_share=rows[2][order],
        events=np.asarray(np.bincount(placed.street, placed.weight, int(street.max()) + 1), dtype=np.float64),
        trips=np.zeros((len(pieces.places), 0)) if trips is None else trips, facts=facts,
    )  # fmt: skip


def place(network: Network, street: Ints, index: ZoneIndex, lon: ArrayLike, lat: ArrayLike) -> Placed:
    """Zone of each event, and the streets within 60 m that are as near as the nearest (15 m), in equal parts."""
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    number = {name: row for row, name in enumerate(index.places)}
    named = index.nearest(x, y, ZONE_M)
    zone = named.replace_strict(number, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    link = np.unique(street, return_index=True)[1]
    plane = Plane.around(shapely.box(*shapely.total_bounds(network.lines)))
    lines = np.asarray(plane.flatten(network.lines[link]))
    west, south, east, north = shapely.total_bounds(network.lines)
    near = np.flatnonzero((x > west - 0.01) & (x < east + 0.01) & (y > south - 0.01) & (y < north + 0.01) & (zone >= 0))
    points = as_points(plane.to_metres(x[near], y[near]))
    at, found = shapely.STRtree(lines).query(points, predicate="dwithin", distance=SNAP_M)
    away = shapely.distance(points[at], lines[found])
    nearest = np.full(len(near), np.inf)
    np.minimum.at(nearest, at, away)
    kept = away <= nearest[at] + BESIDE_M
    at, found = at[kept], found[kept]
    weight = 1.0 / np.bincount(at, minlength=len(near))[at]
    return Placed(zone=zone, event=near[at], street=found.astype(np.int64), weight=weight)


def shares(placed: Placed, lengths: Mapping[str, Any], places: int, k: float) -> tuple[Ints, Ints, Floats]:
    """Street, place and share of the place's events: (its events + k · its share of length) / (all events + k)."""
    total = np.bincount(placed.zone[placed.zone >= 0], minlength=places)
    key, counted = _counted(placed, places)
    keys = np.union1d(key, lengths["key"])
    n = np.zeros(len(keys))
    n[np.searchsorted(keys, key)] = counted
    prior = np.zeros(len(keys))
    prior[np.searchsorted(keys, lengths["key"])] = lengths["share"]
    street, zone = np.divmod(keys, places)
    return street, zone, (n + k * prior) / (total[zone] + k)


def strength(placed: Placed, lengths: Mapping[str, Any], places: int) -> tuple[float, dict[str, float]]:
    """The k under which the newest quarter of the events is likeliest, shares from the rest; mean log chance by k."""
    events = len(placed.zone)
    cut = int(events * (1 - HELD))
    is_early = placed.event < cut
    early = Placed(zone=placed.zone[:cut], event=placed.event[is_early], street=placed.street[is_early],
                   weight=placed.weight[is_early])  # fmt: skip
    held = ~is_early
    key, weight = placed.street[held] * places + placed.zone[placed.event[held]], placed.weight[held]
    if weight.sum() < LEAST_EVENTS or not len(early.event):
        return USUAL_STRENGTH, {}
    scores = {}
    for k in STRENGTHS:
        street, zone, share = shares(early, lengths, places, k)
        keys = street * places + zone
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        chance = np.where(keys[at] == key, share[at], 0.0)
        scores[f"{k:g}"] = round(float((weight * np.log(np.maximum(chance, _LEAST_CHANCE))).sum() / weight.sum()), 5)
    best = max(STRENGTHS, key=lambda k: scores[f"{k:g}"])
    return best, scores


def _counted(placed: Placed, places: int) -> tuple[Ints, Floats]:
    keys, at = np.unique(placed.street * places + placed.zone[placed.event], return_inverse=True)
    return keys, np.asarray(np.bincount(at, placed.weight, len(keys)), dtype=np.float64)


def _lengths(street: Ints, pieces: Pieces) -> dict[str, Any]:
    """Keys (street · places + place) and each street's share of its place's road length."""
    places = len(pieces.places)
    own = street[pieces.link]
    length = pieces.length_m / np.bincount(street)[own]  # drawn once for each way it is driven
    keys, at = np.unique(own * places + pieces.place, return_inverse=True)
    metres = np.bincount(at, length, len(keys))
    whole = np.bincount(keys % places, metres, places)
    return {"key": keys, "share": metres / whole[keys % places]}
