"""A simulation of the commission's file in its own schema, dirt included: a pure function of seed and absolute hour.

Neutral between neighbourhoods: every zone sends and gets as many trips as its area's root says, never what happened.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import from_local
from urbancast.geo import places
from urbancast.geo.metric import distance_m
from urbancast.products.climate import Hours, hours_of, instants_of
from urbancast.products.noise import Floats, drift, normal, uniform

from .observe import published  # noqa: TID252 - a folder outside a package knows no absolute name of its own
from .product import PRODUCT, TZ  # noqa: TID252

SEED = 20260104
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
A_DAY = np.array([2, 1, 1, 1, 1, 2, 4, 7, 9, 8, 8, 8, 9, 9, 10, 11, 11, 12, 12, 10, 8, 7, 5, 3], dtype=np.int64)
NEAR = 24  # zones a trip may go to: the nearest ones
SLOW = np.array([0, 0, 0, 0, 0, 0, 1, 3, 4, 3, 2, 2, 3, 3, 4, 5, 5, 5, 4, 2, 1, 1, 0, 0]) / 10
_SHORT, _BACK, _STRAY_METER, _UNKNOWN, _TWICE = 0.01, 0.004, 0.004, 0.01, 0.001


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the one emulated file."""
    city = City(seed)
    return [
        {
            "protocol": "file",
            "id": "green_tripdata",
            "form": "parquet",
            "time": "lpep_pickup_datetime",
            "start": FIRST,
            "rows": city.rows,
            "published": lambda at: published(from_local(at, TZ)),
        }
    ]


class City:
    """The simulated trips; ``rows`` is pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed

    @cached_property
    def zones(self) -> pl.DataFrame:
        """Zones of the product, in order."""
        return places.read(PRODUCT.folder / "places.csv")

    @cached_property
    def near(self) -> tuple[Hours, Floats]:
        """Nearest zones of each zone, itself first, and their distance in km; shapes (zones, NEAR)."""
        lon, lat = self.zones["lon"].to_numpy(), self.zones["lat"].to_numpy()
        apart = distance_m(lon[:, None], lat[:, None], to_lon=lon[None, :], to_lat=lat[None, :]) / 1000
        apart[np.arange(len(lon)), np.arange(len(lon))] = 0.4
        order = np.argsort(apart, axis=1, kind="stable")[:, :NEAR]
        return order, np.take_along_axis(apart, order, axis=1)

    def rows(self, window: Window) -> pl.DataFrame:
        """Trips that start in the window, in the fields of the file, repeated rows among them."""
        hours = hours_of(window)
        local = instants_of(hours).dt.convert_time_zone(TZ)
        clock = local.dt.hour().to_numpy()
        count = A_DAY[clock]
        hour, at = np.repeat(hours, count), np.repeat(clock, count)
        nth = np.arange(len(hour)) - np.repeat(np.cumsum(count) - count, count)
        number = hour * 64 + nth
        start = np.minimum((self._drawn(number, "from") * len(self.zones)).astype(np.int64), len(self.zones) - 1)
        rank = np.minimum((self._drawn(number, "to") ** 2 * NEAR).astype(np.int64), NEAR - 1)
        end, km = self.near[0][start, rank], self.near[1][start, rank]
        day_shock = 0.06 * drift(self.seed, "day", hour // 24)
        minutes = (3 + 3.4 * km**0.85) * np.exp(SLOW[at] + day_shock + 0.28 * normal(self.seed, "trip", number))
        return self._told(number, (start, end), minutes, km)

    def _told(self, number: Hours, ends: tuple[Hours, Hours], minutes: Floats, km: Floats) -> pl.DataFrame:
        """Rows as the file has them: some end at once, some are money back, some meters ran on."""
        fate = self._drawn(number, "fate")
        minutes = np.where(fate < _SHORT, 0.4, minutes)
        minutes = np.where((fate > 1 - _STRAY_METER), 1430.0, minutes)
        fare = np.where((fate > 0.5) & (fate < 0.5 + _BACK), -1, 1) * (3 + 1.6 * km + 0.4 * minutes)
        ids = self.zones["place"].cast(pl.Int64).to_numpy()
        target = np.where(self._drawn(number, "unknown") < _UNKNOWN, 265, ids[ends[1]])
        local = instants_of(number // 64).dt.convert_time_zone(TZ).dt.replace_time_zone(None)
        offset = pl.Series(np.floor(self._drawn(number, "second") * 3600)).cast(pl.Int64)
        frame = pl.DataFrame(
            {
                "VendorID": pl.Series(1 + (fate * 1000).astype(np.int64) % 2),
                "_hour": local,
                "_second": offset,
                "_minutes": minutes,
                "PULocationID": ids[ends[0]],
                "DOLocationID": target,
                "passenger_count": np.ones(len(number)),
                "trip_distance": (km * 1.25 / 1.609344).round(2),
                "fare_amount": fare.round(2),
                "total_amount": (fare * 1.2).round(2),
            }
        )
        began = pl.col("_hour") + pl.duration(seconds=pl.col("_second"))
        frame = frame.with_columns(
            lpep_pickup_datetime=began,
            lpep_dropoff_datetime=began + pl.duration(seconds=(pl.col("_minutes") * 60).round().cast(pl.Int64)),
        ).drop("_hour", "_second", "_minutes")
        return frame[np.repeat(np.arange(frame.height), 1 + (self._drawn(number, "twice") < _TWICE))]

    def _drawn(self, number: Hours, stream: str) -> Floats:
        """Uniform values of a stream, one a trip; shape (n,)."""
        return uniform(self.seed, stream, number)
