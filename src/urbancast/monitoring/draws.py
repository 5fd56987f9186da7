"""Drift of a measure with many draws: each draw beside its own place's usual, by end of departure and day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from urbancast.core.place import ends_of
from urbancast.core.time import DAY
from urbancast.monitoring import drift
from urbancast.monitoring.drift import LEAST_COUNT, Signal
from urbancast.monitoring.reference import WEEKS, Floats, middle

LEAST_DRAWS = 5  # of a place in the whole span; fewer know no usual


@dataclass(frozen=True, kw_only=True)
class Trips:
    """Mean log of draws over their place's usual by unit and day, shape (units, days), and the draws of each day."""

    days: tuple[date, ...]
    names: tuple[str, ...]
    logs: Floats
    volume: Floats


def daily(values: pl.DataFrame, *, tz: str, start: date, end: date) -> Trips:
    """Units and days of draws (place, time, value); a unit is where they begin, small ones together."""
    days = tuple(start + timedelta(days=i) for i in range((end - start) // DAY))
    local = pl.col("time").dt.convert_time_zone(tz).dt.date()
    rows = values.filter(pl.col("value") > 0).select("place", day=local, log=pl.col("value").log())
    rows = rows.filter(pl.col("day").is_between(start, end, closed="left"))
    rows = rows.filter(pl.len().over("place") >= LEAST_DRAWS)
    rows = rows.with_columns(pl.col("log") - pl.col("log").median().over("place"))
    units = _units(rows["place"], rows.group_by("place").len(), count=len(days))
    rows = rows.with_columns(unit=pl.Series(units, dtype=pl.String))
    means = rows.group_by("unit", "day").agg(pl.col("log").mean(), n=pl.len())
    names = tuple(means["unit"].unique().sort().to_list())
    logs, volume = np.full((len(names), len(days)), np.nan), np.zeros(len(days))
    place = {name: i for i, name in enumerate(names)}
    for unit, day, log, n in means.iter_rows():
        at = (day - start).days
        volume[at] += n
        if n >= LEAST_COUNT / 2:
            logs[place[unit], at] = log
    return Trips(days=days, names=names, logs=logs, volume=volume)


def signals(measure: str, trips: Trips, day: date) -> list[Signal]:
    """Signals of a day: units apart from the others, the level of all, how many draws there were."""
    count = sum(each <= day for each in trips.days)
    if not len(trips.names) or not count:
        return []
    logs, days = trips.logs[:, :count], trips.days[:count]
    found = [
        drift.level_shift(measure, logs, trips.names, days),
        drift.of_series(measure, "target", "level", middle(logs, axis=0), days),
        drift.of_series(measure, "target", "volume", weekly(trips.volume[:count]), days),
    ]
    return [one for one in found if one is not None]


def weekly(values: Floats) -> Floats:
    """Log of each day over the median of the same weekday in the weeks before; NaN where they are too few."""
    found = np.full(len(values), np.nan)
    for day in range(7 * (WEEKS - 2), len(values)):
        before = values[max(day % 7, day - 7 * WEEKS) : day : 7]
        known = before[np.isfinite(before) & (before > 0)]
        if len(known) >= WEEKS - 2 and values[day] > 0:
            found[day] = np.log(values[day] / np.median(known))
    return found


def _units(places: pl.Series, counts: pl.DataFrame, *, count: int) -> list[str]:
    """Where each draw begins; beginnings with too few draws a day go together."""
    begins = {place: ends_of(place)[0] or "?" for place in counts["place"].to_list()}
    total: dict[str, int] = {}
    for place, n in counts.iter_rows():
        total[begins[place]] = total.get(begins[place], 0) + n
    small = {name for name, n in total.items() if n < LEAST_COUNT * max(1, count)}
    return ["the others" if begins[place] in small else begins[place] for place in places.to_list()]
