"""What a pair of zones says of a trip: how far, between what, and how long such trips took, shrunk where few are known.

The logarithm of a value is taken apart, as known at the origin: the curve of distance, the zones' effects, the
pair's own mean, the hour of week by length of trip, the parts of the week at each end and of the pair itself.
Each step is shrunk towards the one before. A band has the weighted means of the pairs it speaks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from urbancast.features.draws import HOURS, Draws, Floats, Ints, Known, usual

CURVE_KM = np.geomspace(0.3, 60.0, 28)
CLASS_KM = (2.0, 4.0, 8.0)  # lengths of trips that keep their own hours
K_CURVE, K_ZONE, K_PAIR, K_HOUR, K_PART, K_PAIR_PART, K_SPREAD, K_LEVEL = 50, 20, 6, 60, 30, 12, 15, 50
K_RULE, K_RULE_HOUR = 10, 20
LEVEL_DAYS = (1, 7, 28)
USUAL_SPREAD = 0.35
_PARTS = np.array([0] * 6 + [1] * 4 + [2] * 5 + [3] * 4 + [4] * 5)  # night, morning, midday, afternoon, evening
PART = np.concatenate([np.tile(_PARTS, 5), np.tile(5 + np.minimum(_PARTS // 2, 2), 2)])
PARTS = int(PART.max()) + 1
STATIC = ("distance_km", "log_distance", "bearing_sin", "bearing_cos", "is_hub", "is_band", "is_known")
ENDS = ("from_lat", "from_lon", "to_lat", "to_lon")
LEARNT = ("prior", "log_mean", "from", "to", "spread", "count", "back", "back_count")
HOURLY = ("expected", "hour", "from_part", "to_part", "part", "part_count")
LEVELS = tuple(f"level_{days}d" for days in LEVEL_DAYS)
RULES = ("rule_pair_mean", "rule_pair_hour")


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds; ``pair_prior``, ``pair_log_mean`` and ``pair_expected`` are logarithms of values."""
    return [f"pair_{name}" for name in (*STATIC, *ENDS, *LEARNT, *HOURLY, *LEVELS)] + list(RULES)


def of_draws(known: Known, code: Ints, how: Ints, _params: Mapping[str, Any]) -> dict[str, Floats]:
    """Columns for targets: number of the pair (or number of pairs + number of the band) and local hour of week."""
    tables = _tables(known)
    out = {f"pair_{name}": values[code] for name, values in tables.flat.items()}
    part = PART[how]
    expected = tables.flat["log_mean"][code] + tables.hour[tables.length[code], how]
    for name in ("from_part", "to_part", "part", "part_count"):
        out[f"pair_{name}"] = tables.by_part[name][code, part]
    expected = expected + sum(out[f"pair_{name}"] for name in ("from_part", "to_part", "part"))
    out["pair_hour"] = tables.hour[tables.length[code], how]
    out["pair_expected"] = expected
    out |= {f"pair_{name}": np.full(len(code), tables.levels[name]) for name in LEVELS}
    out["rule_pair_mean"] = tables.rule[code]
    out["rule_pair_hour"] = tables.rule[code] * tables.rule_hour[how]
    return out


@dataclass(frozen=True)
class _Tables:
    """By place (pairs, then bands): ``flat``, ``length`` (class), ``rule``; by place and part; by class and hour."""

    flat: dict[str, Floats]
    length: Ints
    by_part: dict[str, Floats]
    hour: Floats
    levels: dict[str, float]
    rule: Floats
    rule_hour: Floats


def _tables(known: Known) -> _Tables:
    if "pair" not in known.memo:
        known.memo["pair"] = _learnt(known)
    return known.memo["pair"]  # type: ignore[no-any-return]


def _learnt(known: Known) -> _Tables:
    history, sums = known.history, known.sums
    n, s = sums.n.sum(1), sums.s.sum(1)
    effects = _effects(history, n, s)
    mean = effects["prior"] + (s - n * effects["prior"]) / (n + K_PAIR)
    spread = _spread(sums.q, n, s, mean)
    length = np.searchsorted(CLASS_KM, np.nan_to_num(history.distance_km, nan=-1.0))
    length = np.where(np.isfinite(history.distance_km), length, len(CLASS_KM) + 1)
    left = sums.s - sums.n * mean[:, None]
    hour = _hours(left, sums.n, length)
    by_part = _parts(history, left - sums.n * hour[length], sums.n)
    members = _Members.of(known, n)
    own, back = mean - effects["prior"], history.back
    has_back = back >= 0
    flat = _flat(history, members, effects, mean) | {
        "back": members.extended(np.where(has_back, own[back], 0.0), otherwise=0.0),
        "back_count": np.log1p(members.extended(np.where(has_back, n[back], 0.0), otherwise=0.0)),
        "spread": np.sqrt(members.extended(spread**2)),
        "count": np.log1p(np.concatenate([n, members.n])),
    }
    rule = _rule(known, members, n)
    expected = np.zeros(HOURS) if not len(n) else rule[: len(n)] @ sums.n
    busy = K_RULE_HOUR * (sums.total.sum() / max(n.sum(), 1.0))
    return _Tables(
        flat=flat,
        length=np.concatenate([length, members.length(flat["distance_km"][len(n) :])]),
        by_part={name: _padded(values, len(history.bands)) for name, values in by_part.items()},
        hour=hour,
        levels=_levels(known, mean, length, hour),
        rule=rule,
        rule_hour=np.asarray((sums.by_hour + busy) / (expected + busy)) if busy else np.ones(HOURS),
    )


