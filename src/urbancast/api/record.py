"""How the served forecasts have done: sums of the scores table, divided only here. Kinds are never pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from urbancast.api import calibrated
from urbancast.core.tables import SCORE_KINDS
from urbancast.monitoring import shares

ENOUGH = 30
SCORE_COLUMNS = {"mae": "absolute_error", "poisson_deviance": "deviance", "pinball": "pinball"}
_SUMS = (
    *("n", "value", "mean", "absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80"),
    *("hits_80", "plain_hits_80", "baseline_absolute_error", "baseline_squared_error", "baseline_deviance"),
    *("baseline_pinball", "baseline_crps"),
)
# "<24h", "24-48h", "168-336h", ">=336h": by the hours a band begins with, the open one below first.
_BAND_ORDER = pl.col("reach").str.extract(r"(\d+)").cast(pl.Int64) * 2 - pl.col("reach").str.starts_with("<").cast(
    pl.Int64
)
Table = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Share of values inside the 80 % range by local hour: ``n``, ``held``, ``plus_minus`` of shape (places, 24)."""

    n: Table
    held: Table
    plus_minus: Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """Record of one measure. ``by_place`` and ``by_city`` (one row) per kind; ``kinds``: the track-record payload.

    ``misses``: the worst of each kind, with what was known of them.
    """

    score: str
    baseline: str
    by_place: Mapping[str, Held]
    by_city: Mapping[str, Held]
    kinds: Mapping[str, Mapping[str, Any]]
    misses: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def skill(self) -> dict[str, Any] | None:
        """Skill over all places and hours of the best kind that has enough; None before that."""
        for kind in SCORE_KINDS:
            sums = self.kinds.get(kind)
            if sums is not None and sums["n"] >= ENOUGH and sums["skill"] is not None:
                head = {"score": self.score, "value": sums["skill"], "baseline": self.baseline}
                return {**head, "kind": kind, "n": sums["n"], "scope": "city"}
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """Rows of the tables ``calibration`` and ``misses`` of the same measure."""

    calibration: pl.LazyFrame
    misses: pl.LazyFrame


def build(
    scores: pl.LazyFrame,
    ranks: Mapping[str, int],
    places: Sequence[str],
    *,
    score: str,
    baseline: str,
    beside: Beside | None = None,
) -> Record:
    """Record of one measure's score rows. ``ranks``: release to rank; per kind and day the highest counts."""
    rows = scores.with_columns(hour=pl.col("how") % 24, kind=pl.col("kind").cast(pl.String))
    best = _best(rows, ranks)
    # Of each kind only the releases that count on some day are read on, and one table after another: a season of
    # scores in memory at once would be the largest thing a server ever holds.
    rows = rows.filter(pl.col("release").is_in(best["release"].unique().to_list()))
    keys = ("kind", "day", "release")
    hits, times, sites = (
        rows.group_by(*keys, *by).agg(pl.col(sums).sum()).collect(engine="streaming").join(best, on=keys, how="semi")
        for by, sums in ((("place", "hour"), ("n", "hits_80")), (("hour", "reach_band"), _SUMS), (("place",), _SUMS))
    )
    classes = calibrated.classes(beside.calibration, best, score=SCORE_COLUMNS[score]) if beside else {}
    by_place, by_city, kinds = {}, {}, {}
    for kind in SCORE_KINDS:
        is_kind = pl.col("kind") == kind
        own = hits.filter(is_kind)
        if own.is_empty():
            continue
        by_place[kind] = _held(own, places)
        by_city[kind] = _held(own.with_columns(place=pl.lit("")), [""])
        told = classes.get(kind, calibrated.NOTHING)
        kinds[kind] = {**_kind(times.filter(is_kind), sites.filter(is_kind), score, baseline), **told}
    worst = calibrated.worst(beside.misses, best) if beside else {}
    return Record(score=score, baseline=baseline, by_place=by_place, by_city=by_city, kinds=kinds, misses=worst)


def _best(rows: pl.LazyFrame, ranks: Mapping[str, int]) -> pl.DataFrame:
    """Kind, day and the release of highest rank among those scored then."""
    scored = rows.select("kind", "day", "release").unique().collect(engine="streaming")
    rank = pl.col("release").replace_strict(ranks, default=None, return_dtype=pl.Int64)
    known = scored.with_columns(rank=rank).drop_nulls("rank")
    return known.filter(pl.col("rank") == pl.col("rank").max().over("kind", "day")).drop("rank")


def _held(rows: pl.DataFrame, places: Sequence[str]) -> Held:
    """Return coverage by place and hour with its day-block 95 % half-width."""
    done = shares.shares(_days(rows, "place", "hour"), ["place", "hour"]).rename({"share": "held"})
    at = {place: position for position, place in enumerate(places)}
    done = done.filter(pl.col("place").is_in(list(at)))
    where = (done["place"].replace_strict(at, return_dtype=pl.Int64).to_numpy(), done["hour"].to_numpy())
    tables = [np.zeros((len(places), 24)), np.full((len(places), 24), np.nan), np.full((len(places), 24), np.nan)]
    for table, column in zip(tables, ("n", "held", "plus_minus"), strict=True):
        table[where] = done[column].cast(pl.Float64).to_numpy()
    return Held(n=tables[0], held=tables[1], plus_minus=tables[2])


