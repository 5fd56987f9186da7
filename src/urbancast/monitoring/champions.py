"""What serves of a product: each measure's champion, how it does, and what it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.core.product import Product
from urbancast.core.time import iso
from urbancast.lake import serving, verdicts
from urbancast.lake.kept import Look
from urbancast.monitoring import lineage

WINDOW_DAYS = 30
LOSS = {"mae": "absolute_error", "poisson_deviance": "deviance", "pinball": "pinball"}
_TICK = timedelta(microseconds=1)
_VERDICT = ("measure", "action", "challenger", "champion", "wins", "skill", "low", "high", "reason", "kind")


def row(look: Look, product: str) -> dict[str, Any] | None:
    """The row of `serving` in force, or None."""
    return look.get("serving", ("serving",), lambda: serving.current(look.lake)).get(product)


def serving_of(look: Look, product: Product, *, now: datetime) -> dict[str, Any] | None:
    """Origin, ages and champions of a product; None before anything is served."""
    served = row(look, product.id)
    if served is None:
        return None
    own = {measure.id: served["releases"].get(measure.id) for measure in product.modelled}
    return {
        "origin": _iso(served["origin"]),
        "issued_at": _iso(_issued(look, product.id, served)),
        "moved_at": iso(served["moved_at"]),
        "data_to": _iso(served["data_to"]),
        "provenance": served["provenance"],
        "measures": [_champion(look, product.id, name, now) for name in own.values() if name],
    }


def decided(look: Look, product: str) -> pl.DataFrame:
    """All verdicts of a product, oldest first."""
    return look.get(f"verdicts:{product}", ("verdicts",), lambda: verdicts.read(look.lake, product))


def decisions(look: Look, product: str, *, limit: int = 20) -> list[dict[str, Any]]:
    """The newest verdicts with reasons and numbers, newest first."""
    rows = decided(look, product).reverse().head(limit)
    return [
        {**{name: each[name] for name in _VERDICT}, "numbers": json.loads(each["numbers"]), "run": each["run"],
         "decided_at": iso(each["decided_at"])}
        for each in rows.iter_rows(named=True)
    ]  # fmt: skip


def choices(look: Look, product: str, *, limit: int = 30) -> list[dict[str, Any]]:
    """Releases one may promote or go back to, newest first."""
    rows = lineage.known(look, product).filter(pl.col("number") >= 0).sort("created_at", "number").reverse().head(limit)
    names = ("release", "measure", "number", "candidate")
    return [
        {**{name: each[name] for name in names}, "trained_until": iso(each["trained_until"]),
         "created_at": iso(each["created_at"])}
        for each in rows.iter_rows(named=True)
    ]  # fmt: skip


def _champion(look: Look, product: str, name: str, now: datetime) -> dict[str, Any]:
    release = lineage.find(look, product, name)
    if release is None:  # named by `serving`, its row lost: said, not hidden
        return {"release": name, "measure": None, "number": None, "lineage": None}
    verdict = _promotion(look, product, release)
    return {
        "measure": release["measure"],
        "release": name,
        "candidate": release["candidate"],
        "number": release["number"],
        "trained_until": iso(release["trained_until"]),
        "promoted_at": iso(verdict["decided_at"]) if verdict else None,
        "on_probation_until": _probation(verdict, now),
        **look.get(f"scored:{name}", ("scores",), lambda: _scored(look, product, release)),
        "lineage": look.get(f"lineage:{name}", ("releases", "raw"), lambda: lineage.of(look, release)),
    }


def _promotion(look: Look, product: str, release: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest live decision that made a release serve."""
    rows = decided(look, product).filter(
        (pl.col("challenger") == release["release"])
        & pl.col("action").cast(pl.String).is_in(["promoted", "rolled_back"])
        & (pl.col("kind").cast(pl.String) == "live")
    )
    return rows.row(-1, named=True) if rows.height else None


def _probation(verdict: Mapping[str, Any] | None, now: datetime) -> str | None:
    """Until when a new champion is watched, as its verdict says; None where that is over."""
    until = json.loads(verdict["numbers"]).get("probation_until") if verdict else None
    if not until:
        return None
    instant = datetime.fromisoformat(str(until))
    return iso(instant) if instant > now else None


def _scored(look: Look, product: str, release: Mapping[str, Any]) -> dict[str, Any]:
    """Skill and held share of the newest days scored, live ones where there are any."""
    column = LOSS.get(str(lineage.facts(release).get("primary")), "absolute_error")
    sums = ("n", column, f"baseline_{column}", "hits_80")
    rows = look.lake.scan("scores", product=product).filter(
        (pl.col("release") == release["release"]) & (pl.col("kind").cast(pl.String) != "backtest")
    )
    days = rows.group_by(pl.col("kind").cast(pl.String), "day").agg(pl.col(sums).sum()).collect()
    for kind in ("live", "replay"):
        own = days.filter(pl.col("kind") == kind).sort("day").tail(WINDOW_DAYS)
        if own["n"].sum():
            total = own.select(pl.col(sums).sum()).row(0, named=True)
            beside = total[f"baseline_{column}"]
            skill = 1 - total[column] / beside if beside and release["number"] > 0 else None
            held = total["hits_80"] / total["n"]
            return {"skill": skill, "coverage_80": held, "scored": kind, "n": total["n"], "days": own.height}
    return {"skill": None, "coverage_80": None, "scored": None, "n": 0, "days": 0}


def _issued(look: Look, product: str, served: Mapping[str, Any]) -> datetime | None:
    origin: datetime | None = served["origin"]
    if origin is None:
        return None

    def build() -> datetime | None:
        rows = look.lake.scan("forecasts", product=product, since=origin, until=origin + _TICK)
        own = rows.filter(pl.col("release").is_in(list(served["releases"].values())))
        newest: datetime | None = own.select(pl.col("issued_at").max()).collect().item()
        return newest

    return look.get(f"issued:{product}", ("serving",), build)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)