def _effects(history: Draws, n: Floats, s: Floats) -> dict[str, Floats]:
    """Distance curve and zone effects by pair; two passes of backfitting."""
    start, end = (history.facts[name].to_numpy() for name in ("from_code", "to_code"))
    zones = int(max(start.max(initial=-1), end.max(initial=-1))) + 1
    is_known = np.isfinite(history.distance_km)
    where = np.where(is_known, np.searchsorted(CURVE_KM, np.nan_to_num(history.distance_km)), len(CURVE_KM) + 1)
    shared = s.sum() / (n.sum() + K_CURVE)
    from_zone = to_zone = np.zeros(len(n))
    curve = np.zeros(len(n))
    for _ in range(2):
        left = s - n * (from_zone + to_zone)
        curve = _shrunk(left, n, where, k=K_CURVE, towards=shared, size=len(CURVE_KM) + 2)[where]
        from_zone = _zone(s - n * (curve + to_zone), n, start, zones, is_known)
        to_zone = _zone(s - n * (curve + from_zone), n, end, zones, is_known)
    return {"prior": curve + from_zone + to_zone, "from": from_zone, "to": to_zone}


def _zone(left: Floats, n: Floats, zone: Ints, zones: int, is_known: Any) -> Floats:
    effect = _shrunk(left[is_known], n[is_known], zone[is_known], k=K_ZONE, towards=0.0, size=max(zones, 1))
    return np.where(is_known, effect[np.maximum(zone, 0)], 0.0)


def _shrunk(left: Floats, n: Floats, group: Ints, *, k: float, towards: float, size: int) -> Floats:
    """Mean by group, shrunk."""
    total = np.bincount(group, weights=left, minlength=size)
    count = np.bincount(group, weights=n, minlength=size)
    return np.asarray((total + k * towards) / (count + k))


def _spread(q: Floats, n: Floats, s: Floats, mean: Floats) -> Floats:
    squares = np.maximum(q - 2 * mean * s + n * mean**2, 0)
    typical = (squares.sum() + K_SPREAD * USUAL_SPREAD**2) / (n.sum() + K_SPREAD)
    return np.asarray(np.sqrt((squares + K_SPREAD * typical) / (n + K_SPREAD)))


def _hours(left: Floats, n: Floats, length: Ints) -> Floats:
    """Effect of the hour of week by class of length; shape (classes, 168)."""
    everywhere = _around(left.sum(0)) / (_around(n.sum(0)) + K_HOUR)
    out = np.tile(everywhere, (len(CLASS_KM) + 2, 1))
    for i in range(len(out)):
        here = length == i
        own, count = _around(left[here].sum(0)), _around(n[here].sum(0))
        out[i] = (own + K_HOUR * everywhere) / (count + K_HOUR)
    return out


def _around(by_hour: Floats) -> Floats:
    """Each hour with half of its neighbours."""
    return np.asarray(by_hour + 0.5 * (np.roll(by_hour, 1) + np.roll(by_hour, -1)))


def _parts(history: Draws, left: Floats, n: Floats) -> dict[str, Floats]:
    """What is left by part of the week: of the zones at both ends, then of the pair; shape (pairs, parts)."""
    is_part = np.zeros((HOURS, PARTS))
    is_part[np.arange(HOURS), PART] = 1.0
    rest, count = left @ is_part, n @ is_part
    out: dict[str, Floats] = {}
    for name in ("from", "to"):
        zone = history.facts[f"{name}_code"].to_numpy()
        size = int(zone.max(initial=-1)) + 2
        sums, counts = np.zeros((size, PARTS)), np.zeros((size, PARTS))
        np.add.at(sums, zone + 1, rest)
        np.add.at(counts, zone + 1, count)
        effect = (sums / (counts + K_PART))[zone + 1]
        rest = rest - count * effect
        out[f"{name}_part"] = effect
    return out | {"part": rest / (count + K_PAIR_PART), "part_count": np.log1p(count)}


