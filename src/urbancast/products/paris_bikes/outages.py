"""Dead counters: zero runs that their own past makes implausible, told no earlier than they could be."""

from __future__ import annotations

import polars as pl

from urbancast.core.time import local_clock

PAST = "28d"  # whose mean at the same hour of the day (UTC) is what an hour should have counted
LONG_HOURS = 12.0  # zero runs at least this long never count as past
SHORTEST_HOURS = 6.0
MISSED_BICYCLES = 50.0  # expected while nothing was counted
DEAD_HOURS = 72.0  # nothing for three days is an outage whatever the past


def masked(counts: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Hours to withdraw: place, time, available_at (of the hour that gave the outage away, or their own if later).

    ``counts``: first versions, place, time, value, one row an hour at most. An hour is judged by hours up
    to it alone, so the answer at any time is the same with or without what came after.
    """
    zeros = _zero_runs(counts).filter(pl.col("value") == 0)
    so_far_h = (pl.col("time") - pl.col("time").first()).dt.total_seconds() / 3600 + 1
    zeros = zeros.with_columns(
        so_far_h=so_far_h.over("place", "run"),
        missed=pl.col("expected").fill_null(0.0).cum_sum().over("place", "run"),  # no past: nothing to miss
    )
    is_out = ((pl.col("missed") >= MISSED_BICYCLES) & (pl.col("so_far_h") >= SHORTEST_HOURS)) | (
        pl.col("so_far_h") >= DEAD_HOURS
    )
    found = zeros.filter(is_out).group_by("place", "run").agg(detected=pl.col("time").min())
    return (
        zeros.join(found, on=["place", "run"])
        .with_columns(told=pl.max_horizontal("time", "detected"))
        .select("place", "time", available_at=local_clock(pl.col("told"), tz, days=1, hour=9))
    )


def _zero_runs(counts: pl.DataFrame) -> pl.DataFrame:
    """Counts with the number of their run (of zeros, or of others) and what the hour's past expects.

    A zero belongs to the past unless its run is long. Excluding a run by its whole length is no hindsight:
    an earlier run has ended, and hours at one UTC hour of one run are a day apart, so it is long by then.
    """
    runs = counts.sort("place", "time").with_columns(run=(pl.col("value") == 0).rle_id().over("place"))
    length_h = (pl.col("time").last() - pl.col("time").first()).dt.total_seconds() / 3600 + 1
    is_long = (pl.col("value") == 0) & (length_h.over("place", "run") >= LONG_HOURS)
    return runs.with_columns(
        hour=pl.col("time").dt.hour(),
        past=pl.when(~is_long).then(pl.col("value")),
    ).with_columns(expected=pl.col("past").rolling_mean_by("time", PAST, closed="left").over("place", "hour"))
