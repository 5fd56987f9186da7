"""The shapes in which trips arrive, each turned into bike, place, name, local, time (UTC), minutes, lat, lon."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from urbancast.core.product import Layout
from urbancast.core.time import UTC_US, from_local

from .product import TZ  # noqa: TID252 - a folder outside a package knows no absolute name of its own

Columns = dict[str, pl.DataType | type[pl.DataType]]
SCHEMA: Columns = {
    "bike": pl.String,
    "place": pl.String,
    "local": pl.Datetime("us"),
    "time": UTC_US,
    "stop": pl.Datetime("us"),
}
STATIONS: Columns = {"place": pl.String, "name": pl.String, "geometry": pl.String}
TITLES = (
    *("Trip Duration", "Start Time", "Stop Time"),
    *("Start Station ID", "Start Station Name", "Start Station Latitude", "Start Station Longitude"),
    *("End Station ID", "End Station Name", "End Station Latitude", "End Station Longitude"),
    *("Bike ID", "User Type", "Birth Year", "Gender"),
)


def _layouts(parse: Callable[[pl.DataFrame], pl.DataFrame]) -> tuple[Layout, ...]:
    """Monthly files wrote their columns in titles until 2016-09, then in small letters, ``bikeid`` in one word."""
    small = {name.lower(): name for name in TITLES}
    tight = {name.replace(" ", "") if name in ONE_WORD else name: title for name, title in small.items()}
    return (
        Layout(name="titles", columns=TITLES, parse=parse),
        Layout(name="small", columns=tuple(tight), parse=lambda native: parse(native.rename(tight))),
    )


ONE_WORD = ("trip duration", "start time", "stop time", "bike id", "user type")


def parse_trips(native: pl.DataFrame) -> pl.DataFrame:
    """Trips; what cannot be read becomes null, and ``observe`` refuses it."""
    local = _clock(native, "Start Time")
    return native.select(
        bike=_text("Bike ID"),
        place=_text("Start Station ID"),
        local=local,
        time=from_local(local, TZ),
        stop=_clock(native, "Stop Time"),
    )


def parse_stations(native: pl.DataFrame) -> pl.DataFrame:
    """The station at which each trip started, with its point once: places are made from the trips' own file."""
    lat, lon = (
        pl.col(f"Start Station {name}").cast(pl.Float64, strict=False).replace(0.0, None)
        for name in ("Latitude", "Longitude")
    )
    named = native.select(place=_text("Start Station ID"), name=_text("Start Station Name"), lat=lat, lon=lon)
    is_told = pl.col("lat").is_finite() & pl.col("lon").is_finite()
    is_first = pl.struct("place", is_told).is_first_distinct() & is_told
    point = pl.when(is_first).then(pl.format("POINT ({} {})", "lon", "lat"))
    return named.select("place", "name", geometry=point)


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars()


def _clock(native: pl.DataFrame, name: str) -> pl.Expr:
    """Naive local time, from a typed column or from one of the two ways in which the files write it."""
    if isinstance(native.schema[name], pl.Datetime):
        return pl.col(name).dt.replace_time_zone(None).cast(pl.Datetime("us"))
    text = _text(name)
    forms = ("%Y-%m-%d %H:%M:%S%.f", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
    return pl.coalesce(text.str.to_datetime(form, time_unit="us", strict=False) for form in forms)


TRIP_LAYOUTS = _layouts(parse_trips)
STATION_LAYOUTS = _layouts(parse_stations)
