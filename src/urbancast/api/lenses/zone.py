"""The zone lens: what is expected at one place at one time, or at all places at once. Pure functions of a view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from urbancast.api import sentences
from urbancast.api.asking import Asked, Found, column, times
from urbancast.api.grid import AT, Grid, digits, instant_of, micros, number
from urbancast.api.lenses import occupied
from urbancast.api.payload import listed
from urbancast.api.proof import provenance, record_of, skill
from urbancast.core.errors import QueryError
from urbancast.core.product import LANGS
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import iso

SMALL_COUNT = 5.0
BUSIER, QUIETER = 1.15, 0.87
NO_PRIOR: Mapping[str, float] = MappingProxyType({})
_STATES = np.array(["forecast", "no_data", "closed"])


def answer(asked: Asked, found: Found, col: int, *, prior: Mapping[str, float] = NO_PRIOR) -> dict[str, Any]:
    """Return the Answer for one place and interval: number, range, words, record, skill, origin.

    ``prior``: see ``Occupancy``; the asker's shares by measure.
    """
    row, distance_m = found.row, found.distance_m
    state = _state(asked, row, col)
    grid, axis = asked.grid, asked.snapshot.axis
    values = grid.values[row, col].astype(float)
    place = asked.listing.describe(row)
    if distance_m is not None:
        place["distance_m"] = round(distance_m)
    zone = ZoneInfo(asked.view.product.tz)
    at = axis.time(col)
    local = at.astimezone(zone)
    head = {
        "product": asked.view.product.id,
        "place": place,
        "measure": grid.measure.id,
        "unit": grid.measure.unit,
        "at": iso(at),
        "at_local": local.isoformat(),
        "grain": asked.view.product.grain,
        "kind": "forecast" if col >= axis.first else "past",
        "state": state,
        "observed": number(float(grid.observed[row, col]), grid),
    }
    kept = record_of(asked, row, local.hour)
    body = _forecast(asked, row, col, kept) if state == "forecast" else _nothing(asked, row, col, state)
    # A range that is not shown has no record to show; the city's stands on the track record.
    shown = kept if state != "forecast" or body["interval_is_shown"] else None
    tail = {**provenance(asked, col), "median": _median(state, values, grid)}
    if asked.view.product.occupancy is not None:
        is_told = state == "forecast"
        tail["occupancy"] = occupied.told(asked, row, col, point=found.point, prior=prior) if is_told else None
    return {**head, **body, "record": shown, "skill": skill(asked), **tail}


def _forecast(asked: Asked, row: int, col: int, kept: dict[str, Any]) -> dict[str, Any]:
    grid = asked.grid
    values = [number(float(value), grid) for value in grid.values[row, col]]
    mean, low, high = values[0] or 0.0, values[AT["q10"]], values[AT["q90"]]
    usual = number(float(grid.usual[row, col]), grid)
    is_chance = grid.measure.sparse and mean < SMALL_COUNT
    compared = None if grid.measure.kind == "duration" else compare(mean, usual)  # minutes are not busy or quiet
    compared = None if grid.measure.signed else compared  # nothing is busy below zero
    told = sentences.Told(
        place=asked.listing.names[row],
        at=asked.snapshot.axis.time(col).astimezone(ZoneInfo(asked.view.product.tz)),
        now=asked.now.astimezone(ZoneInfo(asked.view.product.tz)),
        grain=asked.view.product.grain,
        unit=grid.measure.unit,
        label=grid.measure.label,
        mean=mean,
        median=float(grid.values[row, col, AT["q50"]]),
        low=low or 0.0,
        high=high or 0.0,
        usual=usual,
        comparison=compared,
        is_chance=is_chance,
        is_clustered=grid.measure.clustered,
        is_signed=grid.measure.signed,
        is_simulated=asked.view.is_simulated,
        record=dict.fromkeys(LANGS, "") if is_chance else kept["sentence"],
    )
    return {
        "reason": None,
        "action": None,
        "mean": mean,
        "interval": {"level": 0.8, "low": low, "high": high},
        "interval_is_shown": not is_chance,
        "quantiles": dict(zip(QUANTILE_COLUMNS, values[1:], strict=True)),
        "chance_of_any": None if not is_chance or grid.measure.clustered else round(float(-np.expm1(-mean)), 6),
        "usual": usual,
        "comparison": compared,
        "sentence": sentences.tell(told),
    }


def _nothing(asked: Asked, row: int, col: int, state: str) -> dict[str, Any]:
    zone = ZoneInfo(asked.view.product.tz)
    at, now = asked.snapshot.axis.time(col).astimezone(zone), asked.now.astimezone(zone)
    name, grain = asked.listing.names[row], asked.view.product.grain
    opens = _opens(asked, col) if state == "closed" else None
    reasons = {
        "closed": ("this place is closed at that time", "choose another time" if opens else "choose another place"),
        "no_data": ("no forecast was made for this place at that time", "choose another place or time"),
    }
    reason, action = reasons[state]
    empty: dict[str, Any] = dict.fromkeys(("mean", "interval", "quantiles", "chance_of_any", "usual", "comparison"))
    is_mute = state == "no_data" and bool(np.isnan(asked.grid.values[:, col, 0]).all())
    words = sentences.no_answer("no_time" if is_mute else state, name, at, now, grain)
    if opens is not None and asked.view.product.closed is not None:
        words = sentences.not_open(asked.view.product.closed, name, (at, opens.astimezone(zone)), now, grain)
        empty["opens_at"] = iso(opens)
        empty["closed"] = asked.view.product.closed
    return {"reason": reason, "action": action, **empty, "interval_is_shown": False, "sentence": words}


def compare(mean: float, usual: float | None) -> str | None:
    """``busier``, ``usual`` or ``quieter`` than usual; None when usual is not known."""
    if usual is None:
        return None
    if usual <= 0:
        return "busier" if mean > 0 else "usual"
    ratio = mean / usual
    return "busier" if ratio > BUSIER else "quieter" if ratio < QUIETER else "usual"


def _state(asked: Asked, row: int, col: int) -> str:
    closed = asked.listing.closed_from.get(row)
    if closed is not None and int(asked.snapshot.axis.times[col]) >= closed:
        return "closed"
    if asked.snapshot.is_open is not None and not asked.snapshot.is_open[col]:
        return "closed"
    return "no_data" if np.isnan(asked.grid.values[row, col, 0]) else "forecast"


def _opens(asked: Asked, col: int) -> datetime | None:
    """Start of the next open interval, where this one is only closed for now."""
    if asked.snapshot.is_open is None:
        return None
    found = np.flatnonzero(asked.snapshot.is_open[col:])
    return asked.snapshot.axis.time(col + int(found[0])) if len(found) else None


def series(asked: Asked, row: int, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """Forecasts and observations of one place over [start, end); past hours as they were issued."""
    axis, grid = asked.snapshot.axis, asked.grid
    first = 0 if start is None else max(0, int(np.searchsorted(axis.times, micros(start))))
    last = len(axis.times) if end is None else int(np.searchsorted(axis.times, micros(end)))
    if start is not None and end is not None and start >= end:
        raise QueryError("malformed-query", expected="`from` before `to`", found=f"{iso(start)} and {iso(end)}",
                         action="swap or widen them")  # fmt: skip
    if first >= last:
        column(asked, start if start is not None and first >= len(axis.times) else end)
    rows = [_point(grid, row, col, axis.time(col), is_past=col < axis.first) for col in range(first, last)]
    return {
        "product": asked.view.product.id,
        "place": asked.listing.ids[row],
        "measure": grid.measure.id,
        "unit": grid.measure.unit,
        "origin": iso(asked.snapshot.origin),
        "release": grid.release,
        "provenance": asked.view.provenance,
        "simulated": asked.view.is_simulated,
        "series": rows,
    }


def _point(grid: Grid, row: int, col: int, time: datetime, *, is_past: bool) -> dict[str, Any]:
    values = [number(float(value), grid) for value in grid.values[row, col]]
    origin = int(grid.origins[col])
    return {
        "time": iso(time),
        "mean": values[0],
        **dict(zip(QUANTILE_COLUMNS, values[1:], strict=True)),
        "observed": number(float(grid.observed[row, col]), grid),
        "kind": "past" if is_past else "forecast",
        "origin": iso(instant_of(origin)) if origin >= 0 and values[0] is not None else None,
    }


def city_map(asked: Asked, col: int) -> dict[str, Any]:
    """Every place at one interval, in the order of ``places``."""
    grid, axis, atlas = asked.grid, asked.snapshot.axis, asked.atlas
    values, places = grid.values[:, col], digits(grid)
    at = axis.time(col)
    code = np.isnan(values[:, 0]).astype(int)
    code[[row for row, closed in atlas.closed_from.items() if int(axis.times[col]) >= closed]] = 2
    if asked.snapshot.is_open is not None and not asked.snapshot.is_open[col]:
        code[:] = 2
    origin = int(grid.origins[col])
    return {
        "product": asked.view.product.id,
        "measure": grid.measure.id,
        "unit": grid.measure.unit,
        "at": iso(at),
        "at_local": at.astimezone(ZoneInfo(asked.view.product.tz)).isoformat(),
        "origin": iso(instant_of(origin)) if origin >= 0 else iso(asked.snapshot.origin),
        "release": grid.releases[col] or grid.release,
        "provenance": asked.view.provenance,
        "simulated": asked.view.is_simulated,
        "kind": "forecast" if col >= axis.first else "past",
        "places": list(atlas.ids),
        **{name: listed(values[:, AT[name]], places) for name in ("mean", "q50", "q10", "q90")},
        "usual": listed(grid.usual[:, col], places),
        "observed": listed(grid.observed[:, col], places),
        "state": _STATES[code].tolist(),
        "breaks": list(grid.breaks),
        "times": times(asked),
    }


def _median(state: str, values: np.ndarray[Any, Any], grid: Grid) -> float | None:
    return number(float(values[AT["q50"]]), grid) if state == "forecast" else None
