"""How a record's forecasts were calibrated: by lead, size and PIT, against each rule, and the worst misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

from urbancast.core.tables import SCORE_KINDS
from urbancast.core.time import iso
from urbancast.monitoring import shares

WORST = 20
PIT_BINS = 20
NOTHING: Mapping[str, Any] = {"by_lead": [], "by_decile": [], "pit": [], "rules": []}
_SET = ("kind", "day", "release")
_SUMS = ("n", "value", "mean", "absolute_error", "deviance", "pinball", "crps", "hits_80")
_BESIDE = ("absolute_error", "deviance", "pinball", "crps")


def classes(rows: pl.LazyFrame, best: pl.DataFrame, *, score: str) -> dict[str, dict[str, Any]]:
    """``by_lead``, ``by_decile``, ``pit`` and ``rules`` by kind of the releases that count (kind, day, release).

    ``score``: column of the losses whose skill is told.
    """
    names = [*_SUMS, *(f"baseline_{name}" for name in _BESIDE)]
    counted = _counted(rows, best).group_by("kind", "day", "dimension", "bin", "against").agg(pl.col(names).sum())
    days = counted.collect(engine="streaming").with_columns(pl.col("dimension").cast(pl.String))
    found = {}
    for kind in SCORE_KINDS:
        own = days.filter(pl.col("kind") == kind)
        if own.height:
            parts = {name: own.filter(pl.col("dimension") == name) for name in ("lead", "decile", "pit", "rule")}
            found[kind] = {
                "by_lead": _leads(parts["lead"], score),
                "by_decile": _deciles(parts["decile"]),
                "pit": _pit(parts["pit"]),
                "rules": _rules(parts["rule"], score),
            }
    return found


def worst(rows: pl.LazyFrame, best: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The worst twenty misses by kind, by CRPS, of the releases that count."""
    found = {}
    for kind in SCORE_KINDS:
        own = _counted(rows, best).filter(pl.col("kind") == kind)
        top = own.top_k(WORST, by="crps").collect(engine="streaming").sort("crps", "place", descending=[True, False])
        if top.height:
            found[kind] = [_miss(row) for row in top.iter_rows(named=True)]
    return found


def _counted(rows: pl.LazyFrame, best: pl.DataFrame) -> pl.LazyFrame:
    named = rows.with_columns(pl.col("kind").cast(pl.String))
    named = named.filter(pl.col("release").is_in(best["release"].unique().to_list()))
    return named.join(best.lazy().select(_SET), on=_SET, how="semi")


def _leads(days: pl.DataFrame, score: str) -> list[dict[str, Any]]:
    sums = days.group_by("bin").agg(pl.exclude("kind", "day", "dimension", "against").sum())
    held = days.select("bin", "day", "n", h="hits_80")
    told = sums.join(shares.shares(held, ["bin"]).select("bin", "share", "plus_minus"), on="bin").sort("bin")
    n = pl.col("n")
    return told.select(
        pl.col("bin").alias("lead_h"),
        n,
        pl.col("share").round(4).alias("coverage"),
        pl.col("plus_minus").round(4),
        (pl.col("absolute_error") / n).round(5).alias("mae"),
        (pl.col("crps") / n).round(6).alias("crps"),
        _skill(score),
    ).to_dicts()


def _deciles(days: pl.DataFrame) -> list[dict[str, Any]]:
    n, forecast = pl.col("n"), pl.col("mean")
    sums = days.group_by("bin").agg(pl.col("n", "mean", "value", "hits_80").sum()).sort("bin")
    return sums.select(
        pl.col("bin").alias("decile"),
        n,
        (forecast / n).round(5).alias("forecast"),
        (pl.col("value") / n).round(5).alias("observed"),
        pl.when(forecast > 0).then(pl.col("value") / forecast).round(4).alias("ratio"),
        (pl.col("hits_80") / n).round(4).alias("coverage"),
    ).to_dicts()


def _pit(days: pl.DataFrame) -> list[dict[str, Any]]:
    """Share of values by twentieth of the PIT, empty ones too: even where the forecasts are calibrated."""
    if days.is_empty():
        return []
    counts = dict(days.group_by("bin").agg(pl.col("n").sum()).iter_rows())
    total = sum(counts.values())
    return [
        {"from": at / PIT_BINS, "to": (at + 1) / PIT_BINS, "share": round(counts.get(at, 0) / total, 5)}
        for at in range(PIT_BINS)
    ]


def _rules(days: pl.DataFrame, score: str) -> list[dict[str, Any]]:
    sums = days.group_by("against").agg(pl.col("n", score, f"baseline_{score}").sum()).sort("against")
    return sums.select(pl.col("against").alias("rule"), "n", _skill(score)).to_dicts()


def _skill(score: str) -> pl.Expr:
    reference = pl.when(pl.col(f"baseline_{score}") > 0).then(pl.col(f"baseline_{score}"))
    return (1 - pl.col(score) / reference).round(4).alias("skill")


def _miss(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("place", "value")}
    figures = {"mean": "mean", "low": "q10", "high": "q90", "baseline_mean": "baseline_mean", "crps": "crps"}
    rounded = {name: None if row[column] is None else round(row[column], 4) for name, column in figures.items()}
    times = {"time": iso(row["time"]), "origin": iso(row["origin"])}
    return {**told, **times, **rounded, "release": row["release"], "known": orjson.loads(row["known"] or "{}")}
