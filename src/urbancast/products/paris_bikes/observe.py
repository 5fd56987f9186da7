"""Counts to observations: bicycles an hour a counter, outages masked when they became detectable."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, local_clock
from urbancast.products.paris_bikes.outages import masked
from urbancast.products.sorting import Rule, sort_rows

SOURCE, MEASURE = "counts", "bikes"
MOST_PER_HOUR = 3000.0
_VALUE = pl.col("value")
RULES = (
    Rule(name="no_counter", broken=pl.col("place").str.len_chars() == 0, reason="the row names no counter"),
    Rule(name="no_time", broken=pl.col("time").is_null(), reason="the time is missing or cannot be read"),
    Rule(
        name="no_number", broken=_VALUE.is_nan() | _VALUE.is_infinite(), reason="the count is missing or not a number"
    ),
    Rule(name="negative", broken=_VALUE < 0, reason="a count below zero"),
    Rule(name="too_many", broken=_VALUE > MOST_PER_HOUR, reason=f"more than {MOST_PER_HOUR:.0f} bicycles an hour"),
)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``bikes``; a long zero run that the counter's own past makes implausible becomes null."""
    found = sort_rows(raw[SOURCE], source=SOURCE, key=("place", "time"), rules=RULES)
    versions = _versions(found.kept, context.tz)
    first = versions.filter(pl.struct("place", "time").is_first_distinct())
    withdrawn = masked(first, context.tz)
    observations = _merged(versions, withdrawn)
    return Observed(
        observations=observations,
        quarantine=found.quarantine,
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes={
            "outage_hours_masked": float(withdrawn.height),
            "revised_hours": float(versions.height - first.height),
        },
    )


def _versions(kept: pl.DataFrame, tz: str) -> pl.DataFrame:
    """What each fetch said, in order: place, time, value, available_at. A later say is known when it was fetched."""
    is_first = pl.struct("place", "time").is_first_distinct()
    published = local_clock(pl.col("time"), tz, days=1, hour=9)
    fetched = pl.max_horizontal(published, pl.col("fetched_at"))
    return (
        kept.with_columns(available_at=pl.when(is_first).then(published).otherwise(fetched).cast(UTC_US))
        .unique(["place", "time", "available_at"], keep="last", maintain_order=True)
        .select("place", "time", "value", "available_at")
    )


def _merged(versions: pl.DataFrame, withdrawn: pl.DataFrame) -> pl.DataFrame:
    """Values and withdrawals as versions beside each other; a withdrawal yields to what was corrected before it."""
    corrected = (
        versions.group_by("place", "time")
        .agg(corrected_at=pl.col("available_at").max(), n=pl.len())
        .filter(pl.col("n") > 1)
    )
    nulls = (
        withdrawn.join(corrected, on=["place", "time"], how="left")
        .filter(pl.col("corrected_at").is_null() | (pl.col("corrected_at") > pl.col("available_at")))
        .select("place", "time", pl.lit(None, dtype=pl.Float64).alias("value"), "available_at")
    )
    kept = versions.join(nulls, on=["place", "time", "available_at"], how="anti")
    return (
        pl.concat([kept, nulls])
        .with_columns(measure=pl.lit(MEASURE), draw=pl.lit(0, dtype=pl.Int64))
        .select("place", "measure", "time", "draw", "value", "available_at")
        .sort("place", "time", "available_at")
    )
