"""What each fetch said of its days, as versions beside each other: a file sent again revises only what it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.time import UTC_US, from_local
from urbancast.products.madrid_parking.paid import COLOURS, Ints, Tally
from urbancast.products.madrid_parking.regulated import HOUR_S, TZ, hours_of

MEASURES = ("paid", "green", "blue")
COLUMNS = ("place", "measure", "time", "draw", "value", "available_at")
_EPOCH = date(1970, 1, 1)
_SCHEMA: dict[str, Any] = {
    "place": pl.String,
    "measure": pl.String,
    "time": UTC_US,
    "draw": pl.Int64,
    "value": pl.Float64,
    "available_at": UTC_US,
}


def observations(
    told: Sequence[tuple[datetime | None, Tally]], places: Sequence[str], published: Callable[[pl.Expr], pl.Expr]
) -> pl.DataFrame:
    """Rows of the observations table: all regulated hours of each day's first version, later only what changed."""
    newest: dict[int, Ints] = {}
    parts = []
    for number, (fetched_at, tally) in enumerate(told):
        days = sorted(tally.covered)
        first = [day for day in days if day not in newest]
        later = [day for day in days if day in newest]
        parts.append(_rows(tally, first, places, newest=None, published=published))
        changed = _rows(tally, later, places, newest=newest, published=published)
        known_at = pl.max_horizontal("available_at", pl.lit(fetched_at, dtype=UTC_US))
        parts.append(changed.with_columns(available_at=known_at))
        # The day after may hold what ran on from these; only days with tickets of their own are told.
        newest |= {day: tally.of(day) for day in days} if number + 1 < len(told) else {}
    return pl.concat(parts or [pl.DataFrame(schema=_SCHEMA)]).sort("measure", "place", "time", "available_at")


def _rows(
    tally: Tally,
    days: Sequence[int],
    places: Sequence[str],
    *,
    newest: dict[int, Ints] | None,
    published: Callable[[pl.Expr], pl.Expr],
) -> pl.DataFrame:
    """Values of these days by measure, place and regulated hour; with ``newest``, only those that differ from it."""
    hours = _hours(days, published)
    if hours.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    slots, hour = hours["slot"].to_numpy(), hours["hour"].to_numpy()
    paid = _measures(np.stack([tally.of(day) for day in days]))[slots, :, :, hour]
    is_told = np.ones(paid.shape, dtype=bool)
    if newest is not None:
        is_told = paid != _measures(np.stack([newest[day] for day in days]))[slots, :, :, hour]
    at, place, measure = np.nonzero(is_told)
    return pl.DataFrame(
        {
            "place": pl.Series(places, dtype=pl.String)[place],
            "measure": pl.Series(MEASURES)[measure],
            "time": hours["time"][at],
            "draw": pl.repeat(0, len(at), dtype=pl.Int64, eager=True),
            "value": paid[at, place, measure] / HOUR_S,
            "available_at": hours["available_at"][at],
        },
        schema=_SCHEMA,
    )


def _measures(paid: Ints) -> Ints:
    """Seconds by measure from those by colour: all colours together first; (days, places, measures, hours)."""
    named = [paid[:, :, COLOURS.index(name)] for name in MEASURES[1:]]
    return np.stack([paid.sum(axis=2), *named], axis=2)


def _hours(days: Sequence[int], published: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Regulated hours of days: ``slot`` (which day), ``hour``, ``time`` (UTC), ``available_at``."""
    opens, closes = hours_of(np.asarray(days, dtype=np.int64))
    slot = np.repeat(np.arange(len(days)), (closes - opens) // HOUR_S)
    start = np.concatenate([[0], np.cumsum((closes - opens) // HOUR_S)[:-1]]) if len(days) else np.zeros(0)
    hour = np.arange(len(slot)) - start.astype(np.int64)[slot] + opens[slot] // HOUR_S
    local = pl.Series([_EPOCH + timedelta(days=day) for day in days], dtype=pl.Date).cast(pl.Datetime("us"))[slot]
    table = pl.DataFrame({"slot": slot, "hour": hour, "local": local})
    time = from_local(pl.col("local") + pl.duration(hours="hour"), TZ)
    return table.with_columns(time=time).with_columns(available_at=published(pl.col("time")).cast(UTC_US))
