"""A simulation of the trips' portal in its own schema, dirt included: a pure function of seed, place and hour.

Neutral between neighbourhoods: an area's level is drawn from the seed and its size, never from who rode there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, from_local
from urbancast.geo import places
from urbancast.geo.metric import distance_m
from urbancast.products.chicago_scooters.observe import published
from urbancast.products.chicago_scooters.product import PRODUCT, TZ
from urbancast.products.climate import Climate, Hours, calendar, dataset, hours_of, instants_of, weather
from urbancast.products.noise import Floats, counts, drift, key_of, normal, uniform

SEED = 20260104
CLIMATE = Climate(mean_c=10.5, yearly_c=13.5, daily_c=3.5, wet_share=0.10, wind_kmh=18.0, solar_offset_h=-5.8)
TRIPS_A_DAY = 800.0
_YEAR_H = 8766
_DUPLICATE, _LATE, _BACKWARDS, _FAR, _TEST = 0.002, 0.004, 0.0008, 0.0005, 0.0008
_NO_END, _NO_START, _NEITHER = 0.012, 0.008, 0.0008
LATE_AFTER = timedelta(days=3)
VENDORS = ("alpha", "bravo", "charlie")
_MOST = 64  # trips of one area and hour
# How trips fall over the local day.
_DAY = np.array(
    [2, 1, 1, 0.5, 0.5, 2, 4, 7, 9, 8, 8, 10, 12, 12, 12, 13, 16, 19, 18, 15, 12, 9, 6, 4], dtype=np.float64
)


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the emulated datasets: the trips and the weather."""
    city = City(seed)
    lon, lat = PRODUCT.centre
    return [
        {
            "protocol": "socrata",
            "id": "2i5w-ykuw",
            "time": "start_time",
            "rows": city.rows,
            "published": _published,
            "revised": city.revised,
        },
        dataset(seed, CLIMATE, latitude=lat, longitude=lon),
    ]


