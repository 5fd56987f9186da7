"""From paid spaces, which are verified, to occupied and free ones, which are an estimate: three things, never mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from scipy.special import betaln

from urbancast.api import occupancy_words as words
from urbancast.api.streets import Streets
from urbancast.core.errors import QueryError
from urbancast.core.product import Occupancy
from urbancast.core.tables import QUANTILES

Floats = np.ndarray[Any, np.dtype[np.float64]]
FEW, SOME = 0.20, 0.40  # free shares
Z_80 = 1.2816  # half-width of an 80 % range in standard deviations, normal
LEAST = 0.01  # no chance is told as nearer to 0 or 1 than this
PRIOR_POINTS = ((-1.2247, 1 / 6), (0.0, 2 / 3), (1.2247, 1 / 6))  # standard deviations, weights: exact to degree 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Paid:
    """Forecast of one part at one place and hour: mean, ordered quantiles, and its spaces."""

    measure: str
    mean: float
    quantiles: Floats
    capacity: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What is asked: total and parts, the local time, where, and the asker's own prior by measure."""

    total: Paid
    parts: tuple[Paid, ...]
    at_local: datetime
    busier_than: float
    streets: Streets | None
    row: int
    point: tuple[float, float] | None  # lat, lon
    prior: Mapping[str, float]


def tell(promise: Occupancy, asked: Asked, valid_from: str | None) -> dict[str, Any]:
    """The ``occupancy`` of an answer: paid, occupied with its prior, chances of a free space, in words."""
    prior = _prior(promise, asked)
    parts = [
        {
            "measure": part.measure,
            "label": named.label,
            "capacity": round(part.capacity),
            "paid": round(part.mean, 1),
            "prior": round(prior[part.measure], 3),
            "occupied": round(_taken(part.mean, prior[part.measure], part.capacity), 1),
        }
        for named in promise.parts
        for part in asked.parts
        if part.measure == named.measure
    ]
    capacity = asked.total.capacity
    spread = promise.prior_error * sum(part.capacity for part in asked.parts)
    low_high = asked.total.quantiles[[1, 5]]
    occupied = sum(_taken(part.mean, prior[part.measure], part.capacity) for part in asked.parts)
    low = occupied - float(np.hypot(asked.total.mean - low_high[0], Z_80 * spread))
    high = occupied + float(np.hypot(low_high[1] - asked.total.mean, Z_80 * spread))
    free = 1 - occupied / capacity
    said: dict[str, Any] = {
        "capacity": round(capacity),
        "valid_from": valid_from,
        "paid": _range(asked.total.mean, float(low_high[0]), float(low_high[1]), capacity),
        "occupied": _range(occupied, max(low, 0.0), min(high, capacity), capacity),
        "parts": parts,
        "free_share_class": "few" if free <= FEW else "some" if free <= SOME else "many",
        "busier_than": round(asked.busier_than, 2),
        "is_prior_dominant": occupied > 2 * asked.total.mean,
        "where": "typical" if asked.point is None else "point",
        "chances": _chances(promise, asked, prior),
        "is_verified": False,
        "source": promise.source,
    }
    return {**said, "sentence": words.sentence(said)}


def chance_of_one(shares: Floats, weights: Floats, spaces: float, correlation: float) -> float:
    """Chance that at least one of ``spaces`` is free, occupied ``shares`` having ``weights``; beta-binomial.

    Neighbouring spaces fill together: with intra-class correlation r, P(none free) = B(f, t + n) / B(f, t),
    f = (1 − share)(1/r − 1), t = share (1/r − 1) (Skellam 1948). r → 0 would be independent spaces.
    """
    if spaces < 1:
        return 0.0
    scale = 1 / correlation - 1
    share = np.clip(shares, 1e-6, 1 - 1e-6)
    free, taken = (1 - share) * scale, share * scale
    none = np.exp(betaln(free, taken + spaces) - betaln(free, taken))
    return float(1 - (weights * none).sum() / weights.sum())


def _prior(promise: Occupancy, asked: Asked) -> dict[str, float]:
    """Share of each part's spaces taken by cars that pay nothing: the asker's, else the product's at this hour."""
    known = {part.measure for part in promise.parts}
    for measure, share in asked.prior.items():
        if measure not in known or not 0 <= share <= 1:
            raise QueryError(
                "malformed-prior",
                expected=f"a share from 0 to 1 for {', '.join(sorted(known))}",
                found=f"{measure[:40]!r}: {share}",
                action="correct it, or leave it out for the product's own",
            )
    return {part.measure: asked.prior.get(part.measure, part.prior[asked.at_local.hour]) for part in promise.parts}


def _taken(paid: float, prior: float, capacity: float) -> float:
    return min(paid + prior * capacity, capacity)


def _chances(promise: Occupancy, asked: Asked, prior: Mapping[str, float]) -> list[dict[str, Any]]:
    """Chance within each radius, over the forecast's quantiles and the prior's error."""
    if asked.streets is None:
        return []
    found = []
    for radius_m in promise.radii_m:
        near = (
            asked.streets.typical(asked.row, radius_m)
            if asked.point is None
            else asked.streets.within(*asked.point, radius_m)
        )
        spaces = sum(near.values())
        shares, weights = _shares(promise, asked, prior, near)
        chance = chance_of_one(shares, weights, round(spaces), promise.correlation)
        if round(spaces):  # an estimate is never certain; that there is no space at all is
            chance = min(max(chance, LEAST), 1 - LEAST)
        found.append({"radius_m": radius_m, "spaces": round(spaces), "chance": round(chance, 3)})
    return found


def _shares(
    promise: Occupancy, asked: Asked, prior: Mapping[str, float], near: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """Occupied share of the spaces near, at each quantile level and point of the prior's error, with weights."""
    total = sum(near.values()) or 1.0
    shares, weights = [], []
    for level, weight in zip(range(len(QUANTILES)), _level_weights(), strict=True):
        for error, share_of in PRIOR_POINTS:
            shift = error * promise.prior_error
            taken = sum(near.get(part.measure, 0.0) * _share(part, level, prior, shift) for part in asked.parts)
            shares.append(taken / total)
            weights.append(weight * share_of)
    return np.array(shares), np.array(weights)


def _share(part: Paid, level: int, prior: Mapping[str, float], shift: float) -> float:
    """Occupied share of a part: what is paid at a quantile level and the prior, moved by ``shift``."""
    unpaid = min(1.0, max(0.0, prior[part.measure] + shift))
    return min(1.0, float(part.quantiles[level]) / max(part.capacity, 1.0) + unpaid)


def _level_weights() -> Floats:
    """Probability mass nearest to each quantile level."""
    edges = np.concatenate([[0.0], (np.asarray(QUANTILES)[1:] + np.asarray(QUANTILES)[:-1]) / 2, [1.0]])
    return np.diff(edges)


def _range(mean: float, low: float, high: float, capacity: float) -> dict[str, float]:
    return {"mean": round(mean, 1), "low": round(low, 1), "high": round(high, 1), "share": round(mean / capacity, 4)}
