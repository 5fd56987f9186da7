"""The same weeks a year before, 52 weeks back so that weekdays meet: what months of reach leave to learn seasons by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features.known import Floats, Known, Targets

YEAR_WEEKS, AROUND_WEEKS, BASE_WEEKS = 52, 1, 4
NAMES = ["lag_year", "lag_year_mean", "level_year", "city_level_year"]


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds: values, and levels about 1."""
    return list(NAMES)


def at(known: Known, targets: Targets, _params: Mapping[str, Any]) -> dict[str, Floats]:
    """Value 52 weeks before, mean of 51 to 53 weeks before, and the season's level a year ago.

    The level is the week around the target a year before over the four weeks, a year before, of the newest ones
    known: how far the season had moved then, by place and for the city.
    """
    week, year = known.axis.week, YEAR_WEEKS * known.axis.week
    weeks = range(-AROUND_WEEKS, AROUND_WEEKS + 1)
    near = [_values(known, targets.code, targets.cell - year + k * week) for k in weeks]
    there, base = _week_level(known), _base_level(known)
    column = _column(known, targets)
    place, city = there[0][targets.code, column] / base[0][targets.code], there[1][column] / base[1]
    return {
        "lag_year": near[AROUND_WEEKS],
        "lag_year_mean": _mean(np.stack(near)),
        "level_year": place.astype(np.float32),
        "city_level_year": np.asarray(city, dtype=np.float32),
    }


def _values(known: Known, code: Any, cell: Any) -> Floats:
    """Known values at cells, NaN before the first and after the last."""
    is_there = (cell >= 0) & (cell < known.values.shape[1])
    found = known.values[code, np.where(is_there, cell, 0)]
    return np.where(is_there, found, np.float32(np.nan))


def _column(known: Known, targets: Targets) -> Any:
    """Column in the table of weeks of the week a year before each target; its last column says nothing."""
    weeks = _weekly(known)[0].shape[1] - 1
    column = targets.cell // known.axis.week - YEAR_WEEKS
    return np.where((column >= 0) & (column < weeks), column, weeks)


def _weekly(known: Known) -> tuple[Floats, Floats]:
    """Mean of each calendar week by place and for the city; one more column of NaN at the end."""
    if "weekly" not in known.memo:
        week = known.axis.week
        count = known.values.shape[1] // week
        blocks = known.values[:, : count * week].reshape(len(known.last), count, week)
        is_known = np.isfinite(blocks)
        total, hours = np.where(is_known, blocks, 0).sum(2), is_known.sum(2)
        by_place = np.where(hours > 0, total / np.maximum(hours, 1), np.nan)
        city = np.where(hours.sum(0) > 0, total.sum(0) / np.maximum(hours.sum(0), 1), np.nan)
        nothing = np.full((len(known.last), 1), np.nan)
        known.memo["weekly"] = (np.hstack([by_place, nothing]), np.append(city, np.nan))
    return known.memo["weekly"]  # type: ignore[no-any-return]


def _week_level(known: Known) -> tuple[Floats, Floats]:
    """Mean of each week and the two beside it."""
    if "weekly_around" not in known.memo:
        by_place, city = _weekly(known)
        known.memo["weekly_around"] = (_smoothed(by_place), _smoothed(city[None, :])[0])
    return known.memo["weekly_around"]  # type: ignore[no-any-return]


def _base_level(known: Known) -> tuple[Floats, Floats]:
    """Mean of the four weeks that end a year before each place's newest value, by place and for the city."""
    if "year_base" not in known.memo:
        by_place, city = _weekly(known)
        last = known.last // known.axis.week - YEAR_WEEKS
        columns = last[:, None] - np.arange(BASE_WEEKS)[None, :]
        columns = np.where((columns >= 0) & (columns < by_place.shape[1] - 1), columns, by_place.shape[1] - 1)
        newest = int(last.max(initial=-1))
        weeks = [week for week in range(newest - BASE_WEEKS + 1, newest + 1) if 0 <= week < len(city) - 1]
        mean = _mean(by_place[np.arange(len(last))[:, None], columns].T)
        known.memo["year_base"] = (np.where(mean > 0, mean, np.nan), _city_mean(city, weeks))
    return known.memo["year_base"]  # type: ignore[no-any-return]


def _city_mean(city: Floats, weeks: list[int]) -> float:
    known = [float(city[week]) for week in weeks if np.isfinite(city[week])]
    return sum(known) / len(known) if known and sum(known) > 0 else float("nan")


def _smoothed(table: Floats) -> Floats:
    """Mean of each column and its neighbours, known values only; the last column stays NaN."""
    padded = np.pad(table[:, :-1], ((0, 0), (1, 1)), constant_values=np.nan)
    mean = _mean(np.stack([padded[:, i : i + table.shape[1] - 1] for i in range(3)]))
    return np.hstack([mean, np.full((len(table), 1), np.nan, dtype=np.float32)])


def _mean(values: Any) -> Floats:
    """Mean over axis 0 of the known values; NaN where there are none."""
    is_known = np.isfinite(values)
    count = is_known.sum(0)
    return np.where(count > 0, np.where(is_known, values, 0).sum(0) / np.maximum(count, 1), np.nan).astype(np.float32)
