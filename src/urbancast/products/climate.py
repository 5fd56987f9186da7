"""Simulated weather of a city: what came, and what was forecast of it so many days before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from urbancast.core.product import Window
from urbancast.core.time import UTC_US
from urbancast.products.noise import Floats, smooth, uniform

Hours = NDArray[np.int64]
_YEAR_H, _STORM_H = 8766.0, 1440
_STORM_LENGTH_H = 16


@dataclass(frozen=True, kw_only=True)
class Climate:
    """Mean and yearly swing in degrees Celsius, daily swing, share of wet hours, mean wind in km/h."""

    mean_c: float
    yearly_c: float
    daily_c: float
    wet_share: float
    wind_kmh: float
    solar_offset_h: float


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Hourly values; each of shape (n,)."""

    temperature_2m: Floats
    precipitation: Floats
    wind_speed_10m: Floats


def hours_of(window: Window) -> Hours:
    """Whole hours since 1970 that start in the window."""
    first, end = (-(-int(instant.timestamp()) // 3600) for instant in (window.start, window.end))
    return np.arange(first, end, dtype=np.int64)


def instants_of(hours: Hours) -> pl.Series:
    """UTC instants of whole hours since 1970."""
    return pl.Series("time", hours * 3_600_000_000, dtype=pl.Int64).cast(UTC_US)


def weather(seed: int, hours: Hours, climate: Climate, *, lead_days: int = 0) -> Weather:
    """Return what came (``lead_days`` 0), or what was forecast so many days before; the error grows with the lead."""
    run = f"lead {lead_days}"
    doubt = 0.0 if lead_days == 0 else lead_days**0.6
    year = 2 * np.pi * (hours / _YEAR_H - 0.07)
    day = 2 * np.pi * ((hours + climate.solar_offset_h - 9) % 24) / 24
    spells = 3.0 * smooth(seed, "air mass", hours, every=96) + 1.2 * smooth(seed, "air", hours, every=17)
    wrong = 0.9 * doubt * smooth(seed, f"{run} temperature", hours, every=12)
    warm = climate.mean_c - climate.yearly_c * np.cos(year) + climate.daily_c * np.sin(day) + spells + wrong
    front = 0.8 * smooth(seed, "front", hours, every=30) + 0.6 * smooth(seed, "shower", hours, every=5)
    front = front + 0.25 * doubt * smooth(seed, f"{run} rain", hours, every=8)
    threshold = float(np.sqrt(1 + 0.0625 * doubt**2)) * _threshold(climate.wet_share)
    storm = _storm(seed, hours)
    rain = np.maximum(front - threshold, 0.0) * 2.5 + 4.0 * storm
    gusts = 0.35 * smooth(seed, "wind", hours, every=26) + 0.1 * doubt * smooth(seed, f"{run} wind", hours, every=12)
    wind = climate.wind_kmh * np.exp(gusts) + 45.0 * storm
    return Weather(temperature_2m=warm.round(1), precipitation=rain.round(1), wind_speed_10m=wind.round(1))


def dataset(seed: int, climate: Climate, *, latitude: float, longitude: float) -> dict[str, Any]:
    """Fields of an emulated Open-Meteo: hourly rows of what came, and ``issued`` before."""

    def rows(window: Window) -> pl.DataFrame:
        return _frame(seed, climate, window, 0)

    def issued(window: Window, lead_days: int) -> pl.DataFrame:
        return _frame(seed, climate, window, lead_days)

    return {
        "protocol": "open_meteo",
        "id": "weather",
        "time": "time",
        "rows": rows,
        "issued": issued,
        "latitude": latitude,
        "longitude": longitude,
    }


def _frame(seed: int, climate: Climate, window: Window, lead_days: int) -> pl.DataFrame:
    hours = hours_of(window)
    came = weather(seed, hours, climate, lead_days=lead_days)
    return pl.DataFrame(
        {
            "time": instants_of(hours),
            "temperature_2m": came.temperature_2m,
            "precipitation": came.precipitation,
            "wind_speed_10m": came.wind_speed_10m,
        }
    )


def _threshold(share: float) -> float:
    return float(ndtri(1 - share))


def _storm(seed: int, hours: Hours) -> Floats:
    """Strength 0 to 1 of the one storm of each two months."""
    block, within = np.divmod(hours, _STORM_H)
    start = (uniform(seed, "storm", block) * (_STORM_H - _STORM_LENGTH_H)).astype(np.int64)
    since = within - start
    is_storm = (since >= 0) & (since < _STORM_LENGTH_H)
    return np.where(is_storm, np.sin(np.pi * (since + 0.5) / _STORM_LENGTH_H), 0.0)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Local clock of hours: hour 0–23, weekday 1–7, day number since 1970, and whether the day is a holiday."""

    hour: Hours
    weekday: Hours
    day: Hours
    is_free: NDArray[np.bool_]


def calendar(hours: Hours, tz: str, *, country: str, subdivision: str | None = None) -> Calendar:
    """Local clock and public holidays of whole hours since 1970; shape (n,)."""
    import holidays  # a large table, wanted only while simulating

    local = instants_of(hours).dt.convert_time_zone(tz)
    days = local.dt.date()
    years = days.dt.year().unique().to_list()
    free = pl.Series(list(holidays.country_holidays(country, subdiv=subdivision, years=years)), dtype=pl.Date)
    return Calendar(
        hour=local.dt.hour().cast(pl.Int64).to_numpy(),
        weekday=local.dt.weekday().cast(pl.Int64).to_numpy(),
        day=days.cast(pl.Int32).cast(pl.Int64).to_numpy(),
        is_free=days.is_in(free.implode()).to_numpy(),
    )
