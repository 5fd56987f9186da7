"""A table of counts (place, time, value) as a product's source: layout, ``observe`` and a simulation, ready to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Layout, Licence, Observe, ObserveContext, Observed, Source, Window
from urbancast.core.time import DAY, UTC_US, from_local, local_clock
from urbancast.products import instants
from urbancast.products.climate import hours_of, instants_of
from urbancast.products.noise import counts as drawn, drift, normal, uniform
from urbancast.products.sorting import Rule, sort_rows

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {"place": pl.String, "time": UTC_US, "value": pl.Float64}
FIRST = datetime(2025, 1, 1, tzinfo=UTC)  # the simulated file begins here
_VALUE = pl.col("value")
RULES = (
    Rule(name="no_place", broken=pl.col("place").str.len_chars() == 0, reason="the row names no place"),
    Rule(name="no_time", broken=pl.col("time").is_null(), reason="the time is missing or cannot be read"),
    Rule(name="no_number", broken=_VALUE.is_nan() | _VALUE.is_infinite(), reason="the value is missing or no number"),
    Rule(name="negative", broken=_VALUE < 0, reason="a value below zero"),
    Rule(name="unknown_place", broken=~pl.col("is_known"), reason="the place is not one of the product's"),
)


def layout(*, place: str | None, time: str, value: str, form: str, tz: str, also: tuple[str, ...] = ()) -> Layout:
    """Layout of a table with these columns, its times written in ``form`` (see ``instants``).

    ``place`` None: one place, `all`; ``also``: further columns that the table may have.
    """

    def parse(native: pl.DataFrame) -> pl.DataFrame:
        number = pl.col(value).cast(pl.String).str.strip_chars().str.replace(",", ".", literal=True)
        return native.select(
            place=pl.lit("all") if place is None else pl.col(place).cast(pl.String).str.strip_chars(),
            time=instants.read(native[time], form, tz),
            value=number.cast(pl.Float64, strict=False),
        )

    columns = tuple(name for name in (place, time, value) if name)
    return Layout(name="table", columns=columns, parse=parse, optional=also)


def boundaries(*, place: str, name: str, also: tuple[str, ...], licence: Licence) -> Source:
    """Source ``places``: a GeoJSON or Shapefile of zones, their ids and names in these properties."""

    def parse(native: pl.DataFrame) -> pl.DataFrame:
        text = {column: pl.col(known).cast(pl.String) for column, known in (("place", place), ("name", name))}
        return native.select(**text, part_of=pl.lit(None, pl.String), geometry="geometry")

    return Source(
        name="places",
        portal="files",
        url="https://example.org/places.geojson",  # where they are published
        dataset="places.geojson",
        layouts=(Layout(name="zones", columns=tuple({place, name, "geometry"}), parse=parse, optional=also),),
        schema={"place": pl.String, "name": pl.String, "part_of": pl.String, "geometry": pl.Binary},
        licence=licence,
        role="places",
        is_required=False,
    )


def publication(tz: str, *, days: int = 1, hour: int = 9) -> Callable[[pl.Expr], pl.Expr]:
    """Rule: what belongs to a local day can be read at ``hour``, ``days`` days later."""
    return lambda time: local_clock(time, tz, days=days, hour=hour)


def at_once(tz: str, grain: timedelta) -> Callable[[pl.Expr], pl.Expr]:
    """Rule: an interval can be read as soon as it has ended; for tables that say nothing of their publication."""
    if grain >= DAY:
        return publication(tz, days=1, hour=0)
    return lambda time: time + grain


def observe(*, source: str, measure: str, published: Callable[[pl.Expr], pl.Expr], is_mean: bool = False) -> Observe:
    """``observe`` of a counts table: values summed (or averaged) into the product's intervals, revisions kept.

    A row that a later fetch says otherwise was known when it was fetched; dirt is quarantined with its reason.
    """

    def observed(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
        places = context.places["place"]
        rows = raw[source].with_columns(is_known=pl.col("place").is_in(places.implode()))
        found = sort_rows(rows, source=source, key=("place", "time"), rules=RULES)
        return Observed(
            observations=_values(found.kept, context, measure, published, is_mean=is_mean),
            quarantine=found.quarantine,
            used={source: found.kept.height},
            repeated={source: found.repeated},
        )

    return observed


def dataset(places: pl.DataFrame, *, seed: int, tz: str, level: float = 40.0) -> dict[str, Any]:
    """Fields of an emulated CSV file of hourly counts (site, at, count), dirt and late revisions included.

    Every place is alike but for luck; weekdays and hours have a shape, days have shocks.
    """
    names = np.array(places["place"].to_list())
    publish = publication(tz)

    def rows(window: Window) -> pl.DataFrame:
        hours = hours_of(window)
        at, who = np.repeat(hours, len(names)), np.tile(np.arange(len(names)), len(hours))
        value = _simulated(seed, at, who, tz, level)
        return pl.DataFrame(
            {
                "site": pl.Series(names[who], dtype=pl.String),
                "at": _local_text(at, tz),
                "count": pl.Series(value).cast(pl.Int64).cast(pl.String),
            }
        ).filter(pl.Series(uniform(seed, "gone", at, who) > 0.002))

    def revised(frame: pl.DataFrame, at: Any) -> pl.DataFrame:
        """One hour a day is counted again two days after it was shown."""
        day, hour = (pl.col("at").str.slice(start, 2).cast(pl.Int64) for start in (8, 11))
        is_due = (hour == (7 * day + seed) % 24) & (publish(_shown(pl.col("at"), tz)) + 2 * DAY <= at)
        more = pl.col("count").cast(pl.Int64, strict=False).clip(lower_bound=0) + 1
        return frame.with_columns(count=pl.when(is_due).then(more.cast(pl.String)).otherwise("count"))

    return {
        "protocol": "file",
        "id": "counts",
        "separator": ",",
        "start": FIRST,
        "time": "at",
        "rows": rows,
        "published": lambda at: publish(_shown(at, tz)),
        "revised": revised,
    }


def _values(
    kept: pl.DataFrame,
    context: ObserveContext,
    measure: str,
    published: Callable[[pl.Expr], pl.Expr],
    *,
    is_mean: bool,
) -> pl.DataFrame:
    """Values by interval as known at each time: sums of all changes up to then, over the number of rows for a mean."""
    key = ["place", "time"]
    slot = _slot(context)
    news = kept.sort(*key, "fetched_at").with_columns(
        slot=slot,
        is_first=pl.struct(key).is_first_distinct(),
        change=_VALUE - _VALUE.shift(1).over(key).fill_null(0.0),
    )
    on_time = published(pl.col("slot"))
    news = news.with_columns(
        available_at=pl.when("is_first").then(on_time).otherwise(pl.max_horizontal(on_time, "fetched_at")).cast(UTC_US)
    )
    own = ["place", "slot"]
    steps = news.group_by(*own, "available_at").agg(pl.col("change").sum(), n=pl.col("is_first").sum())
    known = steps.sort(*own, "available_at").with_columns(pl.col("change", "n").cum_sum().over(own))
    value = pl.col("change") / pl.col("n") if is_mean else pl.col("change")
    return known.select(
        "place",
        measure=pl.lit(measure),
        time="slot",
        draw=pl.lit(0, pl.Int64),
        value=value.round(9),
        available_at="available_at",
    )


def _slot(context: ObserveContext) -> pl.Expr:
    if context.grain < DAY:
        return pl.col("time").dt.truncate(context.grain)
    day = pl.col("time").dt.convert_time_zone(context.tz).dt.date().cast(pl.Datetime("us"))
    return from_local(day, context.tz)


def _simulated(seed: int, at: Any, who: Any, tz: str, level: float) -> Any:
    local = instants_of(at).dt.convert_time_zone(tz)
    hour, weekday = local.dt.hour().cast(pl.Int64).to_numpy(), local.dt.weekday().cast(pl.Int64).to_numpy()
    shape = 0.1 + np.exp(-(((hour - 8.5) / 2.0) ** 2)) + 1.2 * np.exp(-(((hour - 17.5) / 2.5) ** 2))
    shape = np.where(weekday >= 6, 0.1 + 0.7 * np.exp(-(((hour - 14) / 4.0) ** 2)), shape)
    day = np.exp(0.25 * drift(seed, "day", at // 24))
    own = np.exp(0.3 * normal(seed, "place", who))
    value = drawn(level * shape * day * own, normal(seed, "count", at, who))
    return np.where(uniform(seed, "broken", at, who) < 0.001, -1, value)


def _local_text(hours: Any, tz: str) -> pl.Series:
    """Local clock with its offset, as a portal without a time zone of its own would write it."""
    return instants_of(hours).dt.convert_time_zone(tz).dt.strftime("%Y-%m-%dT%H:%M:%S%:z")


def _shown(at: pl.Expr, tz: str) -> pl.Expr:
    return instants.utc(at, "%Y-%m-%dT%H:%M:%S%.f%:z", tz)
