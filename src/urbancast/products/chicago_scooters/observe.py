"""Trips to observations: trips started and net outflow by area and local day, on the full grid of published days."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, from_local, local_clock
from urbancast.products.chicago_scooters.product import TZ
from urbancast.products.sorting import Rule, sort_rows

SOURCE = "trips"
SAME_PULL = pl.duration(hours=6)  # rows fetched this close together were published together
LONGEST_H, FARTHEST_M, FASTEST_KMH = 24, 60_000, 60
_HOURS = pl.col("duration_s") / 3600
_KM = pl.col("distance_m").fill_null(0) / 1000
RULES = (
    Rule(name="no_id", broken=pl.col("id").str.len_chars() == 0, reason="the trip has no id"),
    Rule(name="no_time", broken=pl.col("time").is_null() | pl.col("end").is_null(), reason="start or end is missing"),
    Rule(
        name="test_vendor",
        broken=pl.col("vendor").fill_null("").str.contains(r"(?i)\b(?:test|demo|internal)\b"),
        reason="a trip of a vendor's own tests",
    ),
    Rule(
        name="negative_duration",
        broken=(pl.col("duration_s").fill_null(0) < 0) | (pl.col("end") < pl.col("time")),
        reason="the trip ends before it starts",
    ),
    Rule(
        name="too_long",
        broken=(_HOURS.fill_null(0) > LONGEST_H) | (pl.col("end") - pl.col("time") > pl.duration(hours=LONGEST_H + 1)),
        reason=f"more than {LONGEST_H} hours: a scooter lost or left on, not a trip",
    ),
    Rule(
        name="absurd_distance",
        broken=(_KM < 0) | (_KM * 1000 > FARTHEST_M) | ((_HOURS > 0) & (_KM / _HOURS > FASTEST_KMH)).fill_null(False),
        reason=f"below nothing, beyond {FARTHEST_M // 1000} km, or faster than {FASTEST_KMH} km/h",
    ),
    Rule(
        name="no_area",
        broken=pl.col("from_area").is_null() & pl.col("to_area").is_null(),
        reason="neither the area of the start nor that of the end is known",
    ),
    Rule(name="strange_area", broken=~pl.col("is_known"), reason="an area number that the city does not have"),
)


def published(time: pl.Expr) -> pl.Expr:
    """When the trips that start on a local day are declared readable: the next local day at six."""
    return local_clock(time, TZ, days=1, hour=6)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``starts`` and ``net_outflow`` (starts less ends) for all areas and each published day.

    A day is published once a trip that starts on it is; a day without one is no day of the operation, not a zero.
    A trip whose one area is unknown counts at its other end. What a later fetch brings or changes is a revision.
    """
    areas = context.places["place"].unique().sort()
    rows = raw[SOURCE].with_columns(
        is_known=pl.all_horizontal(
            pl.col(name).is_null() | pl.col(name).is_in(areas.implode()) for name in ("from_area", "to_area")
        )
    )
    found = sort_rows(rows, source=SOURCE, key=("id",), rules=RULES)
    versions = _with_availability(found.kept, rows)
    days = versions.select("day").unique().sort("day")
    changes = _changes(versions)
    inside = changes.join(days.rename({"day": "time"}), on="time", how="semi")
    return Observed(
        observations=_values(pl.concat([_grid(days, areas), inside])),
        quarantine=_quarantine(found.quarantine),
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes=_notes(versions, lost=changes.height - inside.height),
    )


def _day(time: str) -> pl.Expr:
    """UTC instant at which the local day of a time begins."""
    return from_local(pl.col(time).dt.convert_time_zone(TZ).dt.date().cast(pl.Datetime("us")), TZ)


def _with_availability(kept: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Versions of each trip with the day it starts and ends on and when it was known.

    A trip that a later fetch of its day brought, or changed, was known when it was fetched.
    """
    fetches = rows if "fetched_at" in rows.columns else rows.with_columns(fetched_at=pl.lit(None, dtype=UTC_US))
    first_fetch = fetches.group_by(day=_day("time")).agg(day_fetched_at=pl.col("fetched_at").min())
    is_late = (pl.col("fetched_at") > pl.col("day_fetched_at") + SAME_PULL).fill_null(value=False)
    is_base = pl.col("id").is_first_distinct() & ~is_late
    on_time = published(pl.col("time"))
    known = kept.sort("id", "fetched_at", "_row").with_columns(day=_day("time"), last_day=_day("end"))
    known = known.join(first_fetch, on="day", how="left", maintain_order="left").with_columns(
        available_at=pl.when(is_base).then(on_time).otherwise(pl.max_horizontal(on_time, "fetched_at")).cast(UTC_US)
    )
    return known.with_columns(replaced_at=pl.col("available_at").shift(-1).over("id"))


def _changes(versions: pl.DataFrame) -> pl.DataFrame:
    """What each version of a trip adds to (place, measure, time), less what the version before it had added."""
    ends = [
        ("from_area", "day", "starts", 1.0),
        ("from_area", "day", "net_outflow", 1.0),
        ("to_area", "last_day", "net_outflow", -1.0),
    ]
    parts = []
    for area, day, measure, change in ends:
        named = versions.filter(pl.col(area).is_not_null()).with_columns(
            place=pl.col(area), measure=pl.lit(measure), time=pl.col(day)
        )
        replaced = named.filter(pl.col("replaced_at").is_not_null()).with_columns(available_at="replaced_at")
        for frame, sign in ((named, 1.0), (replaced, -1.0)):
            parts.append(frame.select("place", "measure", "time", "available_at", change=pl.lit(sign * change)))
    # A trip over midnight is known before its second day is over: it counts when that day is published.
    return pl.concat(parts).with_columns(
        available_at=pl.max_horizontal("available_at", published(pl.col("time"))).cast(UTC_US)
    )


def _grid(days: pl.DataFrame, areas: pl.Series) -> pl.DataFrame:
    """A change of nothing for every area, measure and published day: the zero that a count starts from."""
    grid = days.rename({"day": "time"}).join(areas.alias("place").to_frame(), how="cross")
    grid = grid.join(pl.DataFrame({"measure": ["starts", "net_outflow"]}), how="cross")
    return grid.select(
        "place", "measure", "time", available_at=published(pl.col("time")).cast(UTC_US), change=pl.lit(0.0)
    )


def _values(changes: pl.DataFrame) -> pl.DataFrame:
    """Values as known at each time: sums of all changes up to then."""
    key = ["place", "measure", "time"]
    steps = changes.group_by(*key, "available_at").agg(pl.col("change").sum()).sort(*key, "available_at")
    return steps.select(
        *key, pl.lit(0, dtype=pl.Int64).alias("draw"), value=pl.col("change").cum_sum().over(key),
        available_at="available_at",
    ).sort("measure", "place", "time", "available_at")  # fmt: skip


def _quarantine(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as they were read, without the mark that only sorted them."""
    return rows.with_columns(pl.col("row").str.replace(r',"is_known":(?:true|false|null)', ""))


def _notes(versions: pl.DataFrame, *, lost: int) -> dict[str, float]:
    newest = versions.unique("id", keep="last", maintain_order=True)
    return {
        "trips": float(newest.height),
        "trips_with_unknown_start_area": float(newest["from_area"].null_count()),
        "trips_with_unknown_end_area": float(newest["to_area"].null_count()),
        "trips_over_midnight": float(newest.filter(pl.col("day") != pl.col("last_day")).height),
        "ends_outside_published_days": float(lost),
    }
