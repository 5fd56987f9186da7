"""Small panels with known truths, for tests of features, models and evaluation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from urbancast.core.product import COVERED, Feature, Measure
from urbancast.features.panel import Panel

TEXT = {"en": "", "es": "", "fr": ""}
HOUR = timedelta(hours=1)
DENSE = tuple(Feature(name=name) for name in ("calendar", "lag", "rolling", "profile", "rules", "place", "weather"))
SPARSE = tuple(Feature(name=name) for name in ("calendar", "rate", "place"))
COUNT = Measure(id="count", label=TEXT, unit=TEXT)
RARE = Measure(id="events", label=TEXT, unit=TEXT, sparse=True)


def hours(start: datetime, end: datetime) -> pl.Series:
    """UTC hours of [start, end)."""
    return pl.datetime_range(start, end, "1h", time_unit="us", time_zone="UTC", closed="left", eager=True)


def counts(start: datetime, end: datetime, *, tz: str, places: int = 3, seed: int = 0) -> pl.DataFrame:
    """Poisson counts with a daily shape in local time, one version each, available at nine the next local day."""
    rng = np.random.default_rng(seed)
    times = hours(start, end)
    local = pl.DataFrame({"time": times}).select(
        "time",
        hour=pl.col("time").dt.convert_time_zone(tz).dt.hour(),
        weekday=pl.col("time").dt.convert_time_zone(tz).dt.weekday(),
    )
    shape = 5 + 40 * np.exp(-(((local["hour"].to_numpy() - 17) / 4.0) ** 2)) * np.where(local["weekday"] > 5, 0.6, 1.0)
    day = pl.col("time").dt.convert_time_zone(tz).dt.truncate("1d")
    parts = [
        pl.DataFrame({"place": f"p{i}", "time": times, "value": rng.poisson(shape * (i + 1)).astype(float)})
        for i in range(places)
    ]
    rows = pl.concat(parts).with_columns(
        measure=pl.lit("count"),
        draw=pl.lit(0, pl.Int64),
        available_at=day.dt.offset_by("1d9h").dt.convert_time_zone("UTC"),
    )
    return rows.select("place", "measure", "time", "draw", "value", "available_at")


def events(start: datetime, end: datetime, *, places: int = 6, seed: int = 0) -> pl.DataFrame:
    """Rare events (rate 0.02 to 0.07 an hour, more by day) with hourly coverage rows, available an hour later."""
    rng = np.random.default_rng(seed)
    times = hours(start, end)
    by_day = 1 + 0.8 * np.sin((times.dt.hour().to_numpy() - 9) * 2 * np.pi / 24)
    parts = []
    for i in range(places):
        value = rng.poisson(by_day * 0.01 * (i + 2)).astype(float)
        found = pl.DataFrame({"place": f"z{i}", "measure": "events", "time": times, "value": value})
        parts.append(found.filter(pl.col("value") > 0))
    parts.append(pl.DataFrame({"place": "", "measure": COVERED, "time": times, "value": 1.0}))
    rows = pl.concat(parts).with_columns(draw=pl.lit(0, pl.Int64), available_at=pl.col("time") + HOUR)
    return rows.select("place", "measure", "time", "draw", "value", "available_at")


def weather(start: datetime, end: datetime) -> pl.DataFrame:
    """A temperature issued two days before each hour and observed an hour after it."""
    times = hours(start, end)
    base = pl.DataFrame({"place": "", "variable": "temperature_2m", "time": times})
    issued = base.with_columns(
        value=pl.lit(10.0),
        issued_at=pl.col("time") - timedelta(days=2),
        available_at=pl.col("time") - timedelta(days=2),
        kind=pl.lit("issued"),
    )
    observed = base.with_columns(
        value=pl.lit(12.0), issued_at=pl.col("time"), available_at=pl.col("time") + HOUR, kind=pl.lit("observed")
    )
    return pl.concat([issued, observed])


def panel(rows: pl.DataFrame, *, tz: str = "Europe/Paris", measure: Measure = COUNT, country: str = "FR") -> Panel:
    """Panel of these observations, with weather over their span."""
    start, end = rows["time"].min(), rows["time"].max()
    places = rows.filter(pl.col("place") != "").select("place").unique().sort("place")
    size = places.height
    located = places.with_columns(lat=pl.Series(np.linspace(48.0, 49.0, size)), lon=pl.lit(2.0))
    return Panel(
        observations=rows,
        places=located,
        covariates=weather(start, end + timedelta(days=4)),
        tz=tz,
        grain=HOUR,
        measures=(measure,),
        country=country,
    )


def utc(*parts: int) -> datetime:
    """Aware UTC datetime."""
    return datetime(*parts, tzinfo=UTC)