class City:
    """The simulated trips; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed

    @cached_property
    def places(self) -> pl.DataFrame:
        """Areas with key and level, the share of the city's trips that start there."""
        areas = places.read(PRODUCT.folder / "places.csv")
        keys = np.array([key_of(place) for place in areas["place"]])
        weight = np.sqrt(areas["area_km2"].to_numpy()) * np.exp(0.9 * normal(self.seed, "level", keys))
        return areas.with_columns(key=pl.Series(keys, dtype=pl.Int64), level=pl.Series(weight / weight.sum()))

    @cached_property
    def ends(self) -> tuple[Floats, Floats, Floats]:
        """Share of trips from each area that end in each, cumulative, on weekdays and weekends; distances in km."""
        areas = self.places
        lon, lat = areas["lon"].to_numpy(), areas["lat"].to_numpy()
        km = np.stack([distance_m(lon[i], lat[i], to_lon=lon, to_lat=lat) for i in range(len(lon))]) / 1000
        pulls = []
        for day in ("weekday", "weekend"):
            pull = areas["level"].to_numpy() * np.exp(0.25 * normal(self.seed, f"pull {day}", areas["key"].to_numpy()))
            share = pull[None, :] * np.exp(-km / 2.2)
            pulls.append(np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1))
        return pulls[0], pulls[1], km

    def rows(self, window: Window) -> pl.DataFrame:
        """Trips that start in the window's hours, in the fields of the portal's API, repeated rows among them."""
        hours = hours_of(window)
        n = self._counted(hours) if len(hours) else np.zeros((0, self.places.height), dtype=np.int64)
        hour, area = np.nonzero(n)
        repeat = n[hour, area]
        nth = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        hour, area = np.repeat(hour, repeat), np.repeat(area, repeat)
        number = (hours[hour] * self.places.height + area) * _MOST + nth
        trips = self._told(number, hours[hour], area)
        times = 1 + (uniform(self.seed, "duplicate", number) < _DUPLICATE).astype(np.int64)
        return trips[np.repeat(np.arange(trips.height), times)]

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the portal shows them at ``at``: a few trips come days after the others of their day."""
        is_new = _published(pl.col("start_time")) > pl.lit(at - LATE_AFTER, dtype=UTC_US)
        number = frame["trip_id"].str.slice(-12).str.to_integer(base=16).to_numpy()
        is_late = uniform(self.seed, "late", number) < _LATE
        return frame.filter(~(is_new & pl.lit(pl.Series(is_late, dtype=pl.Boolean))))

    def _counted(self, hours: Hours) -> Any:
        """Trips that start; shape (hours, areas)."""
        seed, who = self.seed, self.places["key"].to_numpy()[None, :]
        clock = calendar(hours, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        came = weather(seed, hours, CLIMATE)
        is_free = (clock.weekday >= 6) | clock.is_free
        late = _DAY[(clock.hour - 2) % 24]
        shape = np.where(is_free, 0.85 * late + 0.3 * _DAY.mean(), _DAY[clock.hour]) / _DAY.mean() / 24
        lean = 0.5 * normal(seed, "lean", who) * np.where(is_free, 1.0, -0.4)[:, None]
        shared = 0.10 * drift(seed, "day", clock.day) - 0.45 * np.log1p(came.precipitation)
        shared += 0.022 * np.clip(came.temperature_2m - 12, -15, 12) - 0.012 * np.maximum(came.wind_speed_10m - 28, 0)
        own = 0.15 * normal(seed, "area day", clock.day[:, None], who) + self._step(hours)
        mean = TRIPS_A_DAY * shape[:, None] * self.places["level"].to_numpy()[None, :]
        mean = mean * np.exp(shared[:, None] + lean + own)
        drawn = counts(mean, normal(seed, "count", hours[:, None], who))
        return np.minimum(drawn, _MOST - 1).astype(np.int64)

    def _step(self, hours: Hours) -> Floats:
        """Log level of each area: from a day of each year on it is another, far another for a few."""
        who = self.places["key"].to_numpy()[None, :]
        year, within = np.divmod(hours, _YEAR_H)
        now = year[:, None] + (within[:, None] >= uniform(self.seed, "break day", year[:, None], who) * _YEAR_H)
        size = np.where(uniform(self.seed, "break", now, who) < 0.1, 0.5, 0.05)
        return np.asarray(size * normal(self.seed, "level now", now, who))

    def _told(self, number: Any, hour: Hours, area: Any) -> pl.DataFrame:
        """What the portal says of trips; some of it missing or wrong."""
        u = {name: uniform(self.seed, name, number) for name in ("end", "pace", "wrong", "unknown", "vendor", "minute")}
        weekday, weekend, km = self.ends
        is_weekend = instants_of(hour).dt.convert_time_zone(TZ).dt.weekday().to_numpy() >= 6
        to = np.empty(len(number), dtype=np.int64)
        for table, where in ((weekday, ~is_weekend), (weekend, is_weekend)):
            for start in np.unique(area[where]):
                own = where & (area == start)
                to[own] = np.minimum(np.searchsorted(table[start], u["end"][own]), table.shape[1] - 1)
        metres = 400 + 1000 * km[area, to] * (1.1 + 0.6 * u["pace"]) + 800 * u["minute"]
        seconds = metres / (2.2 + 2.0 * u["pace"])
        wrong = np.cumsum([_BACKWARDS, _FAR, _TEST])
        metres = np.where((u["wrong"] >= wrong[0]) & (u["wrong"] < wrong[1]), metres * 500, metres)
        seconds = np.where(u["wrong"] < wrong[0], -seconds, seconds)
        vendor = np.array(VENDORS)[(u["vendor"] * len(VENDORS)).astype(np.int64)]
        vendor = np.where((u["wrong"] >= wrong[1]) & (u["wrong"] < wrong[2]), "test vendor", vendor)
        gone = np.cumsum([_NEITHER, _NO_END, _NO_START])
        has_end = u["unknown"] >= gone[1]
        has_start = (u["unknown"] >= gone[2]) | ((u["unknown"] >= gone[0]) & ~has_end)
        # The portal rounds both times to the hour.
        ends = hour + np.where(seconds < 0, -1, np.floor(seconds / 3600 + u["minute"])).astype(np.int64)
        return self._frame(number, (hour, ends), (area, to), (metres, seconds), vendor, (has_start, has_end))

    def _frame(  # noqa: PLR0917 - one argument a part of a row
        self, number: Any, times: Any, areas: Any, sizes: Any, vendor: Any, known: Any
    ) -> pl.DataFrame:
        hexed = [f"{n:012x}" for n in number.tolist()]
        ids = self.places["place"]
        start, end = (
            pl.when(pl.lit(pl.Series(is_known, dtype=pl.Boolean))).then(pl.lit(ids.gather(area)))
            for area, is_known in zip(areas, known, strict=True)
        )
        base: pl.DataFrame = pl.DataFrame({"trip_id": pl.Series(hexed, dtype=pl.String)})
        return base.select(
            trip_id=pl.concat_str(pl.lit("5c007e25-0000-4000-8000-"), "trip_id"),
            start_time=_stamp(times[0]),
            end_time=_stamp(times[1]),
            trip_distance=pl.Series(np.rint(sizes[0]), dtype=pl.Float64).cast(pl.Int64),
            trip_duration=pl.Series(np.rint(sizes[1]), dtype=pl.Float64).cast(pl.Int64),
            vendor=pl.Series(vendor, dtype=pl.String),
            start_community_area_number=start.cast(pl.Int64),
            end_community_area_number=end.cast(pl.Int64),
        )


def _stamp(hours: Hours) -> pl.Series:
    """Floating local time as the portal writes it."""
    return instants_of(hours).dt.convert_time_zone(TZ).dt.strftime("%Y-%m-%dT%H:%M:%S.000")


def _published(start_time: pl.Expr) -> pl.Expr:
    """When the portal shows a trip: the day after it started, at six."""
    local = start_time.str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f", time_unit="us")
    return published(from_local(local, TZ))
