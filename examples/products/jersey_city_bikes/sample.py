"""A simulation of the operator's trip file in its own schema, dirt included: a pure function of seed, station and hour.

Stations, levels and trips are drawn from the seed: no station of it exists.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, from_local, local_clock
from urbancast.geo import places
from urbancast.products.climate import Climate, Hours, calendar, hours_of, instants_of, weather
from urbancast.products.noise import Floats, counts, drift, key_of, normal, uniform

from .product import PRODUCT, TZ  # noqa: TID252 - a folder outside a package knows no absolute name of its own

SEED = 20260160
START = datetime(2025, 5, 1, tzinfo=UTC)
LATE_AFTER = timedelta(days=4)
CLIMATE = Climate(mean_c=13.0, yearly_c=11.5, daily_c=3.5, wet_share=0.10, wind_kmh=15.0, solar_offset_h=-4.9)
_DUPLICATE, _LATE, _NAMELESS, _BACKWARDS = 0.001, 0.004, 0.0005, 0.0005
_DAY = np.array([1, 1, 0, 0, 0, 1, 4, 8, 9, 5, 4, 4, 5, 5, 5, 6, 8, 10, 9, 7, 5, 4, 3, 2], dtype=np.float64)
_FORM = "%Y-%m-%d %H:%M:%S"
_BIKES = 600


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the one emulated dataset: the file of trips so far."""
    city = City(seed)
    return [
        {
            "protocol": "file",
            "id": "jersey_city_trips",
            "time": "Start Time",
            "rows": city.rows,
            "published": _published,
            "revised": city.revised,
            "separator": ",",
            "start": START,
        }
    ]


class City:
    """The simulated stations; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed
        self.places = places.read(PRODUCT.folder / "places.csv")
        self.keys = np.array([key_of(place) for place in self.places["place"]])

    def rows(self, window: Window) -> pl.DataFrame:
        """Trips that started in the window, in the columns of the file, repeated rows among them."""
        around = Window(start=window.start - timedelta(days=1), end=window.end + timedelta(days=1))
        trips = self._trips(hours_of(around))
        instant = from_local(pl.col("at"), TZ)
        inside = trips.filter((instant >= window.start) & (instant < window.end)).sort("at", "number")
        times = 1 + (self._drawn(inside, "duplicate") < _DUPLICATE).astype(np.int64)
        return self._as_file(inside[np.repeat(np.arange(inside.height), times)])

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the file held them at ``at``: a few trips come days after the others of their day."""
        is_new = _published(pl.col("Start Time")) > pl.lit(at - LATE_AFTER, dtype=UTC_US)
        keys = frame["Bike ID"].cast(pl.Int64).to_numpy() * 100_003 + _seconds(frame["Start Time"])
        is_late = pl.Series(uniform(self.seed, "late", keys) < _LATE)
        return frame.filter(~(is_new & pl.lit(is_late)))

    def _trips(self, hours: Hours) -> pl.DataFrame:
        n = counts(self._mean(hours), normal(self.seed, "count", hours[:, None], self.keys[None, :])).astype(np.int64)
        hour, who = np.nonzero(n)
        repeat = n[hour, who]
        nth = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        hour, who = np.repeat(hour, repeat), np.repeat(who, repeat)
        number = (hours[hour] * len(self.keys) + who) * 256 + nth
        second = (uniform(self.seed, "second", number) * 3600).astype(np.int64)
        local = instants_of(hours[hour]).dt.convert_time_zone(TZ).dt.replace_time_zone(None)
        at = pl.Series("at", local) + pl.Series(second * 1_000_000).cast(pl.Duration("us"))
        return pl.DataFrame({"number": number, "who": who, "at": at})

    def _mean(self, hours: Hours) -> Floats:
        """Expected trips; shape (hours, stations)."""
        clock = calendar(hours, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        came = weather(self.seed, hours, CLIMATE)
        is_free = (clock.weekday >= 6) | clock.is_free
        day = np.where(is_free, 0.6 * _DAY.mean() + 0.4 * _DAY[(clock.hour - 3) % 24], _DAY[clock.hour]) / _DAY.sum()
        shared = 0.12 * drift(self.seed, "day", clock.day) - 0.35 * np.log1p(came.precipitation)
        shared += 0.02 * (came.temperature_2m - CLIMATE.mean_c) - 0.25 * is_free
        level = np.log(15) + 0.8 * normal(self.seed, "level", self.keys)
        own = 0.15 * normal(self.seed, "station day", clock.day[:, None], self.keys[None, :])
        return np.asarray(day[:, None] * np.exp(shared[:, None] + level[None, :] + own))

    def _as_file(self, trips: pl.DataFrame) -> pl.DataFrame:
        minutes = 3 + 20 * self._drawn(trips, "minutes")
        minutes = np.where(self._drawn(trips, "backwards") < _BACKWARDS, -minutes, minutes)
        length = pl.Series((minutes * 60).astype(np.int64) * 1_000_000).cast(pl.Duration("us"))
        start = self.places[trips["who"].to_numpy()]
        end = self.places[(self._drawn(trips, "end") * self.places.height).astype(np.int64)]
        is_nameless = pl.Series(self._drawn(trips, "nameless") < _NAMELESS)
        return pl.DataFrame(
            {
                "Trip Duration": pl.Series(np.abs(minutes * 60).astype(np.int64)),
                "Start Time": trips["at"].dt.strftime(_FORM),
                "Stop Time": (trips["at"] + length).dt.strftime(_FORM),
                **_station("Start", start),
                **_station("End", end),
                "Bike ID": pl.Series((self._drawn(trips, "bike") * _BIKES).astype(np.int64) + 1),
                "User Type": pl.Series(["Subscriber"] * trips.height, dtype=pl.String),
                "Birth Year": pl.Series([None] * trips.height, dtype=pl.Int64),
                "Gender": pl.Series([0] * trips.height, dtype=pl.Int64),
            }
        ).with_columns(
            pl.when(pl.lit(is_nameless)).then(pl.lit("")).otherwise("Start Station ID").alias("Start Station ID")
        )

    def _drawn(self, trips: pl.DataFrame, stream: str) -> Floats:
        return uniform(self.seed, stream, trips["number"].to_numpy())


def _station(end: str, rows: pl.DataFrame) -> dict[str, pl.Series]:
    named = {"ID": "place", "Name": "name", "Latitude": "lat", "Longitude": "lon"}
    return {f"{end} Station {title}": rows[name] for title, name in named.items()}


def _published(start: pl.Expr) -> pl.Expr:
    """When the file holds a trip: at the end of its local day."""
    return local_clock(from_local(start.str.to_datetime(_FORM, time_unit="us"), TZ), TZ, days=1, hour=0)


def _seconds(start: pl.Series) -> Any:
    return start.str.to_datetime(_FORM, time_unit="us").dt.epoch("s").to_numpy()
