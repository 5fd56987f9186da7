"""Which time zone a table's clock shows, as far as the changes of the clock give it away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.products import instants

# One zone stands for its neighbours of the same rules; west to east.
ZONES = (
    "America/Los_Angeles", "America/Denver", "America/Winnipeg", "America/Toronto",
    "Europe/London", "Europe/Berlin", "Europe/Athens", "Australia/Sydney",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Likely:
    """Zones the times agree with; ``is_sure``: the clock's own changes were seen."""

    zones: tuple[str, ...]
    is_sure: bool
    reason: str


def known(tz: str) -> str:
    """Return the name of a time zone that exists; QueryError ``unknown-zone``."""
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError):
        raise QueryError("unknown-zone", expected="an IANA time zone such as Europe/Rome", found=repr(tz),
                         action="correct --tz") from None  # fmt: skip
    return tz


def likely(values: pl.Series, form: str) -> Likely:
    """Zones whose clock changes a column of times shows: hours skipped in spring, or offsets that move."""
    is_aware = instants.has_offset(form) or bool(getattr(values.dtype, "time_zone", None))
    if is_aware:
        return _by_offsets(values, form)
    at = instants.read(values, form, "UTC").drop_nulls().dt.truncate("1h").unique().sort()
    return _by_gaps(at)


def _by_gaps(at: pl.Series) -> Likely:
    """Local hours that are missing exactly where a zone's clock skips them, and there alone."""
    seen = set(at.to_list())
    skipped = {zone: _skips(zone, at) for zone in ZONES} if len(at) else {}
    fitting = []
    for zone, hours in skipped.items():
        witnessed = [hour for hour in hours if _around(hour, seen)]
        if witnessed and not any(hour in seen for hour in witnessed):
            fitting.append(zone)
    others = {hour for hours in skipped.values() for hour in hours}
    is_gapless = bool(others) and all(hour in seen for hour in others if _around(hour, seen))
    if is_gapless and any(_around(hour, seen) for hour in others):
        return Likely(zones=("UTC", *ZONES), is_sure=False, reason="no hour is skipped in spring: the clock may be UTC")
    if len(fitting) == 1:
        reason = f"the hours skipped in spring are those of {fitting[0]} and its neighbours (--tz to settle it)"
        return Likely(zones=(fitting[0],), is_sure=True, reason=reason)
    return Likely(zones=tuple(fitting) or ZONES, is_sure=False, reason="the clock's changes do not show its zone")


def _skips(zone: str, at: pl.Series) -> list[datetime]:
    """Naive hours (marked UTC) that the clock of a zone skips between the first and the last time."""
    hours = instants_between(at[0], at[-1])
    there = hours.dt.replace_time_zone(None).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    found: list[datetime] = hours.filter(there.is_null()).to_list()
    return found


def instants_between(first: datetime, last: datetime) -> pl.Series:
    """Hours from ``first`` to ``last``, marked UTC."""
    return pl.datetime_range(first, last, "1h", eager=True, time_zone="UTC", time_unit="us")


def _around(hour: datetime, seen: set[datetime]) -> bool:
    return all(hour + timedelta(hours=step) in seen for step in (-1, 1))


def _by_offsets(values: pl.Series, form: str) -> Likely:
    """Zones whose offsets are those written in the texts; UTC alone says nothing of the place."""
    if values.dtype != pl.String:
        zone = getattr(values.dtype, "time_zone", None)
        named = zone if zone and zone != "UTC" else None
        if named:
            return Likely(zones=(str(named),), is_sure=True, reason=f"the column's own time zone, {named}")
        return Likely(zones=ZONES, is_sure=False, reason="times are in UTC: the place's own clock is not known")
    written = values.str.extract(r"([+-]\d\d:?\d\d)$").drop_nulls().str.replace(":", "").unique().to_list()
    if len(written) < 2:
        return Likely(zones=ZONES, is_sure=False, reason="one offset alone does not name a time zone")
    at = instants.read(values, form, "UTC").drop_nulls()
    fitting = tuple(
        zone for zone in ZONES if set(at.dt.convert_time_zone(zone).dt.strftime("%z").unique()) == set(written)
    )
    reason = f"the offsets written are those of {', '.join(fitting)} and neighbours (--tz to settle it)"
    return Likely(zones=fitting or ZONES, is_sure=len(fitting) == 1, reason=reason)
