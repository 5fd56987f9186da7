"""When parking is regulated, stated once: what observe clips to, what is forecast, what answers call closed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Holiday

TZ, COUNTRY, SUBDIVISION = "Europe/Madrid", "ES", "MD"
SOURCE = "https://www.madrid.es/portales/munimadrid/es/Inicio/Movilidad-y-transportes (hours of the regulated service)"
HOLIDAYS = (
    Holiday(
        month=5,
        day=15,
        name="San Isidro",
        source="Boletín Oficial del Ayuntamiento de Madrid, local holidays; each year since 2000 as far as checked",
        since=2000,
    ),
    Holiday(
        month=11,
        day=9,
        name="La Almudena",
        source="Boletín Oficial del Ayuntamiento de Madrid, local holidays; each year since 2000 as far as checked",
        since=2000,
    ),
)
HOUR_S = 3600
OPENS_S, CLOSES_S, CLOSES_EARLY_S = 9 * HOUR_S, 21 * HOUR_S, 15 * HOUR_S
_AUGUST, _SATURDAY, _SUNDAY = 8, 5, 6
_EARLY_DAYS = {(12, 24), (12, 31)}
_EPOCH = date(1970, 1, 1)
Ints = np.ndarray[Any, np.dtype[np.int64]]


def hours_of(days: Ints) -> tuple[Ints, Ints]:
    """Opening and closing of local days (days since 1970), in seconds of the day; both 0 on a free day."""
    if not len(days):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    first = (_EPOCH + timedelta(days=int(days.min()))).year
    last = (_EPOCH + timedelta(days=int(days.max()))).year
    closes = np.concatenate([_year(year) for year in range(first, last + 1)])
    at = closes[days - (date(first, 1, 1) - _EPOCH).days]
    return np.where(at > 0, OPENS_S, 0), at


def next_regulated(days: Ints) -> Ints:
    """First regulated day after each local day (days since 1970)."""
    if not len(days):
        return days
    low, high = int(days.min()), int(days.max()) + 30  # no free spell lasts a month
    span = np.arange(low, high, dtype=np.int64)
    is_regulated = hours_of(span)[1] > 0
    regulated = span[is_regulated]
    return np.asarray(regulated[np.searchsorted(regulated, days, side="right")])


def is_open(times: pl.Series) -> pl.Series:
    """Whether the UTC hour that starts at each time is regulated."""
    local = times.dt.convert_time_zone(TZ)
    days = local.dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    opens, closes = hours_of(days)
    second = (local.dt.hour().cast(pl.Int64) * HOUR_S + local.dt.minute().cast(pl.Int64) * 60).to_numpy()
    return pl.Series(times.name, (second >= opens) & (second < closes), dtype=pl.Boolean)


@cache
def _year(year: int) -> Ints:
    """Closing second of each day of a year, 0 on Sundays and holidays."""
    import holidays  # a large table, wanted only once an hour is asked for

    free = set(holidays.country_holidays(COUNTRY, subdiv=SUBDIVISION, years=[year]))
    free |= {date(year, own.month, own.day) for own in HOLIDAYS if year >= own.since}
    first = date(year, 1, 1)
    days = [first + timedelta(days=i) for i in range((date(year + 1, 1, 1) - first).days)]
    return np.array([_closes(day, is_free=day in free) for day in days], dtype=np.int64)


def _closes(day: date, *, is_free: bool) -> int:
    if is_free or day.weekday() == _SUNDAY:
        return 0
    is_early = day.weekday() == _SATURDAY or day.month == _AUGUST or (day.month, day.day) in _EARLY_DAYS
    return CLOSES_EARLY_S if is_early else CLOSES_S
