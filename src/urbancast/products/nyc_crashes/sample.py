"""A simulation of the reports' portal in its own schema, dirt included: a pure function of seed, place and hour.

Neutral between neighbourhoods: a zone's level is drawn from the seed and its area, never from what happened there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import shapely

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, from_local, local_clock
from urbancast.geo import places
from urbancast.products.climate import Climate, Hours, calendar, dataset, hours_of, instants_of, weather
from urbancast.products.noise import Floats, drift, key_of, normal, uniform
from urbancast.products.nyc_crashes import roads
from urbancast.products.nyc_crashes.product import PRODUCT, TZ

SEED = 20260102
CLIMATE = Climate(mean_c=13.0, yearly_c=11.5, daily_c=3.5, wet_share=0.10, wind_kmh=15.0, solar_offset_h=-4.9)
INJURY_CRASHES_A_YEAR = 35_000
WATER = (40.590, -74.030)  # open water, off every zone
_UNHURT, _NO_COORDINATES, _IN_WATER, _AT_NULL, _DEFAULT_TIME = 0.15, 0.07, 0.0008, 0.002, 0.013
_DUPLICATE, _LATE = 0.001, 0.004
LATE_AFTER = timedelta(days=10)
_PER_HOUR = 2  # reports a zone-hour holds at most
# How reports fall over the local day: a broad shape of traffic, the same everywhere.
_DAY = np.array(
    [5, 4, 4, 4, 4, 4, 6, 8, 11, 10, 10, 11, 13, 14, 16, 17, 17, 18, 17, 15, 13, 12, 11, 8], dtype=np.float64
)


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the emulated datasets: the reports, the weather and the roads."""
    city = City(seed)
    lon, lat = PRODUCT.centre
    return [
        {
            "protocol": "socrata",
            "id": "h9gi-nx95",
            "time": "crash_date",
            "rows": city.rows,
            "published": _published,
            "revised": city.revised,
        },
        dataset(seed, CLIMATE, latitude=lat, longitude=lon),
        *roads.datasets(seed),
    ]


