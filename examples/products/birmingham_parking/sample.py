"""A simulation of the readings' file in its own schema, dirt included: a pure function of seed, car park and half hour.

Car parks, sizes and levels are drawn from the seed: none of it exists.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, from_local
from urbancast.geo import places
from urbancast.products.climate import calendar
from urbancast.products.noise import Floats, drift, key_of, normal, smooth, uniform

from .product import PRODUCT, TZ, is_open  # noqa: TID252 - a folder outside a package knows no absolute name of its own

SEED = 20260161
START = datetime(2025, 8, 1, tzinfo=UTC)
CORRECTED_AFTER = timedelta(days=4)
_MISSING, _DUPLICATE, _NEGATIVE, _CORRECTED, _JAM = 0.01, 0.002, 0.0008, 0.004, 0.002
_FORM = "%Y-%m-%d %H:%M:%S"
_HALF = 1800


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the one emulated dataset: the file of readings so far."""
    city = City(seed)
    return [
        {
            "protocol": "file",
            "id": "birmingham_readings",
            "time": "LastUpdated",
            "rows": city.rows,
            "published": _published,
            "revised": city.revised,
            "separator": ",",
            "start": START,
        }
    ]


class City:
    """The simulated car parks; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed
        self.places = places.read(PRODUCT.folder / "places.csv")
        self.keys = np.array([key_of(place) for place in self.places["place"]])
        self.spaces = (200 + 1300 * uniform(seed, "spaces", self.keys) ** 2).astype(np.int64)

    def rows(self, window: Window) -> pl.DataFrame:
        """Readings taken in the window, in the columns of the file, repeated rows among them."""
        first, end = (int(instant.timestamp()) // _HALF for instant in (window.start, window.end))
        halves = np.arange(first - 1, end + 2, dtype=np.int64)
        halves = halves[is_open(_instants(halves * _HALF)).to_numpy()]
        at, who = halves[:, None], self.keys[None, :]
        away = (60 * np.abs(normal(self.seed, "away", at, who))).clip(0, 800).astype(np.int64)
        second = at * _HALF + np.where(uniform(self.seed, "side", at, who) < 0.6, -away, away)
        is_sent = (uniform(self.seed, "missing", at, who) >= _MISSING) & (second >= window.start.timestamp())
        is_sent &= second < window.end.timestamp()
        times = is_sent * (1 + (uniform(self.seed, "duplicate", at, who) < _DUPLICATE))
        row, park = np.nonzero(times.T)[::-1]
        repeat = times[row, park]
        row, park = np.repeat(row, repeat), np.repeat(park, repeat)
        taken = self._taken(halves)[row, park]
        local = _instants(second[row, park]).dt.convert_time_zone(TZ)
        return pl.DataFrame(
            {
                "SystemCodeNumber": self.places["place"][park],
                "Capacity": self.spaces[park],
                "Occupancy": taken,
                "LastUpdated": local.dt.strftime(_FORM),
            }
        )

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the file held them at ``at``: some readings are too low until four days later."""
        is_new = _published(pl.col("LastUpdated")) > pl.lit(at - CORRECTED_AFTER, dtype=UTC_US)
        seconds = frame["LastUpdated"].str.to_datetime(_FORM, time_unit="us").dt.epoch("s").to_numpy()
        codes = {place: int(key) for place, key in zip(self.places["place"], self.keys, strict=True)}
        parks = frame["SystemCodeNumber"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
        is_low = pl.Series(uniform(self.seed, "corrected", seconds, parks) < _CORRECTED)
        low = (pl.col("Occupancy") * 0.8).cast(pl.Int64)
        return frame.with_columns(pl.when(is_new & pl.lit(is_low)).then(low).otherwise("Occupancy").alias("Occupancy"))

    def _taken(self, halves: Any) -> Any:
        """Cars counted; shape (half hours, car parks)."""
        seed, at, who = self.seed, halves[:, None], self.keys[None, :]
        clock = calendar(halves // 2, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        hour = (clock.hour + (halves % 2) / 2)[:, None]
        is_free = ((clock.weekday == 7) | clock.is_free)[:, None]
        peak = 12.5 + 1.2 * normal(seed, "peak", who) + 1.0 * is_free
        shape = np.exp(-0.5 * ((hour - peak) / (2.6 + uniform(seed, "width", who))) ** 2)
        top = 0.45 + 0.5 * uniform(seed, "top", who) - 0.2 * is_free * uniform(seed, "free", who)
        shared = 0.06 * drift(seed, "day", clock.day)[:, None] + 0.02 * smooth(seed, "hours", halves, every=5)[:, None]
        own = 0.05 * normal(seed, "park day", clock.day[:, None], who) + 0.015 * normal(seed, "half", at, who)
        share = np.clip(0.08 + top * shape * (1 + shared) + own, 0.0, 1.02)
        cars = (share * self.spaces[None, :]).astype(np.int64)
        cars = np.where(uniform(seed, "negative", at, who) < _NEGATIVE, -3, cars)
        return np.where(uniform(seed, "jam", at, who) < _JAM, cars + 2 * self.spaces[None, :], cars)


def _instants(seconds: Any) -> pl.Series:
    flat: Floats = np.asarray(seconds, dtype=np.int64) * 1_000_000
    return pl.Series("time", flat, dtype=pl.Int64).cast(UTC_US)


def _published(taken: pl.Expr) -> pl.Expr:
    """When the file holds a reading: when its half hour ends."""
    local = taken.str.to_datetime(_FORM, time_unit="us")
    return from_local(local.dt.round("30m"), TZ) + pl.duration(minutes=30)
