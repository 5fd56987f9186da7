"""Trips to observations: trips started a day at each station in operation, zeros included."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, from_local
from urbancast.products.sorting import Rule, sort_rows

SOURCE, MEASURE = "trips", "starts"
IDLE_DAYS = 28  # a station without a trip for so long is not in operation: its days are missing, not zero
SAME_PULL = pl.duration(hours=6)  # rows fetched this close together were published together
RULES = (
    Rule(name="no_station", broken=pl.col("place").str.len_chars() == 0, reason="the trip names no start station"),
    Rule(name="no_bike", broken=pl.col("bike").str.len_chars() == 0, reason="the trip names no bicycle"),
    Rule(name="no_time", broken=pl.col("time").is_null(), reason="the start is missing or cannot be read"),
    Rule(name="backwards", broken=pl.col("stop") < pl.col("local"), reason="the trip ends before it starts"),
)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``starts`` on the full grid of stations in operation and days covered by the source.

    In operation: a trip within 28 days up to and with the day. Covered: a day on which any station saw a trip.
    """
    rows = raw[SOURCE]
    found = sort_rows(rows, source=SOURCE, key=("bike", "time", "place"), rules=RULES)
    trips = _with_availability(found.kept, rows, context.tz)
    counted = _counted(trips)
    base = trips.filter("is_base")
    grid = _grid(base, context.tz)
    zeros = grid.join(counted.filter("_is_base"), on=["place", "time"], how="anti").with_columns(value=pl.lit(0.0))
    observations = pl.concat([counted.drop("_is_base"), zeros.select("place", "time", "available_at", "value")])
    return Observed(
        observations=observations.select(
            "place",
            measure=pl.lit(MEASURE),
            time="time",
            draw=pl.lit(0, pl.Int64),
            value="value",
            available_at="available_at",
        ).sort("place", "time", "available_at"),
        quarantine=found.quarantine,
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes={"late_trips": float(trips.height - base.height), "station_days_of_zero": float(zeros.height)},
    )


def _with_availability(kept: pl.DataFrame, rows: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Each trip once, with its local day and when it was known: the day's end, or when a later fetch brought it."""
    fetches = rows if "fetched_at" in rows.columns else rows.with_columns(fetched_at=pl.lit(None, dtype=UTC_US))
    day = pl.col("local").dt.date()
    first = fetches.group_by(day=day).agg(day_fetched_at=pl.col("fetched_at").min())
    is_late = (pl.col("fetched_at") > pl.col("day_fetched_at") + SAME_PULL).fill_null(value=False)
    once = kept.filter(pl.struct("bike", "time", "place").is_first_distinct())
    return (
        once.with_columns(day=day)
        .join(first, on="day", how="left", maintain_order="left")
        .with_columns(is_base=~is_late, ends=_midnight(pl.col("day"), tz, days=1))
        .with_columns(
            time=_midnight(pl.col("day"), tz, days=0),
            available_at=pl.when("is_base").then("ends").otherwise(pl.max_horizontal("ends", "fetched_at")),
        )
    )


def _counted(trips: pl.DataFrame) -> pl.DataFrame:
    """Trips by station and day as known at each time: what came at the day's end, and what came late, added up."""
    key = ["place", "time"]
    known = trips.group_by(*key, "available_at").agg(n=pl.len(), _is_base=pl.col("is_base").any())
    return (
        known.sort(*key, "available_at")
        .with_columns(value=pl.col("n").cum_sum().over(key).cast(pl.Float64))
        .select(*key, "available_at", "value", "_is_base")
    )


def _grid(base: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Stations in operation on each covered day, from trips that were known on time; place, time, available_at."""
    days = base.select("day").unique().sort("day")
    seen = base.select("place", "day").unique().with_columns(last="day").sort("day")
    every = seen.select("place").unique().join(days, how="cross").sort("day")
    last = every.join_asof(seen, on="day", by="place", check_sortedness=False)
    working = last.filter((pl.col("day") - pl.col("last")).dt.total_days() < IDLE_DAYS)
    return working.select(
        "place",
        time=_midnight(pl.col("day"), tz, days=0),
        available_at=_midnight(pl.col("day"), tz, days=1),
    )


def _midnight(day: pl.Expr, tz: str, *, days: int) -> pl.Expr:
    return from_local(day.cast(pl.Datetime("us")) + pl.duration(days=days), tz)