class City:
    """The simulated reports; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed

    @cached_property
    def places(self) -> pl.DataFrame:
        """Zones with keys, level (reports an hour) and the disc inside the cell where points fall."""
        zones = places.schematic(PRODUCT)
        discs = shapely.maximum_inscribed_circle(shapely.from_wkb(zones["geometry"].to_numpy()), tolerance=1e-4)
        ends = shapely.get_coordinates(discs).reshape(-1, 2, 2)
        keys = np.array([key_of(place) for place in zones["place"]])
        weight = np.sqrt(zones["area_km2"].to_numpy())
        hourly = INJURY_CRASHES_A_YEAR / 8766 / (1 - _UNHURT) / (1 - _NO_COORDINATES)
        return zones.select("place", "part_of").with_columns(
            key=pl.Series(keys, dtype=pl.Int64),
            part=pl.Series([key_of(part) for part in zones["part_of"]], dtype=pl.Int64),
            level=pl.Series(weight / weight.sum() * hourly),
            lon=pl.Series(ends[:, 0, 0]),
            lat=pl.Series(ends[:, 0, 1]),
            radius=pl.Series(0.9 * np.hypot(*(ends[:, 1] - ends[:, 0]).T)),
        )

    @cached_property
    def streets(self) -> roads.Spread:
        """The streets of each zone, on which its crashes fall; a zone without one has them in its disc."""
        shapes = shapely.from_wkb(places.schematic(PRODUCT)["geometry"].to_numpy())
        return roads.Roads(self.seed).spread(shapes)

    def rows(self, window: Window) -> pl.DataFrame:
        """Reports stamped in the window, in the fields of the portal's API, repeated rows among them."""
        around = Window(start=window.start - timedelta(days=1), end=window.end + timedelta(days=1))
        happened = self._happened(hours_of(around))
        instant = from_local(pl.col("stamp"), TZ)
        stamped = happened.filter((instant >= window.start) & (instant < window.end)).sort("stamp", "collision_id")
        times = 1 + (self._drawn(stamped, "duplicate") < _DUPLICATE).astype(np.int64)
        return _as_portal(stamped[np.repeat(np.arange(stamped.height), times)])

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the portal shows them at ``at``: a few reports come days after the others of their day."""
        is_new = _published(pl.col("crash_date")) > pl.lit(at - LATE_AFTER, dtype=UTC_US)
        is_late = uniform(self.seed, "late", frame["collision_id"].cast(pl.Int64).to_numpy()) < _LATE
        return frame.filter(~(is_new & pl.lit(pl.Series(is_late))))

    def _happened(self, hours: Hours) -> pl.DataFrame:
        """Reports of crashes in these hours, one row a crash."""
        rate = self._rate(hours)
        u = uniform(self.seed, "crash", hours[:, None], self.places["key"].to_numpy()[None, :])
        n = (u < 1 - np.exp(-rate)).astype(np.int64) + (u < 0.4 * rate**2)
        hour, zone = np.nonzero(n)
        repeat = n[hour, zone]
        nth = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        hour, zone = np.repeat(hour, repeat), np.repeat(zone, repeat)
        number = (hours[hour] * len(self.places) + zone) * _PER_HOUR + nth
        return self._reported(pl.DataFrame({"collision_id": number, "zone": zone, "hour": instants_of(hours[hour])}))

    def _rate(self, hours: Hours) -> Floats:
        """Expected reports; shape (hours, zones). Rain and season weigh more than in life: something to learn."""
        seed = self.seed
        clock = calendar(hours, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        came = weather(seed, hours, CLIMATE)
        is_weekend = clock.weekday >= 6
        day = (
            np.where(is_weekend, 0.4 * _DAY.mean() + 0.55 * _DAY[(clock.hour - 2) % 24], _DAY[clock.hour]) / _DAY.mean()
        )
        slippery = 0.60 * np.log1p(came.precipitation) + 0.30 * ((came.temperature_2m < 0) & (came.precipitation > 0))
        shared = 0.04 * drift(seed, "day", clock.day) + slippery - 0.40 * clock.is_free
        shared -= 0.01 * np.maximum(came.wind_speed_10m - 35, 0) + 0.35 * np.cos(2 * np.pi * (hours / 8766 - 0.07))
        parts, part_of_zone = np.unique(self.places["part"].to_numpy(), return_inverse=True)
        local = 0.06 * normal(seed, "part day", clock.day[:, None], parts[None, :]) + self._break(hours, parts)
        time = day * np.exp(shared)
        return np.asarray(time[:, None] * self.places["level"].to_numpy()[None, :] * np.exp(local[:, part_of_zone]))

    def _break(self, hours: Hours, parts: Hours) -> Floats:
        """Log level of each part of the city: from a day of each year it is another; shape (hours, parts)."""
        year, within = np.divmod(hours, 8766)
        change = uniform(self.seed, "break day", year[:, None], parts[None, :]) * 8766
        now = year[:, None] + (within[:, None] >= change)
        return 0.07 * normal(self.seed, "level", now, parts[None, :])

    def _reported(self, crashes: pl.DataFrame) -> pl.DataFrame:
        """Add what the report says: stamp on the local clock, place, people; some of it missing or wrong."""
        u = {
            name: self._drawn(crashes, name) for name in ("minute", "round", "angle", "away", "hurt", "killed", "time")
        }
        minute = np.floor(u["minute"] * 60)
        minute = np.where(u["round"] < 0.1, 0, np.where(u["round"] < 0.65, minute // 5 * 5, minute))
        zone = self.places[crashes["zone"].to_numpy()]
        reach = zone["radius"].to_numpy() * np.sqrt(u["away"])
        lat = zone["lat"].to_numpy() + reach * np.sin(2 * np.pi * u["angle"])
        lon = zone["lon"].to_numpy() + reach * np.cos(2 * np.pi * u["angle"])
        street = self.streets.points(crashes["zone"].to_numpy(), u["away"], u["angle"])
        lon, lat = (np.where(np.isnan(at), else_, at) for at, else_ in ((street[:, 0], lon), (street[:, 1], lat)))
        where = self._drawn(crashes, "where")
        gone, water = _NO_COORDINATES, _NO_COORDINATES + _IN_WATER
        lat = np.select([where < gone, where < water, where < water + _AT_NULL], [np.nan, WATER[0], 0.0], lat)
        lon = np.select([where < gone, where < water, where < water + _AT_NULL], [np.nan, WATER[1], 0.0], lon)
        hurt = np.floor(np.log(np.maximum(1 - (u["hurt"] - _UNHURT) / (1 - _UNHURT), 1e-9)) / np.log(0.22)) + 1
        stamp = pl.col("hour").dt.convert_time_zone(TZ).dt.replace_time_zone(None)
        is_default = pl.lit(pl.Series(u["time"] < _DEFAULT_TIME))
        return crashes.with_columns(
            stamp=pl.when(is_default)
            .then(stamp.dt.truncate("1d"))
            .otherwise(stamp + pl.duration(minutes=pl.lit(pl.Series(minute)).cast(pl.Int64))),
            latitude=pl.Series(lat.round(6)).fill_nan(None),
            longitude=pl.Series(lon.round(6)).fill_nan(None),
            injured=pl.Series(np.where(u["hurt"] < _UNHURT, 0, np.minimum(hurt, 15)), dtype=pl.Float64).cast(pl.Int64),
            killed=pl.Series((u["killed"] < 0.006) & (u["hurt"] >= _UNHURT)).cast(pl.Int64),
            borough=zone["part_of"].str.to_uppercase(),
        )

    def _drawn(self, crashes: pl.DataFrame, stream: str) -> Floats:
        """Uniform values of a stream, one a report; shape (n,)."""
        return uniform(self.seed, stream, crashes["collision_id"].cast(pl.Int64).to_numpy())


def _published(crash_date: pl.Expr) -> pl.Expr:
    """When the portal shows a report: three days after the next local day, at six."""
    noon = crash_date.str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f", time_unit="us") + pl.duration(hours=12)
    return local_clock(from_local(noon, TZ), TZ, days=4, hour=6)


def _as_portal(reports: pl.DataFrame) -> pl.DataFrame:
    """Fields of the API; the date and the time of day stand apart, both local."""
    return reports.select(
        crash_date=pl.col("stamp").dt.strftime("%Y-%m-%dT00:00:00.000"),
        crash_time=pl.col("stamp").dt.strftime("%-H:%M"),
        borough="borough",
        latitude="latitude",
        longitude="longitude",
        number_of_persons_injured="injured",
        number_of_persons_killed="killed",
        contributing_factor_vehicle_1=pl.lit("Unspecified"),
        collision_id=pl.col("collision_id").cast(pl.String),
        vehicle_type_code1=pl.lit("Sedan"),
    )
