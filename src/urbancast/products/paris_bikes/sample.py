"""A simulation of the counters' portal in its own schema, dirt included: a pure function of seed, place and hour.

No level, ranking or date in it is real: which counter is busy, breaks or is closed is drawn from the seed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, local_clock
from urbancast.geo import places
from urbancast.products.climate import Climate, Hours, calendar, dataset, hours_of, instants_of, weather
from urbancast.products.noise import Floats, counts, drift, key_of, normal, uniform
from urbancast.products.paris_bikes.product import PRODUCT, TZ

SEED = 20260101
CLIMATE = Climate(mean_c=12.5, yearly_c=8.0, daily_c=3.5, wet_share=0.09, wind_kmh=13.0, solar_offset_h=0.2)
LABELS = {
    "id_compteur": "Identifiant du compteur",
    "nom_compteur": "Nom du compteur",
    "id": "Identifiant du site de comptage",
    "name": "Nom du site de comptage",
    "sum_counts": "Comptage horaire",
    "date": "Date et heure de comptage",
    "installation_date": "Date d'installation du site de comptage",
    "coordinates": "Coordonnées géographiques",
    "counter": "Identifiant technique compteur",
    "mois_annee_comptage": "mois_annee_comptage",
}
_YEAR_H, _OUTAGE_H, _CLOSED_DAYS = 8766, 1080, 45
_DUPLICATE, _MISSING, _SPIKE, _EMPTY, _CORRECTED = 0.0006, 0.001, 0.00003, 0.00005, 0.002
CORRECTED_AFTER = timedelta(days=2)


def datasets(*, seed: int = SEED) -> list[dict[str, Any]]:
    """Fields of the emulated datasets: the counts and the weather."""
    city = City(seed)
    lon, lat = PRODUCT.centre
    return [
        {
            "protocol": "opendatasoft",
            "id": "comptage-velo-donnees-compteurs",
            "time": "date",
            "rows": city.rows,
            "published": lambda date: local_clock(date, TZ, days=1, hour=9),
            "revised": city.revised,
            "labels": LABELS,
        },
        dataset(seed, CLIMATE, latitude=lat, longitude=lon),
    ]


class City:
    """The simulated counters; ``rows`` and ``revised`` are pure."""

    def __init__(self, seed: int) -> None:
        """Draw the city of a seed."""
        self.seed = seed
        self.places = places.read(PRODUCT.folder / "places.csv")
        self.keys = np.array([key_of(place) for place in self.places["place"]])
        self.sites = np.array([key_of(site) for site in self.places["part_of"]])

    def rows(self, window: Window) -> pl.DataFrame:
        """Hours of the window in the fields of the portal's API, by counter and time, repeated rows among them."""
        hours = hours_of(window)
        if not len(hours):
            return self._frame(hours, np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))
        value = self._counted(hours)
        at, who = hours[:, None], self.keys[None, :]
        value = np.where(self._is_dead(hours), 0.0, value)
        value = np.where(uniform(self.seed, "spike", at, who) < _SPIKE, 4000 + 3 * value, value)
        is_empty = uniform(self.seed, "empty", at, who) < _EMPTY
        is_sent = (uniform(self.seed, "missing", at, who) >= _MISSING) & ~self._is_closed(hours)
        is_sent &= ~_comes_twice(hours)[:, None]
        times = is_sent * (1 + (uniform(self.seed, "duplicate", at, who) < _DUPLICATE).astype(np.int64))
        counter, hour = np.nonzero(times.T)
        repeat = times.T[counter, hour]
        counter, hour = np.repeat(counter, repeat), np.repeat(hour, repeat)
        return self._frame(hours[hour], counter, value[hour, counter], is_empty[hour, counter])

    def revised(self, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Rows as the portal shows them at ``at``: some counts are too low until two days after publication."""
        is_new = local_clock(pl.col("date"), TZ, days=1, hour=9) > pl.lit(at - CORRECTED_AFTER, dtype=UTC_US)
        numbered = frame.with_columns(_new=is_new)
        new = numbered.filter("_new")
        keys = new["id_compteur"].replace_strict(self._key_by_id, return_dtype=pl.Int64).to_numpy()
        hours = new["date"].dt.epoch("s").to_numpy() // 3600
        is_low = np.zeros(frame.height, dtype=np.bool_)
        is_low[numbered["_new"].to_numpy()] = uniform(self.seed, "corrected", hours, keys) < _CORRECTED
        low = (pl.col("sum_counts") * 0.7).cast(pl.Int64)
        return frame.with_columns(sum_counts=pl.when(pl.lit(pl.Series(is_low))).then(low).otherwise("sum_counts"))

    @cached_property
    def _key_by_id(self) -> dict[str, int]:
        return dict(zip(self.places["place"].to_list(), self.keys.tolist(), strict=True))

    def _counted(self, hours: Hours) -> Floats:
        """Bicycles that pass; shape (hours, counters)."""
        seed, at, who = self.seed, hours[:, None], self.keys[None, :]
        clock = calendar(hours, TZ, country=PRODUCT.country)
        came = weather(seed, hours, CLIMATE)
        is_free = (clock.weekday >= 6) | clock.is_free
        morning, evening, noon = (_bump(clock.hour, peak, width) for peak, width in ((8, 1.3), (18, 1.7), (14, 4.5)))
        shapes = np.stack(
            [morning * ~is_free, evening * ~is_free, np.where(is_free, 1.1, 0.45) * noon, 0 * noon + 0.03]
        )
        lean = 1.2 * (uniform(seed, "lean", self.sites) - 0.5) * np.sign(normal(seed, "direction", self.keys))
        share = np.stack([1 + lean, 1 - lean, 0.7 + 0.6 * uniform(seed, "leisure", self.keys), np.ones(len(lean))])
        rain, cold = np.log1p(came.precipitation), np.maximum(8 - came.temperature_2m, 0)
        wind = np.maximum(came.wind_speed_10m - 30, 0)
        shared = 0.07 * drift(seed, "day", clock.day) - 0.16 * rain - 0.015 * cold - 0.012 * wind
        shared += 0.25 * np.sin(2 * np.pi * (hours / _YEAR_H - 0.3)) - 0.35 * clock.is_free
        own = 0.10 * normal(seed, "counter day", clock.day[:, None], who) + 0.25 * normal(seed, "hour", at, who)
        mean = (shapes.T @ share) * np.exp(self._level(hours) + shared[:, None] + own)
        return counts(mean, normal(seed, "count", at, who))

    def _level(self, hours: Hours) -> Floats:
        """Log level of each counter, with a step in each year, large for a few; shape (hours, counters)."""
        base = np.log(110) + 0.7 * normal(self.seed, "site", self.sites) + 0.2 * normal(self.seed, "base", self.keys)
        block = (hours // _YEAR_H)[:, None] - np.array([[0], [1]])[:, None, :]
        return np.asarray(base + self._step(hours, block[0]) + self._step(hours, block[1]))

    def _step(self, hours: Hours, block: Hours) -> Floats:
        who = self.sites[None, :]
        begins = (block + uniform(self.seed, "break day", block, who)) * _YEAR_H
        is_large = uniform(self.seed, "break", block, who) < 0.08
        size = np.where(is_large, 0.5, 0.04) * np.sign(normal(self.seed, "break size", block, who))
        until = hours[:, None] < begins + _YEAR_H
        return np.where((hours[:, None] >= begins) & until, size, 0.0)

    def _is_dead(self, hours: Hours) -> Any:
        """Hours in which a sensor counts nothing: in about one of eight six-week spells, 8 to 200 hours."""
        block, within = np.divmod(hours, _OUTAGE_H)
        key, who = block[:, None], self.keys[None, :]
        length = 8 * 25 ** uniform(self.seed, "outage length", key, who)
        start = uniform(self.seed, "outage start", key, who) * (_OUTAGE_H - length)
        since = within[:, None] - start
        return (uniform(self.seed, "outage", key, who) < 0.12) & (since >= 0) & (since < length)

    def _is_closed(self, hours: Hours) -> Any:
        """Hours in which one site of the city is closed and sends nothing: some weeks of each year."""
        year, within = np.divmod(hours, _YEAR_H)
        names = np.unique(self.sites)
        site = names[(uniform(self.seed, "closed site", year) * len(names)).astype(np.int64)]
        start = (60 + 200 * uniform(self.seed, "closed start", year)) * 24
        is_time = (within >= start) & (within < start + _CLOSED_DAYS * 24)
        return is_time[:, None] & (site[:, None] == self.sites[None, :])

    def _frame(self, hours: Hours, counter: Any, value: Floats, is_empty: Any) -> pl.DataFrame:
        named: pl.DataFrame = self.places.select(
            id_compteur="place",
            nom_compteur="name",
            id=pl.col("place").str.split("-").list.first(),
            name="part_of",
            installation_date=pl.lit("2019-01-01"),
            coordinates=pl.struct("lon", "lat"),
            counter=pl.concat_str(pl.lit("SIM"), pl.int_range(pl.len())),
        )[counter]
        counted = pl.Series(value, dtype=pl.Float64).cast(pl.Int64)
        return named.with_columns(
            sum_counts=pl.when(pl.lit(pl.Series(is_empty, dtype=pl.Boolean))).then(None).otherwise(counted),
            date=instants_of(hours),
        ).select(
            *("id_compteur", "nom_compteur", "id", "name", "sum_counts", "date", "installation_date", "coordinates"),
            "counter",
            mois_annee_comptage=pl.col("date").dt.convert_time_zone(TZ).dt.strftime("%Y-%m"),
        )


def _bump(hour: Hours, peak: float, width: float) -> Floats:
    """Bell of height 1 around a clock hour, over midnight too; shape (n,)."""
    away = (hour - peak + 12) % 24 - 12
    return np.asarray(np.exp(-0.5 * (away / width) ** 2))


def _comes_twice(hours: Hours) -> Any:
    """Hours whose local clock hour comes again an hour later: the portal keeps only one of the two."""
    local = instants_of(hours).dt.convert_time_zone(TZ)
    later = instants_of(hours + 1).dt.convert_time_zone(TZ)
    return (local.dt.hour() == later.dt.hour()).to_numpy()
