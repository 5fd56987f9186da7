"""Signals: what the lake knew of a product at a moment, measured day by day against its own seasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Measure
from urbancast.core.time import DAY, HOUR, as_grain, local_day, local_midnight
from urbancast.features.panel import Panel
from urbancast.flows import issued, panel as panels
from urbancast.flows.job import Job
from urbancast.lake import observations
from urbancast.monitoring import draws, drift, freshness, inputs, quality, reference
from urbancast.monitoring.drift import Signal
from urbancast.monitoring.quality import Dead, Share
from urbancast.monitoring.reference import Cube

SPAN = timedelta(days=drift.NEEDED + 1)
AT_MOST = 7  # days measured at once, the newest
SCHEMA: dict[str, Any] = {
    "measure": pl.String,
    "kind": pl.String,
    "signal": pl.String,
    "place": pl.String,
    "day": pl.Date,
    "score": pl.Float64,
    "threshold": pl.Float64,
    "is_drifted": pl.Boolean,
    "n": pl.Int64,
    "facts": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is read once for all days that are measured: ``days`` from the first looked at to the last measured."""

    job: Job
    days: tuple[date, ...]
    grids: Mapping[str, Cube]
    trips: Mapping[str, draws.Trips]
    groups: Mapping[str, str]
    weather: pl.DataFrame
    series: Mapping[tuple[str, drift.Kind, str], np.ndarray[Any, Any]]


def days(job: Job, last: date | None) -> list[date]:
    """Whole local days after ``last`` (None: only the newest) that the lake knows at ``job.now``."""
    newest = observations.data_to(job.lake, job.product.id, at=job.now)
    if newest is None:
        return []
    day = local_day(newest, job.product.tz)
    while not _is_whole(job, day):
        day -= DAY
    first = day if last is None else max(last + DAY, day - (AT_MOST - 1) * DAY)
    return [first + i * DAY for i in range((day - first).days + 1)]


def measured(job: Job, chosen: Sequence[date]) -> Iterator[pl.DataFrame]:
    """Rows of the table ``drift`` (without product and run) of each of some days, the oldest first."""
    if not chosen:
        return
    window = read(job, chosen[0] - SPAN, chosen[-1] + DAY)
    for day in chosen:
        yield _rows(window, day)


def _is_whole(job: Job, day: date) -> bool:
    """Whether every interval of a day should be known by now, by its sources' rules."""
    times = reference.intervals(job.product, day)
    if not times:
        return local_midnight(day + DAY, job.product.tz) <= job.now
    sources = [source for source in job.recipe.sources if source.role == "observations"]
    return all(len(freshness.whole_until(one, job.product, times, job.now)) == len(times) for one in sources)


def read(job: Job, start: date, end: date) -> Window:
    """What was known at ``job.now`` of the local days [start, end), laid out by day."""
    tz = job.product.tz
    begins, ends = local_midnight(start, tz), local_midnight(end, tz)
    known = panels.panel(job, since=begins, until=job.now)
    grids, trips = {}, {}
    for one in job.product.modelled:
        truth = known.truth(one.id, start=begins, end=ends, at=job.now)
        if one.draws:
            trips[one.id] = draws.daily(truth, tz=tz, start=start, end=end)
        else:
            grids[one.id] = reference.cube(job.product, truth, start=start, end=end)
    span = tuple(start + i * DAY for i in range((end - start).days))
    return Window(
        job=job,
        days=span,
        grids=grids,
        trips=trips,
        groups=_groups(known),
        weather=inputs.daily(known.covariates, tz=tz),
        series=issued.series(job, span),
    )


def _groups(known: Panel) -> dict[str, str]:
    """What each place is part of."""
    if "part_of" not in known.places.columns:
        return {}
    return dict(known.places.select("place", pl.col("part_of").fill_null("")).iter_rows())


def _rows(window: Window, day: date) -> pl.DataFrame:
    """Every signal of a day, drifted or not; of places only those that are silent or frozen."""
    past = [each for each in window.days if each <= day]
    found = inputs.signals(window.weather, past)
    rows: list[dict[str, Any]] = []
    for measure in window.job.product.modelled:
        found += _of_measure(window, measure, day)
        rows += _missing(window, measure, day)
    for (name, kind, signal), values in window.series.items():
        one = drift.of_series(name, kind, signal, values[: len(past)], past)
        found += [one] if one is not None else []
    limit = drift.threshold(found)
    for one in found:
        row = {name: getattr(one, name) for name in ("measure", "kind", "signal", "day", "score", "n")}
        above = limit if one.own_threshold is None else one.own_threshold
        rows.append({**row, "place": "", "threshold": above, "facts": json.dumps(dict(one.facts), sort_keys=True)})
    table = pl.DataFrame(rows, schema={name: dtype for name, dtype in SCHEMA.items() if name != "is_drifted"})
    return table.with_columns(is_drifted=pl.col("score") > pl.col("threshold")).select(list(SCHEMA))


def _of_measure(window: Window, measure: Measure, day: date) -> list[Signal]:
    if measure.draws:
        return draws.signals(measure.id, window.trips[measure.id], day)
    if measure.signed:
        return []
    grid = window.grids[measure.id].until(day)
    tests = sum(not one.signed for one in window.job.product.modelled)
    return drift.target(measure.id, grid, is_sparse=measure.sparse, groups=window.groups, tests=tests)


def _missing(window: Window, measure: Measure, day: date) -> list[dict[str, Any]]:
    """Missing share of a measure, and of the product's first one the places that are silent or frozen."""
    if measure.draws:
        return []
    grid = window.grids[measure.id].until(day)
    if not grid.places:
        return []
    rows = [_share(measure.id, day, quality.missing(grid))]
    is_sensed = not (measure.signed or measure.sparse)  # rare events have no sensor that could fall silent
    if measure.id == window.job.product.modelled[0].id and is_sensed:
        dead = quality.dead(grid, grain_h=as_grain(window.job.product.grain) / HOUR)
        rows += [_dead(measure.id, day, one) for one in dead]
    return rows


def _share(measure: str, day: date, one: Share) -> dict[str, Any]:
    facts = {"usual": None if np.isnan(one.usual) else round(one.usual, 4)}
    named = {"measure": measure, "kind": "missing", "signal": "share", "place": "", "day": day}
    return {**named, "score": one.share, "threshold": one.threshold, "n": one.n, "facts": json.dumps(facts)}


def _dead(measure: str, day: date, one: Dead) -> dict[str, Any]:
    facts = {"hours": one.hours}
    named = {"measure": measure, "kind": "missing", "signal": one.how, "place": one.place, "day": day}
    return {**named, "score": one.surprise, "threshold": one.threshold, "n": int(one.hours), "facts": json.dumps(facts)}
