"""Measures made of several intervals and measures: forecasts from joint paths, truth by the same function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Derived
from urbancast.core.tables import QUANTILE_COLUMNS, QUANTILES
from urbancast.core.time import UTC_US, as_utc
from urbancast.features.known import Axis, History, Known
from urbancast.features.panel import Panel, grid_times
from urbancast.models import paths

Array = np.ndarray[Any, np.dtype[np.float64]]
CITY = ""  # all places together: the sum of what each needs, in the same draw


@dataclass(frozen=True)
class Past:
    """Parts of derived measures as known at one origin: part × place × cell, cells ending with ``last`` of the axis."""

    origin: datetime
    parts: Sequence[str]
    places: Sequence[str]
    values: Array
    last: int
    week: int
    memo: dict[Any, Any] = field(default_factory=dict)

    def order(self, parts: Sequence[str], intervals: int, seed: int) -> Any:
        """Which draw takes which rank, from past windows; (draws, place, interval, part), the same for everyone."""
        key = (tuple(parts), intervals, seed)
        if key not in self.memo:
            template, shape = self.template(parts, intervals), (len(self.places), intervals, len(parts))
            self.memo[key] = paths.order(template, shape, seed=seed ^ int(self.origin.timestamp()) // 60)
        return self.memo[key]

    def template(self, parts: Sequence[str], intervals: int) -> Array:
        """Past windows of residuals about the simple rule; (windows, place, interval, part), newest first."""
        own = self.values[[self.parts.index(part) for part in parts]]
        past = paths.windows(paths.residuals(own, self.week), intervals)
        return np.moveaxis(past, 1, -1)

    def before(self, cell: int, derived: Derived) -> Array:
        """The derived measure in the newest window known whole, a number of weeks before ``cell``; by place."""
        own = [self.parts.index(name) for name in derived.parts]
        start = cell
        while start + derived.intervals - 1 > self.last:
            start -= self.week
        begin = start - self.last - 1 + self.values.shape[-1]
        if begin < 0:
            return np.full(len(self.places), np.nan)
        window = self.values[own][:, :, begin : begin + derived.intervals]
        return np.asarray(derived.combine(np.moveaxis(window, 0, -1)), dtype=np.float64)


def pasts(panel: Panel, parts: Sequence[str], origins: Sequence[datetime]) -> Iterator[Past]:
    """What was known of the parts at each origin, oldest first."""
    ordered = sorted({as_utc(origin) for origin in origins})
    us = pl.Series(ordered, dtype=UTC_US).dt.epoch("us").to_numpy().astype(np.int64)
    histories = [History(panel, part) for part in parts]
    for origin, *knowns in zip(ordered, *(history.at(us) for history in histories), strict=True):
        yield _past(origin, parts, histories[0].places, knowns)


def _past(origin: datetime, parts: Sequence[str], places: Sequence[str], knowns: Sequence[Known]) -> Past:
    ends = [int(known.last.max(initial=-1)) + known.axis.base for known in knowns]
    end, start = min(ends), min(known.axis.base for known in knowns)
    values = np.full((len(knowns), len(places), max(end - start + 1, 0)), np.nan)
    for part, known in enumerate(knowns):
        own = known.values[:, : max(end - known.axis.base + 1, 0)]
        values[part, :, known.axis.base - start : known.axis.base - start + own.shape[1]] = own
    return Past(origin, parts, places, values, end, knowns[0].axis.week)


def parts_of(derived: Sequence[Derived]) -> list[str]:
    """Ids of all parts, each once."""
    return list(dict.fromkeys(part for one in derived for part in one.parts))


def forecasts(
    panel: Panel, derived: Sequence[Derived], marginals: pl.DataFrame, past: Past, *, seed: int
) -> pl.DataFrame:
    """Place, measure, origin, time, mean, q05…q95 of derived measures at the first interval; the city as place "".

    ``marginals``: rows of one origin and one forecaster for every part. Places that lack a part or interval have none.
    """
    parts, intervals = parts_of(derived), max(one.intervals for one in derived)
    times = marginals["time"].unique().sort()[:intervals]
    at = {place: row for row, place in enumerate(past.places)}
    cube = np.full((len(past.places), intervals, len(parts), len(QUANTILES)), np.nan)
    if len(times) == intervals:
        own = marginals.filter(pl.col("time").is_in(times.implode()) & pl.col("measure").is_in(parts))
        where = (
            own["place"].replace_strict(at, return_dtype=pl.Int64).to_numpy(),
            np.searchsorted(times.dt.epoch("us").to_numpy(), own["time"].dt.epoch("us").to_numpy()),
            own["measure"].replace_strict({p: i for i, p in enumerate(parts)}, return_dtype=pl.Int64).to_numpy(),
        )
        cube[where] = own.select(QUANTILE_COLUMNS).to_numpy()
    rows = np.flatnonzero(np.isfinite(cube).all(axis=(1, 2, 3)))
    is_signed = np.array([panel.measure(part).signed for part in parts])
    drawn = paths.joint(cube[rows], past.order(parts, intervals, seed)[:, rows], is_signed=is_signed)
    names = [past.places[int(row)] for row in rows]
    found = [_rows(one, drawn[:, :, : one.intervals, [parts.index(p) for p in one.parts]], names) for one in derived]
    first = times[0] if len(times) else past.origin
    return (
        pl.concat(found)
        .with_columns(origin=pl.lit(past.origin, dtype=UTC_US), time=pl.lit(first, dtype=UTC_US))
        .select("place", "measure", "origin", "time", "mean", *QUANTILE_COLUMNS)
    )


def _rows(derived: Derived, drawn: Array, names: list[str]) -> pl.DataFrame:
    values = np.asarray(derived.combine(drawn), dtype=np.float64)
    if names:
        values, names = np.column_stack([values, values.sum(axis=1)]), [*names, CITY]
    levels = np.quantile(values, QUANTILES, axis=0) if names else np.empty((len(QUANTILES), 0))
    columns = {name: levels[i] for i, name in enumerate(QUANTILE_COLUMNS)}
    mean = values.mean(axis=0) if names else np.empty(0)
    return pl.DataFrame(
        {"place": pl.Series(names, dtype=pl.String), "mean": mean, **columns},
    ).with_columns(measure=pl.lit(derived.measure))


def truth(panel: Panel, derived: Derived, *, start: datetime, end: datetime) -> pl.DataFrame:
    """Place, time, value of windows that begin in [start, end) and whose intervals are all known; the city as "".

    The city's value stands only where as many places are known as at the best of these times.
    """
    reach = (derived.intervals + 1) * max(panel.grain, timedelta(hours=1)) + timedelta(hours=1)
    times = grid_times(start, end + reach, grain=panel.grain, tz=panel.tz)
    starts = times.filter(times < end)
    places = panel.place_ids()
    cube = np.full((len(places), len(times), len(derived.parts)), np.nan)
    for part, measure in enumerate(derived.parts):
        known = panel.truth(measure, start=start, end=end + reach)
        known = known.filter(pl.col("time").is_in(times.implode()))
        row = known["place"].replace_strict({p: i for i, p in enumerate(places)}, return_dtype=pl.Int64).to_numpy()
        column = np.searchsorted(times.dt.epoch("us").to_numpy(), known["time"].dt.epoch("us").to_numpy())
        cube[row, column, part] = known["value"].to_numpy()
    count = min(len(starts), max(len(times) - derived.intervals + 1, 0))
    if not count:
        return pl.DataFrame(schema={"place": pl.String, "time": UTC_US, "value": pl.Float64})
    window = np.lib.stride_tricks.sliding_window_view(cube, derived.intervals, axis=1)[:, :count]
    values = np.asarray(derived.combine(np.moveaxis(window, -1, -2)), dtype=np.float64)
    frame = pl.DataFrame(
        {
            "place": np.repeat(places, count),
            "time": pl.concat([times[:count]] * len(places)),
            "value": values.ravel(),
        }
    ).filter(pl.col("value").is_not_nan())
    city = frame.group_by("time").agg(pl.col("value").sum(), pl.len().alias("n"))
    whole = city.filter(pl.col("n") == pl.col("n").max()).select(place=pl.lit(CITY), time="time", value="value")
    return pl.concat([frame, whole]).sort("place", "time")


def cell_of(panel: Panel, time: datetime) -> int:
    """Wall-clock cell of a time, counted as ``Past.last`` is."""
    axis = Axis(panel.tz, panel.grain // timedelta(microseconds=1))
    return int(axis.cells(pl.Series([as_utc(time)], dtype=UTC_US))[0])