def _days(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Sums by day as ``shares`` reads them."""
    return rows.group_by(*by, "day").agg(h=pl.col("hits_80").sum(), n=pl.col("n").sum().cast(pl.Float64))


def pick(held: Mapping[str, Held], row: int, hour: int) -> dict[str, Any] | None:
    """Coverage at a row and hour of the first kind (live, replay, backtest) with n ≥ 30; None when there is none."""
    for kind in SCORE_KINDS:
        found = held.get(kind)
        if found is not None and found.n[row, hour] >= ENOUGH:
            return _share(found, kind, row, hour)
    return None


def most(held: Mapping[str, Held], row: int, hour: int) -> int:
    """Greatest number of scored values of any one kind at a row and hour."""
    return int(max((table.n[row, hour] for table in held.values()), default=0))


def _share(found: Held, kind: str, row: int, hour: int) -> dict[str, Any]:
    half = found.plus_minus[row, hour]
    return {
        "kind": kind,
        "held": round(float(found.held[row, hour]), 4),
        "plus_minus": None if math.isnan(half) else round(float(half), 4),
        "n": int(found.n[row, hour]),
    }


def _kind(rows: pl.DataFrame, sites: pl.DataFrame, score: str, baseline: str) -> dict[str, Any]:
    total = _divided(rows.select(pl.col(_SUMS).sum()), score).to_dicts()[0]
    overall = shares.shares(_days(rows).with_columns(all=pl.lit(0)), ["all"]).to_dicts()[0]
    hours = _grouped(rows, score, "hour")
    bands = _grouped(rows, score, "reach_band").rename({"reach_band": "reach"}).sort(_BAND_ORDER)
    days = _grouped(rows, score, "day").with_columns(pl.col("day").cast(pl.String))
    known = pl.col("place") != ""  # sums of the whole city
    places = _grouped(sites, score, "place").filter(known, pl.col("n") >= ENOUGH, pl.col("skill").is_not_null())
    ranked = places.sort(["skill", "place"], descending=[True, False])
    return {
        **total,
        "plus_minus": None if overall["plus_minus"] is None else round(overall["plus_minus"], 4),
        "effective_n": None if overall["effective_n"] is None else round(overall["effective_n"], 1),
        "score": score,
        "baseline": baseline,
        "from": str(rows["day"].min()),
        "to": str(rows["day"].max()),
        "by_local_hour": hours.to_dicts(),
        "by_reach": bands.to_dicts(),
        "by_day": days.to_dicts(),
        "rolling": _rolling(rows, SCORE_COLUMNS[score]),
        "best_places": ranked.head(5).to_dicts(),
        "worst_places": ranked.tail(5).reverse().to_dicts() if len(ranked) > 5 else [],
    }


def _rolling(rows: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    """Coverage of the thirty days up to each, with the interval that its effective n allows, and skill."""
    own = pl.col(column, f"baseline_{column}")
    days = rows.group_by("day").agg(own.sum(), h=pl.col("hits_80").sum(), n=pl.col("n").sum().cast(pl.Float64))
    reference = pl.when(pl.col(f"baseline_{column}") > 0).then(pl.col(f"baseline_{column}"))
    told = shares.rolling(days).select(
        pl.col("day").cast(pl.String),
        pl.col("n").cast(pl.Int64),
        pl.col("effective_n").round(1),
        pl.col("share").round(4).alias("coverage"),
        pl.col("low", "high").round(4),
        (1 - pl.col(column) / reference).round(4).alias("skill"),
    )
    return told.to_dicts()


def _grouped(rows: pl.DataFrame, score: str, by: str) -> pl.DataFrame:
    sums = rows.group_by(by).agg(pl.col(_SUMS).sum()).sort(by)
    shown = ("n", "coverage", "mae", "skill", "crps", "pinball", "deviance", "width_80")
    return _divided(sums, score).rename({"coverage_80": "coverage"}).select(by, *shown)


def _divided(sums: pl.DataFrame, score: str) -> pl.DataFrame:
    """Return means, coverage and skill of rows of sums; null where the denominator is zero."""
    n = pl.when(pl.col("n") > 0).then(pl.col("n"))
    column = SCORE_COLUMNS[score]
    reference = pl.when(pl.col(f"baseline_{column}") > 0).then(pl.col(f"baseline_{column}"))
    squares = pl.when(pl.col("baseline_squared_error") > 0).then(pl.col("baseline_squared_error"))
    done = sums.with_columns(
        coverage_80=(pl.col("hits_80") / n).round(4),
        plain_coverage_80=(pl.col("plain_hits_80") / n).round(4),
        mae=(pl.col("absolute_error") / n).round(5),
        rmse=(pl.col("squared_error") / n).sqrt().round(5),
        bias=((pl.col("mean") - pl.col("value")) / n).round(5),
        wape=(pl.col("absolute_error") / pl.when(pl.col("value") > 0).then(pl.col("value"))).round(4),
        r_squared=(1 - pl.col("squared_error") / squares).round(4),
        deviance=(pl.col("deviance") / n).round(6),
        pinball=(pl.col("pinball") / n).round(6),
        crps=(pl.col("crps") / n).round(6),
        width_80=(pl.col("width_80") / n).round(4),
        skill=(1 - pl.col(column) / reference).round(4),
    )
    keep = [name for name in sums.columns if name not in _SUMS]
    measures = (
        "coverage_80",
        "plain_coverage_80",
        "mae",
        "rmse",
        "bias",
        "wape",
        "r_squared",
        "deviance",
        "pinball",
        "crps",
        "width_80",
    )
    return done.select(*keep, "n", *measures, "skill").with_columns(pl.col(pl.Float64).fill_nan(None))
