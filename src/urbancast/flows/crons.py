"""When a source is asked, as a cron line in the product's time zone: at its rhythm, once it has published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from urbancast.core.product import Recipe, Source
from urbancast.core.time import DAY, HOUR, UTC_US

MORNING = (6, 0)  # local, where nothing says when
_YEAR = pl.datetime_range(
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
    "1d",
    eager=True,
    time_unit="us",
    time_zone="UTC",
)


def of(source: Source, recipe: Recipe, tz: str) -> str:
    """Cron line of a source. Of one that adds to itself more rarely than daily the ticks are daily: most find nothing.

    One that does not say when it publishes is asked along with the product's first that does.
    """
    if source.rhythm < HOUR:
        return f"*/{max(1, source.rhythm // timedelta(minutes=1))} * * * *"
    if source.rhythm < DAY:
        return f"0 */{source.rhythm // HOUR} * * *"
    published = [each.publication for each in (source, *recipe.sources) if each.publication is not None]
    hour, minute = _clock(published[0], tz) if published else MORNING
    return f"{minute} {hour} * * *"


def _clock(publication: Callable[[pl.Expr], pl.Expr], tz: str) -> tuple[int, int]:
    """Local hour and minute at which most is published."""
    at = _YEAR.alias("time").to_frame().select(at=publication(pl.col("time")).cast(UTC_US))["at"]
    local = at.dt.convert_time_zone(tz)
    often = pl.DataFrame({"hour": local.dt.hour(), "minute": local.dt.minute()}).group_by("hour", "minute").len()
    hour, minute, _ = often.sort("len", "hour", "minute", descending=[True, False, False]).row(0)
    return int(hour), int(minute)
