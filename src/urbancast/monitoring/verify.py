"""Verify: losses of issued forecasts whose truth has arrived, each beside the baseline issued at the same moment."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from urbancast.evaluation import metrics
from urbancast.models.counts import Family

RANGE = ("q10", "q50", "q90")
KEPT = (
    *(*metrics.KEY, "release", "kind", "day", "how", "reach_band", "reach_h", "lead_h", "value", "mean", *RANGE),
    *("pit", *metrics.LOSSES),
)


def losses(forecasts: pl.DataFrame, truth: pl.DataFrame, *, tz: str, family: Family | None = None) -> pl.DataFrame:
    """Losses of one release's ``forecasts`` (with reach_h); `kind` is `live` only where issued before its time.

    ``truth``: place, time, value; ``family``: the release's count family, for an exact randomised PIT.
    """
    kind = pl.when(pl.col("issued_at") < pl.col("time")).then(pl.lit("live")).otherwise(pl.lit("replay"))
    return metrics.losses(forecasts, truth, tz=tz, family=family).with_columns(kind=kind).select(KEPT)


def beside(rows: pl.DataFrame, rule: Collection[str]) -> pl.DataFrame:
    """Losses with those of a rule's releases beside as ``baseline_*``; rows that both have.

    Live stands beside live, replay beside replay: a replayed origin may have been lived before.
    """
    parts = []
    for _, part in rows.group_by("kind", maintain_order=True):
        own = part.filter(pl.col("release").is_in(list(rule)))
        parts.append(metrics.beside(part, own.unique(metrics.KEY, keep="last", maintain_order=True)))
    return pl.concat(parts)


def ledger(rows: pl.DataFrame, baselines: frozenset[str]) -> pl.DataFrame:
    """Additive sums by release and kind, with the baseline's on the same rows beside (releases 0 in ``baselines``)."""
    return metrics.sums(beside(rows, baselines), by=["release", "kind"])
