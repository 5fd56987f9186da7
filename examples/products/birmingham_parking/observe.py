"""Readings to observations: share of a car park's spaces taken about each half hour, between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US
from urbancast.products.sorting import Rule, sort_rows

from .product import CLOSES, OPENS  # noqa: TID252

SOURCE, MEASURE = "readings", "share"
GRAIN = pl.duration(minutes=30)
OVERFULL = 1.05  # above its spaces by so much a car park is full; by more the reading is wrong
_OCCUPIED, _CAPACITY = pl.col("occupied"), pl.col("capacity")
RULES = (
    Rule(name="no_place", broken=pl.col("place").str.len_chars() == 0, reason="the reading names no car park"),
    Rule(name="no_time", broken=pl.col("time").is_null(), reason="the time is missing or cannot be read"),
    Rule(name="no_capacity", broken=~(_CAPACITY > 0), reason="the number of spaces is missing or not above zero"),
    Rule(name="negative", broken=~(_OCCUPIED >= 0), reason="fewer than no cars, or not a number"),
    Rule(
        name="overfull",
        broken=_OCCUPIED > OVERFULL * _CAPACITY,
        reason=f"cars in more than {OVERFULL:.0%} of the spaces",
    ),
    Rule(
        name="closed",
        broken=~pl.col("at").dt.round("30m").dt.time().is_between(OPENS, CLOSES),
        reason="a reading outside the half hours 08:00 to 16:30",
    ),
)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``share``; of several readings about one half hour the one nearest to it is used."""
    found = sort_rows(_nearest_first(raw[SOURCE]), source=SOURCE, key=("place", "time"), rules=RULES)
    is_first = pl.struct("place", "time").is_first_distinct()
    on_time = pl.col("time") + GRAIN
    later = pl.max_horizontal(on_time, "fetched_at")
    observations = found.kept.select(
        "place",
        measure=pl.lit(MEASURE),
        time="time",
        draw=pl.lit(0, pl.Int64),
        value=(_OCCUPIED / _CAPACITY).clip(0.0, 1.0),
        available_at=pl.when(is_first).then(on_time).otherwise(later).cast(UTC_US),
    )
    return Observed(
        observations=observations.unique(["place", "time", "available_at"], keep="last", maintain_order=True).sort(
            "place", "time", "available_at"
        ),
        quarantine=found.quarantine,
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes={"readings_above_capacity": float(found.kept.filter(_OCCUPIED > _CAPACITY).height)},
    )


def _nearest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows renumbered within each fetch, those nearest to their half hour first: the first of a key is kept."""
    away = (pl.col("at") - pl.col("at").dt.round("30m")).abs()
    order = ["fetched_at", "_row"] if "fetched_at" in rows.columns else []
    ordered = rows.with_columns(_away=away).sort([*order[:1], "_away", *order[1:]], maintain_order=True)
    return ordered.drop("_away").with_columns(_row=pl.int_range(pl.len(), dtype=pl.Int64))
