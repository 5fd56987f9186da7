"""What stock plans would have cost, by service level and day, as the flows scored them; looked up, never computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from urbancast.core.tables import SCORE_KINDS

PREFIX = "stock:"  # releases under which `scores` holds the costs of a service level
ENOUGH_WINDOWS = 21  # seven blocks of three days: fewer bound nothing
Table = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Costs:
    """Sums of all places by kind: ``levels`` × windows (one a day its first day): cost, that of last week's stock.

    ``served``: share of places whose stock sufficed. ``block``: windows that overlap.
    """

    levels: Table
    cost: Mapping[str, Table]
    last_week: Mapping[str, Table]
    served: Mapping[str, Table]
    block: int


def read(scores: pl.LazyFrame, *, block: int) -> Costs | None:
    """Costs among the score rows of one measure; None where there are none."""
    sums = ("pinball", "baseline_pinball", "hits_80", "n")
    rows = (
        scores.filter(pl.col("release").str.starts_with(PREFIX))
        .group_by(pl.col("kind").cast(pl.String), "release", "day")
        .agg(pl.col(sums).sum())
        .collect()
    )
    if rows.is_empty():
        return None
    rows = rows.with_columns(level=pl.col("release").str.strip_prefix(PREFIX).cast(pl.Float64))
    levels = rows["level"].unique().sort()
    tables: dict[str, dict[str, Table]] = {name: {} for name in sums}
    for (kind,), part in rows.group_by("kind", maintain_order=True):
        ordered = part.sort("day", "level")
        days = ordered["day"].n_unique()
        if ordered.height == days * len(levels):
            for name in sums:
                values = ordered[name].cast(pl.Float64).to_numpy().reshape(days, len(levels)).T
                tables[name][str(kind)] = values
    served = {kind: hits / tables["n"][kind] for kind, hits in tables["hits_80"].items()}
    return Costs(
        levels=levels.to_numpy(),
        cost=tables["pinball"],
        last_week=tables["baseline_pinball"],
        served=served,
        block=block,
    )


def realised(costs: Costs, level: float, *, scale: float) -> dict[str, Any] | None:
    """Mean cost a window at the nearest level scored, beside last week's stock, with a paired 95 % interval.

    Windows overlap from day to day, so the interval is of blocks of ``block`` days. None: too few windows of any kind.
    """
    at = int(np.argmin(np.abs(costs.levels - level)))
    for kind in SCORE_KINDS:
        if kind in costs.cost and costs.cost[kind].shape[1] >= ENOUGH_WINDOWS:
            own, before = costs.cost[kind][at] * scale, costs.last_week[kind][at] * scale
            low, high = paired(before - own, costs.block)
            return {
                "kind": kind,
                "windows": len(own),
                "level": float(costs.levels[at]),
                "cost": round(float(own.mean()), 2),
                "cost_last_week": round(float(before.mean()), 2),
                "saving": round(float((before - own).mean()), 2),
                "low": round(low, 2),
                "high": round(high, 2),
                "served": round(float(costs.served[kind][at].mean()), 4),
            }
    return None


def paired(difference: Table, block: int) -> tuple[float, float]:
    """95 % interval of the mean difference, from the means of whole blocks of consecutive windows (t, blocks − 1)."""
    count = len(difference) // block
    blocks = difference[len(difference) - count * block :].reshape(count, block).mean(axis=1)
    half = float(stdtrit(count - 1, 0.975) * blocks.std(ddof=1) / np.sqrt(count)) if count > 1 else float("inf")
    return float(difference.mean()) - half, float(difference.mean()) + half
