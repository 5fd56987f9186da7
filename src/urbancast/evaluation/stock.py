"""What holding a quantile of the need would have cost, beside holding what the same days of last week needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from urbancast.core.tables import QUANTILE_COLUMNS, QUANTILES
from urbancast.core.time import local_hour_of_week
from urbancast.evaluation.derived import CITY

Array = np.ndarray[Any, np.dtype[np.float64]]
LEVELS: tuple[float, ...] = tuple(round(0.05 * i, 2) for i in range(1, 20))
PREFIX = "stock:"  # release under which the sums of a service level stand in `scores`
_UNUSED = ("squared_error", "deviance", "crps", "baseline_squared_error", "baseline_deviance", "baseline_crps")


def release_of(level: float) -> str:
    """Name under which the costs of a service level are kept, such as ``stock:0.90``."""
    return f"{PREFIX}{level:.2f}"


def costs(plans: pl.DataFrame, *, kind: str, tz: str) -> pl.DataFrame:
    """Sums of `scores`, one row a level and local day of a window's start, all places together.

    ``plans``: a row a place and window with measure, origin, time, value (what was needed), last_week and q05…q95.
    ``pinball`` is the cost of stock at the level, ``level`` a unit short and ``1 − level`` a unit idle;
    ``baseline_pinball`` that of last week's stock; ``hits_80`` how often the stock sufficed; ``mean`` the stock.
    """
    rows = plans.filter(pl.col("place") != CITY).drop_nulls(["value", "last_week"])
    rows = rows.filter(pl.col("last_week").is_not_nan())
    if rows.is_empty():
        return pl.DataFrame()
    need, before = rows["value"].to_numpy(), rows["last_week"].to_numpy()
    quantiles = rows.select(QUANTILE_COLUMNS).to_numpy()
    parts = []
    for level in LEVELS:
        stock = at_level(quantiles, level)
        columns = {
            "mean": stock,
            "absolute_error": np.abs(need - stock),
            "pinball": pinball_at(need, stock, level),
            "hits_80": (need <= stock).astype(np.float64),
            "plain_hits_80": (need <= before).astype(np.float64),
            "width_80": np.maximum(need - stock, 0),
            "baseline_absolute_error": np.abs(need - before),
            "baseline_pinball": pinball_at(need, before, level),
            **dict.fromkeys(_UNUSED, np.zeros(len(need))),
        }
        named = rows.select("measure", "time", "value").with_columns(
            **{name: pl.Series(values) for name, values in columns.items()}, release=pl.lit(release_of(level))
        )
        parts.append(named)
    every = pl.concat(parts).with_columns(
        place=pl.lit(CITY),
        kind=pl.lit(kind),
        day=pl.col("time").dt.convert_time_zone(tz).dt.date(),
        how=local_hour_of_week("time", tz),
        reach_band=pl.lit("all"),
    )
    keys = ["place", "measure", "release", "kind", "day", "reach_band", "how"]
    sums = [pl.col(name).sum() for name in ("value", *columns)]
    return every.group_by(keys).agg(pl.len().cast(pl.Int64).alias("n"), *sums).sort(keys)


def at_level(quantiles: Array, level: float) -> Array:
    """Quantile at a level between the stored ones, linear; shape (rows,)."""
    right = int(np.clip(np.searchsorted(QUANTILES, level), 1, len(QUANTILES) - 1))
    left = right - 1
    share = (level - QUANTILES[left]) / (QUANTILES[right] - QUANTILES[left])
    return np.asarray(quantiles[:, left] * (1 - share) + quantiles[:, right] * share)


def pinball_at(value: Array, stock: Array, level: float) -> Array:
    """``level`` for each unit short, ``1 − level`` for each unit idle; shape (rows,)."""
    error = value - stock
    return np.asarray(np.maximum(level * error, (level - 1) * error))
