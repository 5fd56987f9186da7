"""A simulation of the city's files in their native forms, dirt included: a pure function of seed, place and hour.

A city drawn small: about two thousand tickets a working day. No level, ranking or date in it is real.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.geo import places
from urbancast.products.climate import Climate, Hours, calendar, dataset, hours_of, instants_of, weather
from urbancast.products.madrid_parking import drawn
from urbancast.products.madrid_parking.observe import published
from urbancast.products.madrid_parking.product import PRODUCT
from urbancast.products.madrid_parking.regulated import (
    CLOSES_EARLY_S,
    HOUR_S,
    TZ,
    hours_of as regulated_hours,
    is_open,
    next_regulated,
)
from urbancast.products.noise import Floats, counts, drift, key_of, normal, uniform

SEED = 20260103
CLIMATE = Climate(mean_c=15.0, yearly_c=10.5, daily_c=5.5, wet_share=0.06, wind_kmh=10.0, solar_offset_h=-0.2)
TICKETS_AN_HOUR = 170.0  # in the city, at noon of a working day
LATE_AFTER = timedelta(days=4)
COLOURS = ("VERDE", "AZUL", "ROJO")
_DAY_S, _YEAR_H, _CLOSED_DAYS = 86_400, 8766, 30
# How tickets are spread over the regulated hours, 9 to 20: a broad shape, the same everywhere.
_SHAPE = dict(zip(range(9, 21), (0.8, 1.1, 1.25, 1.2, 1.1, 0.7, 0.55, 0.7, 1.0, 1.15, 1.05, 0.7), strict=True))
_LATE, _APP, _OVERNIGHT = 0.002, 0.6, 0.02
_DUPLICATE = 0.001
_DIRT = {"test": 0.0006, "old": 0.0004, "no_end": 0.0002, "reversed": 0.001, "days": 0.0006, "unknown": 0.0006}


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the emulated datasets: tickets by quarter, vintages of spaces and meters, the limit, the weather."""
    city = City(seed)
    lon, lat = PRODUCT.centre
    return [
        {
            "protocol": "file",
            "id": "tickets",
            "every": "quarter",
            "time": "fecha_inicio",
            "tz": TZ,
            "rows": city.rows,
            "published": published,
            "revised": city.revised,
            "written": drawn.written,
        },
        *drawn.tables(seed, city.places),
        dataset(seed, CLIMATE, latitude=lat, longitude=lon),
    ]


