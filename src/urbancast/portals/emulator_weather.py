"""Open-Meteo as the emulator speaks it: ``v1/archive`` and ``v1/forecast``, with runs of days before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import DAY, HOUR, UTC_US, floor, instants
from urbancast.portals.emulator_data import Dataset, Stage
from urbancast.portals.emulator_reply import RefusedError, Reply, as_json

_LEAD = re.compile(r"^(.*)_previous_day(\d)$")
_UNITS = {"temperature": "°C", "precipitation": "mm", "rain": "mm", "snow": "cm", "wind": "km/h", "relative": "%"}


def answer(dataset: Dataset, service: str, query: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer with hours of whole UTC days; hours without a value yet are null."""
    now = stage.tables.now()
    window = _window(service, query, now)
    grid = pl.DataFrame({"time": instants(window.start, window.end, HOUR)}, schema={"time": UTC_US})
    for name in query.get("hourly", "").split(","):
        values = _values(dataset, name, window, now=now, is_forecast=service == "forecast")
        grid = grid.join(values, on="time", how="left", maintain_order="left")
    grid = stage.faults.of_columns(grid, f"v1/{service}")
    hourly = {name: grid[name].to_list() for name in grid.columns if name != "time"}
    return as_json(
        {
            "latitude": dataset.latitude,
            "longitude": dataset.longitude,
            "generationtime_ms": 0.1,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 38.0,
            "hourly_units": {"time": "iso8601", **{name: _unit(name) for name in hourly}},
            "hourly": {"time": grid["time"].dt.strftime("%Y-%m-%dT%H:%M").to_list(), **hourly},
        },
    )


def nearest(datasets: list[Dataset], query: Mapping[str, str]) -> Dataset:
    """Return the dataset nearest to the place asked for."""
    try:
        lat, lon = float(query["latitude"]), float(query["longitude"])
    except (KeyError, ValueError) as error:
        raise _refused("Parameter 'latitude' and 'longitude' must be numbers") from error
    return min(datasets, key=lambda d: (d.latitude - lat) ** 2 + (d.longitude - lon) ** 2)


def _window(service: str, query: Mapping[str, str], now: datetime) -> Window:
    try:
        if "start_date" in query:
            first, last = (date.fromisoformat(query[name]) for name in ("start_date", "end_date"))
        elif service == "archive":
            raise _refused("Parameter 'start_date' and 'end_date' must be set")
        else:
            first = now.date() - int(query.get("past_days", 0)) * DAY
            last = now.date() + (int(query.get("forecast_days", 7)) - 1) * DAY
    except (KeyError, ValueError) as error:
        raise _refused(f"Invalid date or number of days: {error}") from error
    midnight = datetime.min.time()
    return Window(start=datetime.combine(first, midnight, UTC), end=datetime.combine(last + DAY, midnight, UTC))


def _values(dataset: Dataset, name: str, window: Window, *, now: datetime, is_forecast: bool) -> pl.DataFrame:
    """Columns time and ``name``, without the hours that have no value yet."""
    lead = _LEAD.match(name)
    issued = dataset.issued or (lambda part, _: dataset.rows(part))
    if lead:
        days = int(lead.group(2))
        known = Window(start=window.start, end=min(window.end, now + days * DAY))
        return _named(issued(known, days), lead.group(1), name)
    past = Window(start=window.start, end=min(window.end, floor(now, HOUR)))
    parts = [_named(dataset.rows(past), name, name)] if past.start < past.end else []
    if is_forecast:
        for days, start in enumerate(instants(max(window.start, floor(now, HOUR)), window.end, DAY), start=1):
            part = Window(start=start, end=min(start + DAY, window.end))
            parts.append(_named(issued(part, days), name, name))
    return pl.concat(parts) if parts else pl.DataFrame(schema={"time": UTC_US, name: pl.Float64})


def _named(frame: pl.DataFrame, variable: str, name: str) -> pl.DataFrame:
    if variable not in frame.columns:
        raise _refused(f"Data corrupted at path ''. Cannot initialize SurfaceVariable from invalid value {variable}.")
    return frame.select(pl.col("time").cast(UTC_US), pl.col(variable).cast(pl.Float64).alias(name))


def _unit(name: str) -> str:
    return next((unit for start, unit in _UNITS.items() if name.startswith(start)), "")


def _refused(reason: str) -> RefusedError:
    return RefusedError(400, {"error": True, "reason": reason})
