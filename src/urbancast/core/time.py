"""Time: UTC instants, interval starts, local calendars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from urbancast.core.errors import ContractError, QueryError

UTC_US = pl.Datetime("us", "UTC")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_GRAINS = {"15m": timedelta(minutes=15), "30m": timedelta(minutes=30), "1h": HOUR, "1d": DAY}


def as_grain(text: str) -> timedelta:
    """Grain by its name: ``15m``, ``30m``, ``1h`` or ``1d``."""
    if text not in _GRAINS:
        raise ContractError(f"grain: expected one of {', '.join(_GRAINS)}, found {text!r}; name one of them")
    return _GRAINS[text]


def as_utc(instant: datetime) -> datetime:
    """Return the same instant in UTC; a naive datetime is refused."""
    if instant.tzinfo is None:
        raise ContractError(f"time: expected an aware datetime, found naive {instant.isoformat()}; add a UTC offset")
    return instant.astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """UTC instant of an ISO 8601 text with an offset or ``Z``."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise QueryError(
            "malformed-time",
            expected="an ISO 8601 time with an offset, such as 2021-07-12T00:00Z",
            found=repr(text),
            action="write the time with its offset",
        )
    return instant.astimezone(UTC)


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC to the minute or finer, ending in ``Z``."""
    text = as_utc(instant).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def floor(instant: datetime, grain: timedelta) -> datetime:
    """Start of the UTC interval of ``grain`` that holds ``instant``."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((as_utc(instant) - epoch) // grain) * grain


def local_midnight(day: date, tz: str) -> datetime:
    """UTC instant at which ``day`` begins in ``tz``."""
    return datetime.combine(day, time(), ZoneInfo(tz)).astimezone(UTC)


def local_day(instant: datetime, tz: str) -> date:
    """Calendar day of ``instant`` in ``tz``."""
    return as_utc(instant).astimezone(ZoneInfo(tz)).date()


def local_days(start: datetime, end: datetime, tz: str) -> Iterator[date]:
    """Local days touched by [start, end), in order."""
    day, last = local_day(start, tz), local_day(end - timedelta(microseconds=1), tz)
    while day <= last:
        yield day
        day += DAY


def instants(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Instants of [start, end) every ``step``, in UTC."""
    start, end = as_utc(start), as_utc(end)
    return [start + i * step for i in range(max(0, -((start - end) // step)))]


def local_hour_of_week(time_column: str, tz: str) -> pl.Expr:
    """0 (Monday 00:00 local) … 167, Int16, of a UTC time column."""
    local = pl.col(time_column).dt.convert_time_zone(tz)
    return ((local.dt.weekday().cast(pl.Int16) - 1) * 24 + local.dt.hour().cast(pl.Int16)).cast(pl.Int16)


def local_clock(time: pl.Expr, tz: str, *, days: int, hour: int) -> pl.Expr:
    """UTC instant of ``hour`` o'clock in ``tz``, ``days`` local days after the local day of a UTC ``time``."""
    day = time.dt.convert_time_zone(tz).dt.date().cast(pl.Datetime("us"))
    return from_local(day + pl.duration(days=days, hours=hour), tz)


def from_local(naive: pl.Expr, tz: str) -> pl.Expr:
    """UTC instant of a naive local time; twice there: the earlier; skipped by the clock: one hour later."""
    there = naive.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    later = (naive + pl.duration(hours=1)).dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    return pl.coalesce(there, later).dt.convert_time_zone("UTC").cast(UTC_US)