class City:
    """The simulated tickets; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed
        self.places = places.read(PRODUCT.folder / "places.csv")
        self.keys = np.array([key_of(place) for place in self.places["place"]])

    @cached_property
    def level(self) -> Floats:
        """Tickets an hour by place and colour; shape (places, colours). The old centre has no blue spaces."""
        weight = np.exp(0.5 * normal(self.seed, "level", self.keys))
        blue = 0.08 + 0.25 * uniform(self.seed, "blue", self.keys)
        blue = np.where(self.places["place"].str.starts_with("01-").to_numpy(), 0.0, blue)
        share = np.stack([0.99 - blue, blue, np.full(len(blue), 0.01)], axis=1)
        return np.asarray(TICKETS_AN_HOUR * (weight / weight.sum())[:, None] * share)

    def rows(self, window: Window) -> pl.DataFrame:
        """Tickets that begin in the window, in the columns of the city's file, repeated rows among them."""
        hours = hours_of(window)
        hours = hours[is_open(instants_of(hours)).to_numpy()] if len(hours) else hours
        n = counts(self._rate(hours), normal(self.seed, "count", *self._cells(hours))).astype(np.int64)
        hour, place, colour = np.nonzero(n)
        repeat = n[hour, place, colour]
        nth = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        hour, place, colour = (np.repeat(each, repeat) for each in (hour, place, colour))
        number = ((hours[hour] * 1000 + place) * 10 + colour) * 1000 + nth
        return self._tickets(hours[hour], place, colour, number)

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the portal shows them at ``at``: some tickets reach the file some days after it is published."""
        second = frame["fecha_operacion"].str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s")
        quarter = pl.select(
            at=published(pl.lit(second.max()).cast(pl.Int64).mul(1_000_000).cast(pl.Datetime("us", "UTC")))
        )
        if quarter["at"][0] + LATE_AFTER <= at:
            return frame
        return frame.filter(pl.Series(uniform(self.seed, "late", second.to_numpy()) >= _LATE))

    def _cells(self, hours: Hours) -> tuple[Hours, Hours, Hours]:
        return hours[:, None, None], self.keys[None, :, None], np.arange(len(COLOURS))[None, None, :]

    def _rate(self, hours: Hours) -> Floats:
        """Expected tickets; shape (hours, places, colours). Season and rain weigh more than in life."""
        seed = self.seed
        clock = calendar(hours, TZ, country=PRODUCT.country, subdivision=PRODUCT.subdivision)
        came = weather(seed, hours, CLIMATE)
        shape = np.array([_SHAPE.get(hour, 0.0) for hour in range(24)])[clock.hour]
        week = np.array([0.95, 1.0, 1.02, 1.03, 1.08, 0.85, 0.0])[clock.weekday - 1]
        year = 2 * np.pi * (hours / _YEAR_H)
        is_august = (instants_of(hours).dt.convert_time_zone(TZ).dt.month() == 8).to_numpy()
        shared = 0.05 * drift(seed, "day", clock.day) + 0.10 * np.log1p(came.precipitation)
        shared += 0.12 * np.cos(year) + 0.06 * np.cos(2 * year) - 0.75 * is_august
        own = 0.12 * normal(seed, "place day", clock.day[:, None], self.keys[None, :]) + self._step(hours)
        rate = (shape * week * np.exp(shared))[:, None] * np.exp(own) * ~self._is_closed(hours)
        return np.asarray(rate[:, :, None] * self.level[None, :, :])

    def _step(self, hours: Hours) -> Floats:
        """Log level of each place: from a day of each year it is another, for a few by much."""
        year, within = np.divmod(hours[:, None], _YEAR_H)
        who = self.keys[None, :]
        now = year + (within >= uniform(self.seed, "break day", year, who) * _YEAR_H)
        size = np.where(uniform(self.seed, "break", now, who) < 0.08, 0.4, 0.05)
        return np.asarray(size * normal(self.seed, "break size", now, who))

    def _is_closed(self, hours: Hours) -> Any:
        """Hours in which the streets of one place of the city are dug up: some weeks of each year."""
        year, within = np.divmod(hours, _YEAR_H)
        place = (uniform(self.seed, "closed place", year) * len(self.keys)).astype(np.int64)
        start = (60 + 200 * uniform(self.seed, "closed start", year)) * 24
        is_time = (within >= start) & (within < start + _CLOSED_DAYS * 24)
        return is_time[:, None] & (place[:, None] == np.arange(len(self.keys))[None, :])

    def _tickets(self, hour: Hours, place: Hours, colour: Hours, number: Hours) -> pl.DataFrame:
        """One row a ticket; some of them dirt, some twice."""
        u = {name: uniform(self.seed, name, number) for name in ("second", "length", "night", "dirt", "app", "meter")}
        local = instants_of(hour).dt.convert_time_zone(TZ).dt.replace_time_zone(None).dt.epoch("s").to_numpy()
        start = local + (u["second"] * HOUR_S).astype(np.int64)
        minutes = 5 * np.rint(
            np.exp(np.log(np.where(colour == 1, 100, 75)) + 0.45 * normal(self.seed, "stay", number)) / 5
        )
        end = self._end(start, (np.clip(minutes, 15, 240) * 60).astype(np.int64), is_night=u["night"] < _OVERNIGHT)
        start, end, kind = _soiled(start, end, u["dirt"])
        facts = self.places[place]
        table = drawn.tickets(
            pl.DataFrame({"start": start, "end": end, "bought": local + (u["second"] * HOUR_S).astype(np.int64)}),
            facts.select("place", "name", "part_of"),
            colour=pl.Series(COLOURS)[colour],
            kind=kind,
            shares={"app": u["app"] < _APP, "meter": u["meter"]},
        )
        times = 1 + (uniform(self.seed, "duplicate", number) < _DUPLICATE).astype(np.int64)
        order = np.argsort(start, kind="stable")
        return table[order[np.repeat(np.arange(len(order)), times[order])]]

    @staticmethod
    def _end(start: Hours, length_s: Hours, *, is_night: Any) -> Hours:
        """Tickets end when regulation does, but for a few that go on when it begins again."""
        if not len(start):
            return start
        day = start // _DAY_S
        closes = regulated_hours(day)[1]
        left = day * _DAY_S + np.where(closes > 0, closes, CLOSES_EARLY_S) - start
        after = next_regulated(day)
        resumed = after * _DAY_S + regulated_hours(after)[0] + np.maximum(length_s - left, 0)
        is_over = length_s > left
        return np.where(is_over & is_night, resumed, start + np.where(is_over, np.maximum(left, 1), length_s))


def _soiled(start: Hours, end: Hours, u: Floats) -> tuple[Hours, Hours, Hours]:
    """Start, end and kind of dirt (number in `drawn.DIRT`, -1 none)."""
    edges = np.cumsum(list(_DIRT.values()))
    kind = np.where(u < edges[-1], np.searchsorted(edges, u, side="right"), -1)
    names = list(_DIRT)
    start = np.where(kind == names.index("old"), start - 10 * 365 * _DAY_S, start)
    end = np.where(kind == names.index("old"), start + HOUR_S, end)
    end = np.where(kind == names.index("reversed"), start - 60, end)
    end = np.where(kind == names.index("days"), end + 9 * _DAY_S, end)
    return start, end, kind