@dataclass(frozen=True)
class _Members:
    """The pairs a band speaks for, by weight: those of its class and distance that are no places themselves."""

    band: Ints
    weight: Floats
    n: Floats

    @classmethod
    def of(cls, known: Known, n: Floats) -> _Members:
        size = len(known.history.bands)
        weight, band = np.where(known.is_place, 0.0, n), known.history.band
        return cls(band, weight, np.asarray(np.bincount(band, weights=weight, minlength=size), dtype=np.float64))

    def mean(self, values: Floats) -> Floats:
        """Weighted mean by band; NaN where it speaks for no known draw."""
        is_given = np.isfinite(values)
        weight = self.weight * is_given
        total = np.bincount(self.band, weights=weight * np.where(is_given, values, 0), minlength=len(self.n))
        count = np.bincount(self.band, weights=weight, minlength=len(self.n))
        return np.where(count > 0, total / np.maximum(count, 1e-9), np.nan)

    def extended(self, values: Floats, *, otherwise: float = USUAL_SPREAD**2) -> Floats:
        """Values by pair, then their means by band."""
        means = self.mean(values)
        return np.concatenate([values, np.where(np.isfinite(means), means, otherwise)])

    @staticmethod
    def length(distance_km: Floats) -> Ints:
        """Class of length of bands."""
        length = np.searchsorted(CLASS_KM, np.nan_to_num(distance_km, nan=-1.0))
        return np.where(np.isfinite(distance_km), length, len(CLASS_KM) + 1)


def _flat(history: Draws, members: _Members, effects: dict[str, Floats], mean: Floats) -> dict[str, Floats]:
    facts, bands = history.facts, len(history.bands)
    distance = np.concatenate([history.distance_km, _band_km(history, members)])
    bearing = np.concatenate([_column(facts["bearing"]), np.full(bands, np.nan)])
    is_hub = np.concatenate([facts["is_hub"].to_numpy(), [name.startswith("band:hub") for name in history.bands]])
    base = usual(distance)
    known_curve = _band_means(history, members, effects["prior"])
    own = _band_means(history, members, mean)
    out = {
        "distance_km": distance,
        "log_distance": np.log(distance),
        "bearing_sin": np.sin(bearing),
        "bearing_cos": np.cos(bearing),
        "is_hub": is_hub.astype(np.float64),
        "is_band": np.repeat([0.0, 1.0], [len(mean), bands]),
        "is_known": np.isfinite(distance).astype(np.float64),
        "prior": base + np.concatenate([effects["prior"], known_curve]),
        "log_mean": base + np.concatenate([mean, own]),
        "from": members.extended(effects["from"], otherwise=0.0),
        "to": members.extended(effects["to"], otherwise=0.0),
    }
    return out | {name: np.concatenate([_column(facts[name]), np.full(bands, np.nan)]) for name in ENDS}


def _band_km(history: Draws, members: _Members) -> Floats:
    """Geometric mean distance of the trips a band speaks for; without any, inside its limits; NaN: not known."""
    found = np.exp(members.mean(np.log(history.distance_km)))
    spans = [name.rpartition(":")[2].partition("-") for name in history.bands]
    inside = [np.sqrt(max(float(low), 0.3) * (float(high) if high else 1.5 * float(low))) for low, _, high in spans]
    is_known = np.array([not name.startswith("band:unknown") for name in history.bands])
    return np.where(is_known, np.where(np.isfinite(found), found, inside), np.nan)


def _band_means(history: Draws, members: _Members, values: Floats) -> Floats:
    """Mean by band of what is left over the usual, at the band's distance; a band without draws has that of its trips.

    The usual is no straight line: what a band's mean distance says differs from the mean of what its pairs say.
    """
    base = usual(_band_km(history, members))
    means = members.mean(values + history.usual) - base
    overall = float(np.average(values, weights=members.weight)) if members.weight.sum() else 0.0
    return np.where(np.isfinite(means), means, overall)


def _rule(known: Known, members: _Members, n: Floats) -> Floats:
    """Mean of the pair shrunk to its band's; of a band, of the pairs it speaks for shrunk to all of its distance."""
    total, band, size = known.sums.total, known.history.band, len(known.history.bands)
    everything = total.sum() / n.sum() if n.sum() > 0 else np.nan
    all_n = np.bincount(band, weights=n, minlength=size)
    of_band = (np.bincount(band, weights=total, minlength=size) + K_RULE * everything) / (all_n + K_RULE)
    rare = np.bincount(band, weights=np.where(known.is_place, 0.0, total), minlength=size)
    pairs = (total + K_RULE * of_band[band]) / (n + K_RULE)
    return np.concatenate([pairs, (rare + K_RULE * of_band) / (members.n + K_RULE)])


def _levels(known: Known, mean: Floats, length: Ints, hour: Floats) -> dict[str, float]:
    """How far the draws of the last days known lie from what is expected of them, shrunk; 0: as usual."""
    rows, out = known.history.versions, {}
    for days in LEVEL_DAYS:
        part = known.recent(days)
        code, how = rows.code[part], rows.how[part]
        left = rows.left[part] - mean[code] - hour[length[code], how]
        out[f"level_{days}d"] = float(left.sum() / (len(part) + K_LEVEL))
    return out


def _padded(values: Floats, bands: int) -> Floats:
    return np.concatenate([values, np.zeros((bands, values.shape[1]))])


def _column(series: Any) -> Floats:
    return np.asarray(series.cast(float).fill_null(float("nan")).to_numpy())
