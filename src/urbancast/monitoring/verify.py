"""Verify: losses of issued forecasts whose truth has arrived, each beside the baseline issued at the same moment."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.evaluation import metrics
from urbancast.models.counts import Family


def losses(
    forecasts: pl.DataFrame, truth: pl.DataFrame, *, tz: str, families: Mapping[str, Family | None]
) -> pl.DataFrame:
    """Losses of ``forecasts`` (one measure, several releases) with `kind`: `live` only where issued before its time.

    ``families``: count family by release, for an exact randomised PIT; ``truth``: place, time, value.
    """
    kind = pl.when(pl.col("issued_at") < pl.col("time")).then(pl.lit("live")).otherwise(pl.lit("replay"))
    parts = [
        metrics.losses(part, truth, tz=tz, family=families.get(str(release)))
        for (release,), part in forecasts.group_by("release", maintain_order=True)
    ]
    return pl.concat(parts).with_columns(kind=kind) if parts else pl.DataFrame()


def ledger(rows: pl.DataFrame, baselines: frozenset[str]) -> pl.DataFrame:
    """Additive sums by release and kind, with the baseline's on the same rows beside (releases 0 in ``baselines``)."""
    beside = rows.filter(pl.col("release").is_in(list(baselines))).unique(metrics.KEY, keep="last", maintain_order=True)
    return metrics.ledger(rows, baseline=beside, by=["release", "kind"])
