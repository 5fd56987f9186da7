"""Drift of inputs: covariates by day beside the weeks before, and the shape of a fortnight beside the season's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from urbancast.monitoring import drift
from urbancast.monitoring.drift import HISTORY, LEAST_HISTORY, Signal
from urbancast.monitoring.reference import Floats, effective, on_days

FORTNIGHT = 14


def daily(covariates: pl.DataFrame, *, tz: str) -> pl.DataFrame:
    """Mean and count of each variable by local day: variable, day, value, n; as issued, else as observed.

    ``covariates``: versions known at one moment; of each hour the newest counts.
    """
    newest = covariates.filter(pl.col("kind") != "oracle").sort("available_at", "issued_at")
    newest = newest.unique(["place", "variable", "time"], keep="last", maintain_order=True).drop_nulls("value")
    day = pl.col("time").dt.convert_time_zone(tz).dt.date()
    return newest.group_by("variable", day=day).agg(pl.col("value").mean(), n=pl.len()).sort("variable", "day")


def signals(means: pl.DataFrame, days: Sequence[date]) -> list[Signal]:
    """Level and distribution of each variable on the last of ``days``."""
    found = []
    for (variable,), part in means.group_by("variable", maintain_order=True):
        series = on_days(part, days, "value")
        found.append(distribution(f"{variable} distribution", series, days))
        if not _is_mostly_nothing(series):
            found.append(drift.of_series("", "input", f"{variable} level", series, days))
    return [one for one in found if one is not None]


def _is_mostly_nothing(series: Floats) -> bool:
    """Whether a third of the days have next to nothing (rain): what is usual then is no level to move away from."""
    known = np.abs(series[np.isfinite(series)])
    return not len(known) or float((known <= 0.05 * known.max()).mean()) > 1 / 3


def distribution(name: str, series: Floats, days: Sequence[date], *, measure: str = "") -> Signal | None:
    """Kolmogorov-Smirnov distance of the last fortnight from the weeks before, at as many days as are independent.

    A line through both takes the season out; the population stability index of the same days stands beside.
    """
    known = series[np.isfinite(series)]
    if not len(series) or not np.isfinite(series[-1]) or len(known) < LEAST_HISTORY + FORTNIGHT:
        return None
    past, now = known[:-FORTNIGHT][-HISTORY:], known[-FORTNIGHT:]
    slope = drift.season(past)
    past = past - slope * np.arange(len(past))
    now = now - slope * (len(past) + np.arange(len(now)))
    from scipy import stats

    distance = float(stats.ks_2samp(past, now).statistic)
    own = effective(past) / len(past)
    n, m = max(2.0, own * len(past)), max(2.0, own * len(now))
    reach = math.sqrt(n * m / (n + m)) * distance
    score = max(0.0, float(-np.log10(max(stats.kstwobign.sf(reach), 1e-300))))
    facts = {"ks": round(distance, 4), "psi": round(stability(past, now), 4), "days": round(m, 1)}
    return Signal(measure=measure, kind="input", signal=name, day=days[-1], score=score, n=int(m), facts=facts)


def stability(past: Floats, now: Floats, *, bins: int = 4) -> float:
    """Population stability index over bins of equal share of the past, half a day added to each."""
    edges = np.quantile(past, np.linspace(0, 1, bins + 1)[1:-1])
    p, q = (np.bincount(np.searchsorted(edges, each), minlength=bins) + 0.5 for each in (past, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())
