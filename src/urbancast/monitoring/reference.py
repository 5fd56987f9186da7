"""Seasonal references: each day beside the same hours of the same weekdays in the weeks before it."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import holidays
import numpy as np
import polars as pl

from urbancast.core.product import Product
from urbancast.core.time import DAY, as_grain, local_midnight

WEEKS = 7  # comparable weeks that a day is held against
LEAST_WEEKS = 3
MAD_TO_SD = 1.4826  # of normal values
Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Cube:
    """Values of one measure by place, local day and interval of the day; NaN where nothing is known.

    ``values``: shape (places, days, intervals); ``expected``: (days, intervals) that are open; ``unusual``: (days,)
    public holidays, compared with nothing.
    """

    places: tuple[str, ...]
    days: tuple[date, ...]
    values: Floats
    expected: Flags
    unusual: Flags

    def until(self, day: date) -> Cube:
        """The same up to and with a day."""
        count = sum(each <= day for each in self.days)
        return Cube(
            places=self.places, days=self.days[:count], values=self.values[:, :count],
            expected=self.expected[:count], unusual=self.unusual[:count],
        )  # fmt: skip


def cube(product: Product, values: pl.DataFrame, *, start: date, end: date) -> Cube:
    """Cube of days [start, end) of values (place, time, value); the hour that comes twice is one mean."""
    days = tuple(start + timedelta(days=i) for i in range((end - start).days))
    minutes = int(as_grain(product.grain) / timedelta(minutes=1))
    each = 1440 // minutes
    local = pl.col("time").dt.convert_time_zone(product.tz)
    of_day = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
    cells = values.select(
        "place", day=(local.dt.date() - pl.lit(start)).dt.total_days(), cell=of_day // minutes, value="value"
    )
    cells = cells.filter(pl.col("day").is_between(0, len(days), closed="left")).drop_nulls("value")
    cells = cells.group_by("place", "day", "cell").agg(pl.col("value").mean())
    places = tuple(cells["place"].unique().sort().to_list())
    filled = np.full((len(places), len(days), each), np.nan)
    codes = cells["place"].replace_strict({place: i for i, place in enumerate(places)}, return_dtype=pl.Int64)
    filled[codes.to_numpy(), cells["day"].to_numpy(), cells["cell"].to_numpy()] = cells["value"].to_numpy()
    is_unusual = public_holidays(product, days)
    return Cube(
        places=places,
        days=days,
        values=filled,
        expected=_expected(product, days, each),
        unusual=np.array([day in is_unusual for day in days], dtype=np.bool_),
    )


def public_holidays(product: Product, days: Sequence[date]) -> Collection[date]:
    """Public holidays around some days, the city's own among them."""
    if not days:
        return ()
    years = range(days[0].year - 1, days[-1].year + 2)
    own = {date(year, day.month, day.day) for day in product.holidays for year in years if year >= day.since}
    known = (
        holidays.country_holidays(product.country, subdiv=product.subdivision, years=years) if product.country else ()
    )
    return own | set(known)


def intervals(product: Product, day: date) -> list[datetime]:
    """Starts of the open intervals of a local day, UTC."""
    begins, ends = local_midnight(day, product.tz), local_midnight(day + DAY, product.tz)
    grain = as_grain(product.grain)
    times = [begins] if grain >= DAY else [begins + i * grain for i in range((ends - begins) // grain)]
    if product.is_open is None:
        return times
    flags = product.is_open(pl.Series("time", times, dtype=pl.Datetime("us", "UTC")))
    return [time for time, is_open in zip(times, flags.to_list(), strict=True) if is_open]


def usual(values: Floats, unusual: Flags, *, is_sparse: bool = False) -> Floats:
    """What each interval had in the comparable weeks before it: their mean without the highest and the lowest.

    Of sparse counts the plain mean; same shape, NaN where fewer than ``LEAST_WEEKS`` weeks are known.
    """
    past = np.where(unusual[None, :, None], np.nan, values)
    shape = values.shape
    weeks = np.full((WEEKS, *shape), np.nan)
    for week in range(1, WEEKS + 1):
        weeks[week - 1, :, 7 * week :] = past[:, : max(0, shape[1] - 7 * week)]
    is_known = np.isfinite(weeks)
    count, total = is_known.sum(axis=0), np.nansum(weeks, axis=0)
    is_enough = count >= LEAST_WEEKS
    if not is_sparse:
        highest, lowest = (np.where(is_known, weeks, far) for far in (-np.inf, np.inf))
        total = total - np.where(is_enough, highest.max(axis=0), 0.0) - np.where(is_enough, lowest.min(axis=0), 0.0)
        count = count - 2
    return np.where(is_enough, total / np.maximum(count, 1), np.nan)


def on_days(rows: pl.DataFrame, days: Sequence[date], column: str) -> Floats:
    """Values of a frame with ``day`` laid out over days; NaN where there is none."""
    known = dict(rows.select("day", column).iter_rows())
    return np.array([known.get(day, np.nan) for day in days], dtype=np.float64)


def spread(values: Floats, *, axis: int = -1) -> Floats:
    """Robust standard deviation: 1.4826 times the median distance from the median; NaN without values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(values, axis=axis, keepdims=True)
        return np.asarray(MAD_TO_SD * np.nanmedian(np.abs(values - middle), axis=axis))


def middle(values: Floats, *, axis: int = -1) -> Floats:
    """Median of what is known; NaN without values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))


def effective(values: Floats, *, lags: int = 7) -> float:
    """How many independent days as many correlated ones are worth: n / (1 + 2 Σ r), r the positive autocorrelations."""
    known = values[np.isfinite(values)]
    if len(known) < 2 * lags or known.std() == 0:
        return float(max(1, len(known)))
    away = known - known.mean()
    total = float((away**2).sum())
    sums = 0.0
    for lag in range(1, lags + 1):
        rho = float((away[lag:] * away[:-lag]).sum()) / total
        if rho <= 0:
            break
        sums += (1 - lag / len(known)) * rho
    return float(max(1.0, len(known) / (1 + 2 * sums)))


def surprise(statistic: float, freedom: float) -> float:
    """Two-sided −log10 p of a t statistic, finite however far out."""
    from scipy import stats

    return max(0.0, float(-(stats.t.logsf(abs(statistic), max(1.0, freedom)) + np.log(2)) / np.log(10)))


def _expected(product: Product, days: Sequence[date], each: int) -> Flags:
    """Intervals of each local day that exist and are open; shape (days, intervals)."""
    if each == 1:
        return np.array([[bool(intervals(product, day))] for day in days], dtype=np.bool_).reshape(len(days), each)
    grain = as_grain(product.grain)
    begins, ends = local_midnight(days[0], product.tz), local_midnight(days[-1] + DAY, product.tz)
    times = pl.datetime_range(begins, ends, grain, closed="left", time_unit="us", time_zone="UTC", eager=True)
    local = times.dt.convert_time_zone(product.tz)
    is_open = product.is_open(times).to_numpy() if product.is_open is not None else np.ones(len(times), dtype=np.bool_)
    day = (local.dt.date() - days[0]).dt.total_days().to_numpy()
    cell = (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)).to_numpy() // (1440 // each)
    flags = np.zeros((len(days), each), dtype=np.bool_)
    flags[day[is_open], cell[is_open]] = True
    return flags
