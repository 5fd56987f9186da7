"""Trips to observations: one trip is one draw of minutes of its pair of areas and hour of departure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, local_clock
from urbancast.products.chicago_taxi.product import PRODUCT, TZ
from urbancast.products.chicago_taxi.rules import PAIR, rules
from urbancast.products.sorting import sort_rows
from urbancast.products.trips import draws_of

SOURCE = "trips"
MEASURE = PRODUCT.measure.id
LAG_DAYS, LAG_HOUR = 21, 6
LONGEST_MIN = 240.0  # a longer trip counts as one of so many minutes: censored, not cut
SAME_PULL = timedelta(hours=6)  # rows fetched this close together were published together
TOLD_PAIRS, LEAST_ROWS = 8, 100
_KEY = ("place", "time", "draw")


def published(time: pl.Expr) -> pl.Expr:
    """When the trips that started on a local day are declared readable: three weeks later, at six."""
    return local_clock(time, TZ, days=LAG_DAYS, hour=LAG_HOUR)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``minutes`` by pair of areas (an unknown end is empty), hour of departure and trip.

    A trip that a later fetch brings counts from that fetch on; so does what a later fetch says otherwise.
    """
    rows = raw[SOURCE]
    found = sort_rows(rows, source=SOURCE, key=("id",), rules=rules(context.places))
    versions = _versions(found.kept, rows)
    return Observed(
        observations=_observations(versions),
        quarantine=found.quarantine,
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes=_notes(versions, found.quarantine),
    )


def _versions(kept: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Versions of each trip with place, time, draw, value, ``available_at`` and ``replaced_at``."""
    fetches = rows if "fetched_at" in rows.columns else rows.with_columns(fetched_at=pl.lit(None, dtype=UTC_US))
    day = pl.col("time").dt.convert_time_zone(TZ).dt.date()
    first_fetch = fetches.group_by(day=day).agg(day_fetched_at=pl.col("fetched_at").min())
    is_late = (pl.col("fetched_at") > pl.col("day_fetched_at") + SAME_PULL).fill_null(value=False)
    is_base = pl.col("id").is_first_distinct() & ~is_late
    minutes = pl.col("seconds") / 60
    return (
        kept.with_columns(day=day)
        .join(first_fetch, on="day", how="left", maintain_order="left")
        .with_columns(
            available_at=pl.when(is_base).then(published(pl.col("time"))).otherwise("fetched_at").cast(UTC_US),
            place=PAIR,
            draw=draws_of(kept["id"]),
            value=pl.min_horizontal(minutes, LONGEST_MIN).round(4),
            is_long=minutes > LONGEST_MIN,
        )
        .with_columns(time=pl.col("time").dt.truncate(PRODUCT.grain))
        .with_columns(replaced_at=pl.col("available_at").shift(-1).over("id"))
    )


def _observations(versions: pl.DataFrame) -> pl.DataFrame:
    """Every version, and the withdrawal of one whose trip moved to another pair or hour."""
    after = [pl.col(name).shift(-1).over("id").alias(f"_{name}") for name in _KEY]
    moved = versions.with_columns(after).filter(
        pl.col("replaced_at").is_not_null(),
        pl.any_horizontal(pl.col(name) != pl.col(f"_{name}") for name in _KEY),
    )
    gone = moved.with_columns(value=pl.lit(None, dtype=pl.Float64), available_at=pl.col("replaced_at"))
    columns = ["place", pl.lit(MEASURE).alias("measure"), "time", "draw", "value", "available_at"]
    both = pl.concat([versions.select(columns), gone.select(columns)])
    return both.sort("measure", "place", "time", "draw", "available_at")


def _notes(versions: pl.DataFrame, out: pl.DataFrame) -> dict[str, float]:
    """Share removed, of all trips and of the pairs with most of them; trips censored, and of unknown ends."""
    ends = [pl.col("row").str.json_path_match(f"$.{end}") for end in ("from", "to")]
    removed = out.select(place=pl.concat_str(ends, separator=">", ignore_nulls=False)).group_by("place").len("removed")
    trips = versions.unique("id")
    pairs = trips.group_by("place").len("kept").join(removed, on="place", how="full", coalesce=True)
    pairs = pairs.with_columns(pl.col("kept", "removed").fill_null(0).cast(pl.Int64))
    pairs = pairs.with_columns(rows=pl.col("kept") + pl.col("removed")).sort("rows", "place", descending=[True, False])
    told = pairs.filter(pl.col("rows") >= LEAST_ROWS).head(TOLD_PAIRS)
    unknown = trips.filter((pl.col("from") == "") | (pl.col("to") == "")).height
    return {
        "share_removed": round(out.height / max(out.height + trips.height, 1), 4),
        "trips_censored": float(trips.filter("is_long").height),
        "share_with_unknown_end": round(unknown / max(trips.height, 1), 4),
        **{
            f"share_removed {pair}": round(gone / n, 4)
            for pair, gone, n in told.select("place", "removed", "rows").rows()
        },
    }
