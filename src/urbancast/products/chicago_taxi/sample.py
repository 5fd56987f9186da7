"""A simulation of the trips' portal in its own schema, dirt included: a pure function of seed, place and hour.

Neutral between neighbourhoods: how many trips an area sees follows from its size, its distance from the centre and
the airports alone; how slow they are, from distance, hour, day and rain.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha1
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, from_local, local_clock
from urbancast.geo import places
from urbancast.geo.metric import distance_m
from urbancast.products.chicago_taxi.product import PRODUCT, TZ
from urbancast.products.climate import Calendar, Climate, Hours, calendar, dataset, hours_of, weather
from urbancast.products.noise import Floats, counts, drift, normal, uniform

SEED = 20260105
CLIMATE = Climate(mean_c=10.5, yearly_c=13.0, daily_c=3.8, wet_share=0.11, wind_kmh=17.0, solar_offset_h=-5.9)
TRIPS_A_DAY = 1_500
LATE_AFTER = timedelta(days=10)
LATE = "00"  # trips whose id begins with this come to the portal late: 1 in 256
_MOST = 4_000  # trips an hour holds at most
_HUBS = {"76": 0.10, "56": 0.03}  # share of the ends of trips
_CENTRE_KM, _TRIP_KM = 1.7, 3.0
_LOST_START, _LOST_END, _LOST_BOTH = 0.035, 0.055, 0.03
_FAULTS = {
    "idle": 0.03,
    "brief": 0.02,
    "refund": 0.002,
    "absurd": 0.0015,
    "left on": 0.0012,
    "torn": 0.0006,
    "gone": 0.0002,
}
_IDLE, _BRIEF, _REFUND, _ABSURD, _LEFT_ON, _TORN, _GONE = range(len(_FAULTS))
_TWICE = 0.001
_DAY = np.array(
    [22, 15, 9, 6, 7, 14, 30, 58, 82, 84, 82, 84, 88, 88, 94, 100, 108, 114, 106, 92, 72, 58, 46, 32], dtype=np.float64
)
_RUSH = np.array(
    [-15, -18, -18, -18, -14, -6, 6, 24, 30, 18, 8, 6, 8, 9, 14, 22, 32, 36, 24, 8, -2, -6, -9, -12], dtype=np.float64
)


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the emulated datasets: the trips and the weather."""
    lon, lat = PRODUCT.centre
    trips = City(seed)
    return [
        {
            "protocol": "socrata",
            "id": "wrvz-psew",
            "time": "trip_start_timestamp",
            "rows": trips.rows,
            "published": _published,
            "revised": _revised,
        },
        dataset(seed, CLIMATE, latitude=lat, longitude=lon),
    ]


