"""The stock lens: what each place must hold over the next days, how to share a fleet, whom to send how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from urbancast.api import allocation, stock_words
from urbancast.api.atlas import Atlas
from urbancast.api.costs import Costs, realised
from urbancast.api.grid import AT, Grid
from urbancast.api.problems import shown
from urbancast.api.proof import licences
from urbancast.api.snapshot import Snapshot, View
from urbancast.api.stock_terms import MOST, Asking, Terms, check
from urbancast.core.errors import NotReadyError, QueryError
from urbancast.core.product import Lang
from urbancast.core.time import iso
from urbancast.geo.metric import distance_m

Floats = np.ndarray[Any, np.dtype[np.float64]]
QUANTILES = slice(1, None)
KNOWN_DAYS = 7  # whose ends tell where vehicles stand


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A resolved question: a ready view with its terms, at a moment; rows are the places that have a need."""

    view: View
    snapshot: Snapshot
    atlas: Atlas
    terms: Terms
    now: datetime
    rows: np.ndarray[Any, np.dtype[np.int64]]

    def grid(self, measure: str) -> Grid:
        """Grid of one of the plan's measures."""
        return self.snapshot.grids[measure]

    def values(self, measure: str) -> Floats:
        """Mean and quantiles of the first day by row; shape (rows, 8)."""
        return np.asarray(self.grid(measure).values[self.rows, self.snapshot.axis.first], dtype=np.float64)


def ask(view: View, asking: Asking, wall: datetime) -> Asked:
    """Question to a view; refuses bad terms, unknown places, and a product with no plan to give yet."""
    terms = check(view.product, asking)
    if view.snapshot is None or view.atlas is None:
        raise NotReadyError(
            f"{view.product.id} has no forecast yet (state: {view.progress.state}); try again in a moment"
        )
    need = view.snapshot.grids[terms.stock.need].values[:, view.snapshot.axis.first, 0]
    rows = np.flatnonzero(np.isfinite(need)).astype(np.int64)
    if not len(rows):
        raise NotReadyError(f"{view.product.id} has no joint paths for its newest origin yet; try again in a moment")
    now = view.moment(wall)
    return Asked(view=view, snapshot=view.snapshot, atlas=view.atlas, terms=terms, now=now, rows=rows)


def plan(asked: Asked) -> dict[str, Any]:
    """Stock plan: rows by place, total, transfers, what it would have cost."""
    terms, stock = asked.terms, asked.terms.stock
    need = asked.values(stock.need)
    table = allocation.knots(need[:, QUANTILES]) / terms.turns
    held = np.ceil(np.round(allocation.at_level(table, terms.level), 9)).astype(np.int64)
    given = None if terms.fleet is None else allocation.shared_out(table, terms.fleet)
    target = held if given is None else given
    short = np.array(
        [
            float(allocation.chance_above(row, np.array([float(n)]))[0])
            for row, n in zip(table, target.tolist(), strict=True)
        ]
    )
    standing, is_given = _standing(asked, int(target.sum()))
    peak = _fleet_peak(asked)
    first = asked.snapshot.axis.time(asked.snapshot.axis.first)
    zone = ZoneInfo(asked.view.product.tz)
    return {
        "product": asked.view.product.id,
        "first_day": first.astimezone(zone).date().isoformat(),
        "first_time": iso(first),
        "days": stock.days,
        "unit": asked.grid(stock.need).measure.unit,
        "parameters": _parameters(terms),
        "rows": _rows(asked, need, held, given, short),
        "total": {"stock": int(held.sum()), "peak": peak, "fleet": terms.fleet},
        "transfers": _transfers(asked, standing, target),
        "standing": {
            "is_given": is_given,
            "source": "given" if is_given else "ends of the last known days",
            "total": int(standing.sum()),
            "places": {asked.atlas.ids[row]: int(n) for row, n in zip(asked.rows, standing, strict=True) if n},
        },
        "backtest": _backtest(asked.view.costs, terms),
        "record": _record(asked),
        "caveats": stock_words.caveats(terms.turns, is_derived=not is_given, is_historical=asked.view.is_historical),
        "sentence": _sentence(asked, int(held.sum()), peak, float(short.max(initial=0.0))),
        **_provenance(asked),
    }


def _sentence(asked: Asked, stock: int, peak: Mapping[str, float] | None, worst: float) -> Mapping[Lang, str]:
    zone = ZoneInfo(asked.view.product.tz)
    words = stock_words.Planned(
        days=asked.terms.stock.days,
        day=asked.snapshot.axis.time(asked.snapshot.axis.first).astimezone(zone),
        now=asked.now.astimezone(zone),
        places=len(asked.rows),
        level=asked.terms.level,
        stock=stock,
        low=None if peak is None else peak["q10"],
        high=None if peak is None else peak["q90"],
        fleet=asked.terms.fleet,
        worst=worst,
        is_simulated=asked.view.is_simulated,
    )
    return stock_words.tell(words)


def _parameters(terms: Terms) -> dict[str, Any]:
    return {
        "service_level": terms.service_level,
        "shortage_cost": terms.shortage_cost,
        "idle_cost": terms.idle_cost,
        "level": round(terms.level, 4),
        "turns": terms.turns,
        "turns_is_default": terms.turns == terms.stock.turns,
        "fleet": terms.fleet,
    }


