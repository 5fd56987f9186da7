"""Two releases on the same rows issued at the same moment: sums of their losses by local day and hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import local_day, local_midnight
from urbancast.evaluation import backtest, metrics
from urbancast.evaluation.compare import COLUMN
from urbancast.features.panel import Panel
from urbancast.flows.job import Job
from urbancast.lake import forecasts
from urbancast.registry.release import Release

DAYS_AT_ONCE = timedelta(days=7)
HOURS = {"day": pl.Date, "how": pl.Int16, "n": pl.Int64, "a": pl.Float64, "b": pl.Float64}


def columns(job: Job) -> tuple[str, ...]:
    """Losses by which a champion is held to its word: the recipe's primary one, and the whole distribution's."""
    return tuple(dict.fromkeys((COLUMN[job.recipe.primary], COLUMN["crps"])))


def hours(
    job: Job, panel: Panel, pair: tuple[Release, Release], *, since: datetime, until: datetime
) -> dict[str, pl.DataFrame]:
    """Sums over what both forecast for [since, until) and is known in ``panel``: by loss, frames of HOURS.

    ``a`` is the first release's, ``b`` the second's. Only times at or after both were trained: before, they had seen.
    """
    first, second = pair
    start = max(since, first.trained_until, second.trained_until)
    parts = [_window(job, panel, pair, window) for window in _windows(start, until, job.product.tz)]
    found = {name: [part[name] for part in parts if part] for name in columns(job)}
    return {name: pl.concat(frames) if frames else pl.DataFrame(schema=HOURS) for name, frames in found.items()}


def from_scores(job: Job, release: Release, *, since: datetime, until: datetime) -> dict[str, pl.DataFrame]:
    """The same beside the baseline from the table of scores, for local days touched by [since, until).

    Live rows where there are any, else replayed ones: they are never pooled.
    """
    first, last = (local_day(each, job.product.tz) for each in (since, until))
    names = columns(job)
    keys = ("kind", "day", "how", "place", "reach_band")
    rows = job.lake.scan("scores", product=job.product.id, since=first, until=last + timedelta(days=1))
    rows = rows.filter(pl.col("measure") == release.measure, pl.col("release") == release.name)
    wanted = rows.select(*keys, "n", *names, *(f"baseline_{name}" for name in names)).collect()
    kinds = wanted["kind"].cast(pl.String).unique().to_list()
    kind = "live" if "live" in kinds else "replay"
    own = wanted.filter(pl.col("kind").cast(pl.String) == kind).sort(keys)  # sums in one order, every time
    by = own.group_by("day", "how", maintain_order=True)
    return {
        name: by.agg(pl.col("n").sum(), a=pl.col(name).sum(), b=pl.col(f"baseline_{name}").sum()).cast(
            HOURS  # type: ignore[arg-type]
        )
        for name in names
    }


def _window(job: Job, panel: Panel, pair: tuple[Release, Release], window: Window) -> dict[str, pl.DataFrame]:
    measure = pair[0].measure
    said = [_issued(job, release, window) for release in pair]
    if any(rows.is_empty() for rows in said):
        return {}
    truth = panel.truth(measure, start=window.start, end=window.end)
    if truth.is_empty():
        return {}
    truth = backtest.with_band(panel, measure, truth)
    names = columns(job)
    own, beside = (metrics.losses(rows, truth, tz=job.product.tz) for rows in said)
    right = beside.select(*metrics.KEY, pl.col(names).name.prefix("_"))
    both = own.select(*metrics.KEY, "day", "how", *names).join(right, on=list(metrics.KEY), how="inner")
    both = both.sort(metrics.KEY)  # sums in one order, every time
    by = both.group_by("day", "how", maintain_order=True)
    return {
        name: by.agg(pl.len().cast(pl.Int64).alias("n"), a=pl.col(name).sum(), b=pl.col(f"_{name}").sum()).cast(
            HOURS  # type: ignore[arg-type]
        )
        for name in names
    }


def _issued(job: Job, release: Release, window: Window) -> pl.DataFrame:
    rows = forecasts.read(
        job.lake, job.product.id, since=window.start, until=window.end, measure=release.measure, release=release.name
    )
    return rows.drop("product", "release", "run", "issued_at")


def _windows(start: datetime, end: datetime, tz: str) -> Sequence[Window]:
    """Parts of [start, end) that end at local midnights."""
    if start >= end:
        return []
    day, last, found = local_day(start, tz), local_day(end, tz), []
    while day <= last:
        following: date = day + DAYS_AT_ONCE
        begins, ends = local_midnight(day, tz), local_midnight(following, tz)
        found.append(Window(start=max(begins, start), end=min(ends, end)))
        day = following
    return [window for window in found if window.start < window.end]