class City:
    """The simulated trips; ``rows`` is pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed

    @cached_property
    def areas(self) -> pl.DataFrame:
        """Areas with their weight as an end of trips."""
        known = places.read(PRODUCT.folder / "places.csv")
        lon, lat = (known[name].to_numpy() for name in ("lon", "lat"))
        out = distance_m(lon, lat, to_lon=-87.630, to_lat=41.886) / 1000
        weight = known["area_km2"].to_numpy() ** 0.4 * np.exp(-out / _CENTRE_KM)
        is_hub = known["place"].is_in(list(_HUBS)).to_numpy()
        weight = np.where(is_hub, 0.0, weight)
        hubs = known["place"].replace_strict(_HUBS, default=0.0, return_dtype=pl.Float64).to_numpy()
        return known.with_columns(weight=pl.Series(weight / weight.sum() * (1 - sum(_HUBS.values())) + hubs))

    @cached_property
    def km(self) -> Floats:
        """Kilometres driven between areas on the shortest way; shape (areas, areas)."""
        lon, lat = (self.areas[name].to_numpy() for name in ("lon", "lat"))
        apart = distance_m(lon[:, None], lat[:, None], to_lon=lon[None, :], to_lat=lat[None, :]) / 1000
        within = 0.45 * np.sqrt(self.areas["area_km2"].to_numpy())
        return np.asarray(np.where(np.eye(len(lon), dtype=bool), within[:, None], apart) * 1.3)

    @cached_property
    def pairs(self) -> Floats:
        """Cumulated shares of trips by pair of areas; shape (areas²,)."""
        weight = self.areas["weight"].to_numpy()
        is_hub = self.areas["place"].is_in(list(_HUBS)).to_numpy()
        near = np.exp(-self.km / 1.3 / _TRIP_KM)
        near = np.where(is_hub[:, None] | is_hub[None, :], 0.45, near) * (1 - 0.6 * np.eye(len(weight)))
        share = weight[:, None] * weight[None, :] * near
        return np.asarray(np.cumsum(share / share.sum()))

    def rows(self, window: Window) -> pl.DataFrame:
        """Trips stamped in the window, in the fields of the portal's API, repeated rows among them."""
        hours = hours_of(Window(start=window.start - timedelta(hours=1), end=window.end))
        trips = self._driven(hours)
        at = pl.col("start")
        trips = trips.filter(at >= window.start, at < window.end)
        times = 1 + (self._u("twice", trips["number"].to_numpy()) < _TWICE).astype(np.int64)
        return self._as_portal(trips[np.repeat(np.arange(trips.height), times)])

    def _driven(self, hours: Hours) -> pl.DataFrame:
        """Trips that start in these hours: number, ends, start and end (UTC, to the quarter), seconds, kilometres."""
        clock = calendar(hours, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        n = np.minimum(self._counts(hours, clock), _MOST).astype(np.int64)
        at = np.repeat(np.arange(len(hours)), n)
        nth = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        number = hours[at] * _MOST + nth
        pair = np.minimum(np.searchsorted(self.pairs, self._u("pair", number)), len(self.pairs) - 1)
        start, end = np.divmod(pair, len(self.areas))
        km = self.km[start, end] * np.exp(0.12 * self._n("detour", number))
        seconds = 60 * self._minutes(number, start, end) * np.exp(self._slowness(hours, clock)[at])
        fault = np.digitize(self._u("fault", number), np.cumsum(list(_FAULTS.values())))
        seconds = np.select([fault == _IDLE, fault == _BRIEF, fault == _LEFT_ON],
                            [0.0, self._u("brief", number) * 60, 25_000 + 40 * seconds], seconds)  # fmt: skip
        stamped = _quarters(hours[at], self._u("minute", number) * 60, seconds / 60)
        ends = {"from": start, "to": end, "fault": fault}
        return pl.DataFrame({"number": number, **ends, "seconds": seconds, "km": km, **stamped})

    def _counts(self, hours: Hours, clock: Calendar) -> Floats:
        is_weekend = clock.weekday >= 6
        shape = np.where(is_weekend, 0.75 * _DAY[(clock.hour - 2) % 24], _DAY[clock.hour]) / _DAY.mean()
        came = weather(self.seed, hours, CLIMATE)
        shared = 0.10 * drift(self.seed, "day", clock.day) - 0.3 * clock.is_free + 0.10 * np.log1p(came.precipitation)
        mean = TRIPS_A_DAY / 24 * shape * np.exp(shared + 0.12 * normal(self.seed, "hour", hours))
        return counts(mean, normal(self.seed, "count", hours))

    def _slowness(self, hours: Hours, clock: Calendar) -> Floats:
        """Logarithm of how much longer trips take in each hour: rush, rain, cold, the day's own mood."""
        came = weather(self.seed, hours, CLIMATE)
        is_free = (clock.weekday >= 6) | clock.is_free
        rush = np.where(is_free, 0.45 * _RUSH[(clock.hour - 2) % 24] - 4, _RUSH[clock.hour]) / 100
        rain = 0.11 * np.log1p(came.precipitation) + 0.10 * ((came.temperature_2m < 0) & (came.precipitation > 0))
        day = 0.05 * drift(self.seed, "jam day", clock.day) + 0.04 * normal(self.seed, "jam", hours)
        return np.asarray(rush + rain + day)

    def _minutes(self, number: Hours, start: Hours, end: Hours) -> Floats:
        """Minutes of each trip in an hour of average traffic: lognormal, with a heavy tail."""
        usual = 3.2 + 2.15 * self.km[start, end] ** 0.84
        pair = 0.10 * normal(self.seed, "pair", start, end)
        one = 0.24 * self._n("trip", number) + (self._u("held up", number) < 0.02) * 0.9 * self._u("how long", number)
        return np.asarray(usual * np.exp(pair + one))

    def _as_portal(self, trips: pl.DataFrame) -> pl.DataFrame:
        """Fields of the API; some missing, some wrong."""
        number, fault = trips["number"].to_numpy(), pl.col("fault")
        lost = self._u("lost", number)
        both, start = lost < _LOST_BOTH, lost < _LOST_BOTH + _LOST_START
        ids = [sha1(f"{self.seed}/{n}".encode(), usedforsecurity=False).hexdigest() for n in number.tolist()]
        km = pl.when((fault == _IDLE) | (fault == _BRIEF)).then(0.0).when(fault == _ABSURD).then(25 * pl.col("km"))
        trips = trips.with_columns(km=km.otherwise("km"))
        fare = (3.25 + 1.6 * pl.col("km") + 0.004 * pl.col("seconds").clip(upper_bound=7200)).round(2)
        fare = pl.when(fault == _REFUND).then(-fare).otherwise(fare)
        tips = pl.when(pl.Series(self._u("tip", number) < 0.5)).then((0.2 * fare.abs()).round(2)).otherwise(0.0)
        torn = pl.col("end") - pl.duration(hours=3)
        end = pl.when(fault == _TORN).then(torn).when(fault != _GONE).then("end")
        return trips.select(
            trip_id=pl.Series(ids, dtype=pl.String),
            trip_start_timestamp=_stamp(pl.col("start")),
            trip_end_timestamp=_stamp(end),
            trip_seconds=pl.col("seconds").round().cast(pl.Int64),
            trip_miles=(pl.col("km") / 1.609344).round(2),
            **self._ends("pickup", trips["from"], start),
            **self._ends("dropoff", trips["to"], both | (lost > 1 - _LOST_END)),
            fare=fare,
            tips=tips,
            tolls=pl.lit(0.0),
            extras=pl.lit(0.0),
            trip_total=(fare + tips).round(2),
            payment_type=pl.lit("Credit Card"),
            company=pl.lit("Simulated Cabs"),
        )

    def _ends(self, name: str, areas: pl.Series, is_lost: Any) -> dict[str, pl.Expr]:
        known = self.areas[areas.to_numpy()]
        there = ~pl.Series(is_lost)
        found = {
            "community_area": known["place"],
            "centroid_latitude": known["lat"],
            "centroid_longitude": known["lon"],
        }
        return {f"{name}_{field}": pl.when(there).then(values) for field, values in found.items()}

    def _u(self, stream: str, number: Hours) -> Floats:
        return uniform(self.seed, stream, number)

    def _n(self, stream: str, number: Hours) -> Floats:
        return normal(self.seed, stream, number)


def _quarters(hours: Hours, minute: Floats, minutes: Floats) -> dict[str, pl.Series]:
    """Start and end of trips (UTC), to the quarter of an hour they fall in."""
    base = hours * 4
    start, end = base + (minute // 15).astype(np.int64), base + ((minute + minutes) // 15).astype(np.int64)
    return {name: pl.Series(at * 900_000_000).cast(UTC_US) for name, at in (("start", start), ("end", end))}


def _published(stamp: pl.Expr) -> pl.Expr:
    """When the portal shows a trip: three weeks after its local day, at six."""
    day = stamp.str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us") + pl.duration(hours=12)
    return local_clock(from_local(day, TZ), TZ, days=21, hour=6)


def _revised(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Rows as the portal shows them at ``at``: a few trips come days after the others of their day."""
    is_new = _published(pl.col("trip_start_timestamp")) > pl.lit(at - LATE_AFTER, dtype=UTC_US)
    return frame.filter(~(is_new & pl.col("trip_id").str.starts_with(LATE)))


def _stamp(instant: pl.Expr) -> pl.Expr:
    return instant.dt.convert_time_zone(TZ).dt.strftime("%Y-%m-%dT%H:%M:%S.000")
