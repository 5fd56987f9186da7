"""Forecasts, observations and usual values of one measure as arrays place × time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import COVERED, Measure
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, UTC_US, as_utc, floor as floor_to, instants, local_days, local_midnight

Floats = np.ndarray[Any, np.dtype[np.float32]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
LEVELS: tuple[str, ...] = ("mean", *QUANTILE_COLUMNS)
AT = {name: position for position, name in enumerate(LEVELS)}
PAST = 14 * DAY
USUAL_WINDOW = 28 * DAY
CLASS_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (as_utc(instant) - _EPOCH) // timedelta(microseconds=1)


def instant_of(us: int) -> datetime:
    """Aware instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """Interval starts shared by a product's grids; ``first``: column of the served origin's first forecast."""

    times: Integers
    step: timedelta
    first: int

    def locate(self, at: datetime) -> int:
        """Column of the interval that holds ``at``; -1 before the first, ``len(times)`` after the last."""
        us = micros(at)
        if us >= int(self.times[-1]) + self.step // timedelta(microseconds=1):
            return len(self.times)
        return int(np.searchsorted(self.times, us, side="right")) - 1

    def time(self, column: int) -> datetime:
        """Interval start of a column."""
        return instant_of(int(self.times[column]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """One measure. ``values``: place × time × LEVELS; ``observed``, ``usual``: place × time; NaN = not there.

    ``origins``: origin (µs) of each column's forecast, -1 where none; past columns hold forecasts as issued.
    """

    measure: Measure
    release: str
    candidate: str
    is_baseline: bool
    issued_at: datetime | None
    axis: Axis
    values: Floats
    observed: Floats
    usual: Floats
    origins: Integers
    releases: tuple[str, ...]
    breaks: tuple[float, ...]


def make_axis(found: pl.Series, origin: datetime, first: datetime, grain: timedelta, *, tz: str) -> Axis:
    """Axis of the forecast times ``found`` and every interval since 14 days before the origin.

    ``first``: the served origin's first forecast time. Days begin at midnight in ``tz``.
    """
    times = found.cast(UTC_US)
    end = max(latest(found), first) + grain
    if grain < DAY:
        regular = instants(floor_to(origin - PAST, grain), end, grain)
    else:
        regular = [local_midnight(day, tz) for day in local_days(origin - PAST, end - _HOUR, tz)]
    times = pl.concat([times, pl.Series(times.name, regular, dtype=UTC_US)])
    us = times.unique().sort().dt.epoch("us").to_numpy().astype(np.int64)
    return Axis(times=us, step=grain, first=int(np.searchsorted(us, micros(first))))


def latest(times: pl.Series) -> datetime:
    """Greatest of UTC times, at least one."""
    return instant_of(int(times.cast(UTC_US).dt.epoch("us").to_numpy().max()))


def spread(rows: pl.DataFrame, places: Sequence[str], axis: Axis, columns: Sequence[str]) -> Floats:
    """Array place × time × columns of rows (place, time, columns); NaN where there is no row."""
    cube = np.full((len(places), len(axis.times), len(columns)), np.nan, dtype=np.float32)
    where = rows.join(_positions(places), on="place").with_columns(us=pl.col("time").dt.epoch("us"))
    us = where["us"].to_numpy()
    at = np.clip(np.searchsorted(axis.times, us), 0, len(axis.times) - 1)
    inside = axis.times[at] == us
    found = where.select(pl.col(columns).cast(pl.Float32)).to_numpy()
    cube[where["position"].to_numpy()[inside], at[inside]] = found[inside]
    return cube


def _positions(places: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"place": list(places), "position": np.arange(len(places))}, schema={"place": pl.String, "position": pl.Int64}
    )


def newest(rows: pl.DataFrame, ranks: Mapping[str, int]) -> pl.DataFrame:
    """Per (place, time) the row of the newest origin, and there of the release of highest rank."""
    rank = pl.col("release").replace_strict(ranks, default=-1, return_dtype=pl.Int64)
    by_origin = rows.with_columns(rank=rank).filter(pl.col("rank") == pl.col("rank").max().over("origin"))
    return by_origin.sort("origin").unique(["place", "time"], keep="last", maintain_order=True)


def observed(rows: pl.DataFrame, measure: Measure, places: Sequence[str], axis: Axis) -> Floats:
    """Observed values place × time; of a sparse measure, a covered interval without a row is a true zero."""
    own = rows.filter(pl.col("measure") == measure.id).group_by("place", "time").agg(pl.col("value").mean())
    values = spread(own, places, axis, ["value"])[:, :, 0]
    if measure.sparse:
        covered = rows.filter((pl.col("measure") == COVERED) & (pl.col("value") > 0))["time"].unique()
        is_covered = np.isin(axis.times, covered.dt.epoch("us").to_numpy())
        values[:, is_covered] = np.nan_to_num(values[:, is_covered], nan=0.0)
    return values


def usual_from_weeks(rows: pl.DataFrame, measure: Measure, places: Sequence[str], axis: Axis, tz: str) -> Floats:
    """Mean of the last four observed weeks at the same local hour of week, for forecast columns only; else NaN."""
    own = rows.filter(pl.col("measure").is_in([measure.id, COVERED]))
    if own.is_empty() or measure.sparse or measure.draws:  # four weeks of rare events hold no usual value of one hour
        return np.full((len(places), len(axis.times)), np.nan, dtype=np.float32)
    end = latest(own["time"]) + axis.step
    start = end - USUAL_WINDOW
    # Days begin at local midnights, 23 to 25 hours apart: their times are those that were counted.
    days = own.filter(pl.col("time") >= start - _HOUR)["time"].unique().sort().dt.epoch("us").to_numpy()
    times = days.astype(np.int64) if axis.step >= DAY else _range(start, end, axis.step)
    back = Axis(times=times, step=axis.step, first=0)
    past = observed(own, measure, places, back)
    hows, targets = _hours_of_week(back.times, tz), _hours_of_week(axis.times, tz)
    usual = np.full((len(places), len(axis.times)), np.nan, dtype=np.float32)
    for how in np.unique(targets[axis.first :]):
        week = past[:, hows == how]
        counts = (~np.isnan(week)).sum(axis=1)
        mean = np.nansum(week, axis=1) / np.where(counts > 0, counts, np.nan)
        columns = np.flatnonzero(targets == how)
        usual[:, columns[columns >= axis.first]] = mean[:, None]
    return usual


def _range(start: datetime, end: datetime, step: timedelta) -> Integers:
    return np.array([micros(instant) for instant in instants(start, end, step)], dtype=np.int64)


def _hours_of_week(times: Integers, tz: str) -> Integers:
    local = pl.Series("time", times).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(tz)
    return ((local.dt.weekday().cast(pl.Int64) - 1) * 24 + local.dt.hour().cast(pl.Int64)).to_numpy()


def breaks(means: Floats, *, is_signed: bool = False) -> tuple[float, ...]:
    """Lower limits of five classes of equal size, increasing: quantiles of the positive means, to two digits.

    Signed: the same on both sides of zero, the middle class about it.
    """
    if is_signed:
        return _diverging(np.abs(means[np.isfinite(means)]))
    positive = means[np.isfinite(means) & (means > 0)]
    if positive.size == 0:
        return (1.0, 2.0, 3.0, 4.0, 5.0)
    limits: list[float] = []
    for limit in np.quantile(positive, CLASS_LEVELS).tolist():
        nice = float(f"{limit:.2g}")
        limits.append(nice if not limits or nice > limits[-1] else float(f"{limits[-1] * 1.2:.4g}"))
    return tuple(limits)


def _diverging(sizes: Floats) -> tuple[float, ...]:
    """Lower limits of five classes, mirrored about zero: far below, below, about nothing, above, far above."""
    levels = np.quantile(sizes, (0.4, 0.8, 1.0)) if sizes.size else np.array([1.0, 2.0, 3.0])
    near, far, most = (float(f"{size:.2g}") for size in levels.tolist())
    near = max(near, 0.01)
    far = max(far, 1.5 * near)
    return (-max(most, 1.5 * far), -far, -near, near, far)


def digits(grid: Grid) -> int:
    """Decimals shown of a measure."""
    return 7 if grid.measure.sparse else 3


def number(value: float, grid: Grid) -> float | None:
    """Value as a payload shows it; NaN as None."""
    return None if math.isnan(value) else round(value, digits(grid))