def _rows(asked: Asked, need: Floats, held: Any, given: Any, short: Floats) -> list[dict[str, Any]]:
    terms, stock = asked.terms, asked.terms.stock
    peak, outflow = asked.values(stock.peak), asked.values(stock.outflow)
    # One vehicle more saves a shortage where there is one, and idles where there is none.
    worth = terms.unit_cost * (short - (1 - terms.level)) if given is None or terms.service_level is None else short
    rows = []
    for i, row in enumerate(asked.rows.tolist()):
        rows.append(
            {
                "place": asked.atlas.ids[row],
                "name": asked.atlas.names[row],
                "starts": _spread(peak[i]),
                "net_outflow": _spread(outflow[i]),
                "need": _spread(need[i]),
                "stock": int(held[i]),
                "allocation": None if given is None else int(given[i]),
                "shortage_chance": round(float(short[i]), 4),
                "marginal_value": round(float(worth[i]), 4),
            }
        )
    return rows


def _spread(values: Floats) -> dict[str, float]:
    return {name: round(float(values[AT[name]]), 2) for name in ("mean", "q10", "q90")}


def _fleet_peak(asked: Asked) -> dict[str, float] | None:
    """Vehicles that all places together need, from joint paths; None where they were not drawn."""
    fleet = asked.snapshot.fleet
    if fleet is None:
        return None
    return {name: round(float(fleet[AT[name]]) / asked.terms.turns, 1) for name in ("mean", "q10", "q90")}


def _standing(asked: Asked, total: int) -> tuple[allocation.Counts, bool]:
    """Vehicles at each row now, and whether the asker said so; else where trips ended lately, scaled to the plan."""
    given = asked.terms.standing
    if given is None:
        starts, net = (asked.grid(name).observed[asked.rows] for name in (asked.terms.stock.starts,
                                                                         asked.terms.stock.net_outflow))  # fmt: skip
        ends = np.where(np.isfinite(starts) & np.isfinite(net), starts - net, np.nan)
        known = np.flatnonzero(np.isfinite(ends).any(axis=0))[-KNOWN_DAYS:]
        return allocation.in_proportion(np.nan_to_num(ends[:, known]).sum(axis=1), total), False
    return _as_counts(asked, given), True


def _as_counts(asked: Asked, given: Mapping[str, int]) -> allocation.Counts:
    at = {asked.atlas.ids[row]: i for i, row in enumerate(asked.rows.tolist())}
    named = {asked.atlas.names[row].casefold(): i for i, row in enumerate(asked.rows.tolist())}
    counts = np.zeros(len(asked.rows), dtype=np.int64)
    for place, count in given.items():
        found = at.get(place.strip(), named.get(place.strip().casefold()))
        if found is None:
            raise QueryError("unknown-place", expected="ids or names of places that have a need", found=shown(place),
                             action="GET /v1/products/{product}/places lists them", status=404)  # fmt: skip
        if not 0 <= count <= MOST:
            raise QueryError("malformed-standing", expected=f"whole numbers from 0 to {MOST:,}",
                             found=f"{count} at {shown(place)}", action="correct `standing`")  # fmt: skip
        counts[found] += count
    return counts


def _transfers(asked: Asked, standing: allocation.Counts, target: allocation.Counts) -> list[dict[str, Any]]:
    lon, lat = asked.atlas.lon[asked.rows], asked.atlas.lat[asked.rows]
    km = np.stack([distance_m(lon[i], lat[i], to_lon=lon, to_lat=lat) for i in range(len(lon))]) / 1000
    ids = [asked.atlas.ids[row] for row in asked.rows.tolist()]
    names = [asked.atlas.names[row] for row in asked.rows.tolist()]
    moves = [
        {
            "from": ids[a],
            "from_name": names[a],
            "to": ids[b],
            "to_name": names[b],
            "count": n,
            "distance_km": round(float(km[a, b]), 2),
        }
        for a, b, n in allocation.transfers(standing, target, km)
    ]
    return sorted(moves, key=lambda move: (-move["count"], move["distance_km"]))


def _backtest(costs: Costs | None, terms: Terms) -> dict[str, Any] | None:
    return None if costs is None else realised(costs, terms.level, scale=terms.unit_cost / terms.turns)


def _record(asked: Asked) -> dict[str, Any] | None:
    """How often the 80 % range of the need held, over all places, by the kind that has most to say."""
    own = asked.view.records.get(asked.terms.stock.need)
    for kind, sums in (own.kinds if own else {}).items():
        return {"kind": kind, "held": sums["coverage_80"], "plus_minus": sums["plus_minus"], "n": sums["n"]}
    return None


def _provenance(asked: Asked) -> dict[str, Any]:
    grid, snapshot = asked.grid(asked.terms.stock.need), asked.snapshot
    return {
        "origin": iso(snapshot.origin),
        "issued_at": iso(grid.issued_at or snapshot.issued_at),
        "release": grid.release,
        "candidate": grid.candidate,
        "data_to": iso(snapshot.data_to) if snapshot.data_to else None,
        "historical": asked.view.is_historical,
        "licences": licences(asked.view),
        "provenance": asked.view.provenance,
        "simulated": asked.view.is_simulated,
    }


COLUMNS = ("place", "name", "starts_mean", "starts_q10", "starts_q90", "net_outflow_mean", "net_outflow_q10",
           "net_outflow_q90", "need_mean", "need_q10", "need_q90", "stock", "allocation", "shortage_chance",
           "marginal_value")  # fmt: skip


def table(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a plan as flat columns, with day, terms and provenance in each."""
    terms = {name: found["parameters"][name] for name in ("level", "turns", "fleet")}
    tail = {"first_day": found["first_day"], "days": found["days"], **terms, "origin": found["origin"],
            **{name: found[name] for name in ("release", "provenance", "simulated")}}  # fmt: skip
    rows = []
    for row in found["rows"]:
        flat = {
            f"{name}_{part}": value for name in ("starts", "net_outflow", "need") for part, value in row[name].items()
        }
        rows.append({name: {**row, **flat}[name] for name in COLUMNS} | tail)
    return rows
