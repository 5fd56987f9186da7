"""Reports stamped exactly 00:00: how many are default times, and over which hours their weight is spread."""

from __future__ import annotations

import polars as pl

from urbancast.core.time import from_local
from urbancast.products.nyc_crashes.product import TZ

PAST = "182d"  # what the habits of a day are read from: the half year that ends with it
_NEIGHBOURS = (23, 1)  # hours whose share of round times tells what hour 0 should have
_COUNTS = ("at_midnight", "after_midnight", "round", "neighbours")
_HOURS = tuple(f"h{hour:02d}" for hour in range(24))


def habits(base: pl.DataFrame) -> pl.DataFrame:
    """Per local day: ``excess_share`` of its 00:00 reports that are default times, ``h00``…``h23`` the city's profile.

    Read from the reports of the half year that ends with the day, all published by then: no hindsight.
    """
    clock = pl.col("local").dt
    hour, is_round = clock.hour(), clock.minute() == 0
    is_neighbour = hour.is_in(_NEIGHBOURS)
    days = (
        base.group_by(day=pl.col("local").dt.date())
        .agg(
            at_midnight=((hour == 0) & is_round).sum().cast(pl.Float64),
            after_midnight=((hour == 0) & ~is_round).sum().cast(pl.Float64),
            round=(is_neighbour & is_round).sum().cast(pl.Float64),
            neighbours=is_neighbour.sum().cast(pl.Float64),
            **{name: (hour == h).sum().cast(pl.Float64) for h, name in enumerate(_HOURS) if h},
        )
        .sort("day")
        .with_columns(pl.col(*_COUNTS, *_HOURS[1:]).rolling_sum_by("day", PAST))
    )
    rounding = (pl.col("round") / pl.col("neighbours")).fill_nan(0.0).clip(0.0, 0.9)
    true_midnight = pl.col("after_midnight") * rounding / (1 - rounding)
    excess = (1 - true_midnight / pl.col("at_midnight")).clip(0.0, 1.0)
    return days.with_columns(
        h00=pl.col("after_midnight") + pl.min_horizontal(true_midnight, "at_midnight"),
        excess_share=pl.when(pl.col("at_midnight") > 0).then(excess).otherwise(0.0),
    ).select("day", "excess_share", *_HOURS)


def day_hours(days: pl.Series) -> pl.DataFrame:
    """UTC hours of local days: day, hour (23, 24 or 25 a day), and the hour on the local clock, ``clock``."""
    bounds = pl.DataFrame({"day": days.unique().sort()}, schema={"day": pl.Date}).with_columns(
        start=from_local(pl.col("day").cast(pl.Datetime("us")), TZ),
        end=from_local(pl.col("day").cast(pl.Datetime("us")) + pl.duration(days=1), TZ),
    )
    return (
        bounds.with_columns(hour=pl.datetime_ranges("start", "end", "1h", closed="left"))
        .select("day", "hour")
        .explode("hour")
        .with_columns(clock=pl.col("hour").dt.convert_time_zone(TZ).dt.hour())
    )


def spread(versions: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Weights of reports by hour: id, place, hour, weight, casualties, available_at, version, replaced_at.

    The weights of one version of a report add up to one. ``replaced_at``: when the next version was known.
    """
    numbered = versions.with_columns(
        version=pl.int_range(pl.len()).over("id"),
        replaced_at=pl.col("available_at").shift(-1).over("id"),
    ).join(known.select("day", "excess_share"), on="day", how="left")
    is_default = pl.col("local").dt.time() == pl.time(0)
    share = pl.when(is_default).then(pl.col("excess_share").fill_null(0.0)).otherwise(0.0)
    numbered = numbered.with_columns(unknown=share)
    fixed = numbered.with_columns(weight=1 - pl.col("unknown"))
    profiles = _profiles(known)
    moved = (
        numbered.filter(pl.col("unknown") > 0)
        .drop("hour")
        .join(profiles, on="day")
        .with_columns(weight=pl.col("unknown") * pl.col("share"))
    )
    columns = ["id", "place", "hour", "weight", "casualties", "available_at", "version", "replaced_at"]
    return pl.concat([fixed.select(columns), moved.select(columns)]).filter(pl.col("weight") > 0)


def _profiles(known: pl.DataFrame) -> pl.DataFrame:
    """Share of a day's reports by UTC hour; the shares of a day add up to one, whatever its length."""
    profile = known.unpivot(_HOURS, index="day", variable_name="name", value_name="reports").with_columns(
        clock=pl.col("name").str.slice(1).cast(pl.Int8)
    )
    return (
        day_hours(known["day"])
        .join(profile, on=["day", "clock"])
        .with_columns(share=((pl.col("reports") + 1) / (pl.col("reports") + 1).sum().over("day")))
        .select("day", "hour", "share")
    )
