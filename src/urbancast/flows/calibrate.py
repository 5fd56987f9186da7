"""Calibrate: what losses add up to by lead, size and PIT, and against each simple rule, for the table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from urbancast.flows.job import Job
from urbancast.lake import calibration as kept, contract
from urbancast.monitoring import calibration, verify
from urbancast.registry.release import Release


def issued(losses: pl.DataFrame, compared: pl.DataFrame, releases: Sequence[Release]) -> pl.DataFrame:
    """Calibration of issued forecasts: of all but the simple rules that run in the shadow.

    ``compared``: the losses with the baseline's beside.
    """
    rules: dict[str, list[str]] = {}
    for release in releases:
        if release.number <= 0:
            rules.setdefault(release.candidate, []).append(release.name)
    judged = [release.name for release in releases if release.number >= 0]
    own = compared.filter(pl.col("release").is_in(judged)) if compared.height else compared
    if own.is_empty():
        return contract.empty("calibration").drop("product", "run")
    against = calibration.against(losses, rules, judged=judged)
    return pl.concat([calibration.sums(own), against]) if against.height else calibration.sums(own)


def folds(job: Job, losses: pl.DataFrame, *, run_id: str) -> int:
    """Keep the calibration of a backtest's candidates, as its scores are kept; rows written.

    Two forecasters at a time: a season of folds is the most rows that there are.
    """
    names = losses["candidate"].unique().sort().to_list()
    rules = [rule.name for rule in job.recipe.rules if rule.name in names]
    parts = [contract.empty("calibration").drop("product", "run")]
    for name in names:
        if name in rules and name != job.recipe.baseline:
            continue
        beside = _both(losses, name, job.recipe.baseline)
        compared = verify.beside(beside, [_fold(job.recipe.baseline)]).filter(pl.col("candidate") == name)
        parts.append(calibration.sums(compared).select(parts[0].columns))
        for rule in rules:
            found = calibration.against(_both(losses, name, rule), {rule: [_fold(rule)]}, judged=[_fold(name)])
            parts += [found.select(parts[0].columns)] if found.height else []
    rows = pl.concat(parts, how="vertical_relaxed")
    return kept.put(job.lake, job.product.id, rows, run=run_id)


def _both(losses: pl.DataFrame, name: str, other: str) -> pl.DataFrame:
    """Losses of two candidates as those of releases."""
    own = losses.filter(pl.col("candidate").is_in([name, other]))
    return own.with_columns(release=pl.lit(_fold("")) + pl.col("candidate"), kind=pl.lit("backtest"))


def _fold(candidate: str) -> str:
    return f"backtest:{candidate}"
