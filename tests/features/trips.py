"""A small city of zones on a line, with trips between them: draws with a known truth."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tests.features.panels import HOUR, TEXT, hours, utc
from urbancast.core.product import Feature, Measure, Pairs
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan

MINUTES = Measure(id="minutes", label=TEXT, unit=TEXT, kind="duration", draws=True)
PAIRS = Pairs(bands_km=(2.0, 5.0), hubs=("z5",), least_draws=30)
FEATURES = (Feature(name="calendar"), Feature(name="pair"))
TZ = "America/New_York"
START, END, CUT = utc(2022, 7, 1), utc(2022, 8, 20), utc(2022, 8, 14, 4)
KM = 1.5  # between neighbours


def zones(count: int = 6) -> pl.DataFrame:
    """Zones a few kilometres apart, the last a hub."""
    lat = 40.0 + np.arange(count) * KM / 111.19
    names = [f"z{i}" for i in range(count)]
    area = np.full(count, 1.44)
    return pl.DataFrame({"place": names, "kind": "zone", "lat": lat, "lon": -73.9, "area_km2": area})


def trips(start: datetime = START, end: datetime = END, *, seed: int = 0, each: int = 6) -> pl.DataFrame:
    """Trips an hour between zones drawn unevenly: minutes by distance, hour and pair, spread by a third.

    Some ends are not known. Known as the local day ends.
    """
    rng = np.random.default_rng(seed)
    time = hours(start, end)
    at = np.repeat(np.arange(len(time)), each)
    ends = np.minimum(rng.geometric(0.45, (2, len(at))) - 1, 5)
    local = time.dt.convert_time_zone(TZ).dt.hour().to_numpy()[at]
    km = np.maximum(np.abs(ends[0] - ends[1]) * KM, 0.6)
    slow = 1 + 0.4 * np.exp(-(((local - 17) / 3.0) ** 2)) + 0.2 * (ends[0] == 2)
    value = (3 + 3 * km) * slow * np.exp(0.3 * rng.normal(size=len(at)))
    names = np.array([*(f"z{i}" for i in range(6)), ""])
    unknown = rng.random(len(at)) < 0.01
    to = np.where(unknown, 6, ends[1])
    place = np.char.add(np.char.add(names[ends[0]], ">"), names[to])
    frame = pl.DataFrame({"place": place, "time": time.gather(at), "value": value.round(3)})
    day = pl.col("time").dt.convert_time_zone(TZ).dt.truncate("1d").dt.offset_by("1d").dt.convert_time_zone("UTC")
    frame = frame.with_columns(
        measure=pl.lit("minutes"), draw=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), available_at=day
    )
    return frame.select("place", "measure", "time", "draw", "value", "available_at")


def city(rows: pl.DataFrame | None = None, *, pairs: Pairs = PAIRS) -> Panel:
    """Panel of trips over the zones."""
    return Panel(
        observations=trips() if rows is None else rows,
        places=zones(),
        tz=TZ,
        grain=HOUR,
        measures=(MINUTES,),
        country="US",
        pairs=pairs,
    )


def plan(**changes: object) -> Plan:
    """A day ahead, a fortnight of calibration."""
    given = {"horizon": timedelta(hours=24), "calibration": timedelta(days=14), "primary": "pinball"}
    return Plan(features=FEATURES, **(given | changes))  # type: ignore[arg-type]
