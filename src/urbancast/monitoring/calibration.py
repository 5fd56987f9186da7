"""Calibration: what losses add up to by lead, by decile of the forecast, by bin of the PIT, and against each rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from urbancast.evaluation import metrics
from urbancast.monitoring import verify

OWN = ("value", "mean", "absolute_error", "deviance", "pinball", "crps", "width_80", "hits_80")
BESIDE = ("absolute_error", "deviance", "pinball", "crps")
SET = ("measure", "release", "kind", "day")


def sums(compared: pl.DataFrame) -> pl.DataFrame:
    """Sums by lead, decile and PIT with the columns of ``Calibration`` (but product, run) of losses beside a baseline.

    Deciles rank the forecasts of a release, kind and day among each other.
    """
    rows = compared.with_columns(lead=metrics.lead_bin(), decile=metrics.decile(SET), pit=metrics.pit_bin())
    return pl.concat([_summed(rows, dimension) for dimension in ("lead", "decile", "pit")])


def against(rows: pl.DataFrame, rules: Mapping[str, Collection[str]], *, judged: Collection[str]) -> pl.DataFrame:
    """Sums of the releases ``judged`` beside each simple rule (candidate → its releases), where both spoke at once."""
    parts = []
    for name, own in rules.items():
        others = [release for release in judged if release not in own]
        both = verify.beside(rows.filter(pl.col("release").is_in([*others, *own])), own)
        both = both.filter(pl.col("release").is_in(others))
        if both.height:
            parts.append(_summed(both.with_columns(rule=pl.lit(0, pl.Int16)), "rule", rule=name))
    return pl.concat(parts) if parts else pl.DataFrame()


def _summed(rows: pl.DataFrame, dimension: str, *, rule: str = "") -> pl.DataFrame:
    added = [pl.col(name).cast(pl.Float64).sum() for name in (*OWN, *(f"baseline_{name}" for name in BESIDE))]
    found = rows.group_by(*SET, pl.col(dimension).alias("bin"), maintain_order=True).agg(pl.len().alias("n"), *added)
    return found.with_columns(pl.col("n").cast(pl.Int64), dimension=pl.lit(dimension), against=pl.lit(rule))
