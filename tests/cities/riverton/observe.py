"""Riverton's counts need no more than a look at their sign."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import local_clock


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Counts of zero or more; a row said twice is repeated, a negative count quarantined."""
    rows = raw["counts"]
    is_bad = pl.col("value").is_null() | (pl.col("value") < 0)
    good, bad = rows.filter(~is_bad), rows.filter(is_bad)
    newest = good.sort("fetched_at", "_row").unique(["place", "time"], keep="last", maintain_order=True)
    quarantine = bad.select(
        source=pl.lit("counts"),
        row=pl.struct("place", "time", "value").struct.json_encode(),
        rule=pl.lit("negative"),
        reason=pl.lit("a count below zero"),
    )
    observations = newest.select(
        "place",
        measure=pl.lit("bikes"),
        time="time",
        draw=pl.lit(0, pl.Int64),
        value="value",
        available_at=local_clock(pl.col("time"), context.tz, days=1, hour=9),
    )
    return Observed(
        observations=observations,
        quarantine=quarantine,
        used={"counts": newest.height},
        repeated={"counts": good.height - newest.height},
    )
