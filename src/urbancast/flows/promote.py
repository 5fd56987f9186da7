"""Promote: serve a challenger only where it wins on the same rows; every verdict is recorded with its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from urbancast.core.time import iso
from urbancast.evaluation.backtest import Backtest
from urbancast.evaluation.compare import Verdict, compare
from urbancast.flows import evidence as shown, forecast, mirror
from urbancast.flows.job import Job, step
from urbancast.registry import record
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FLOW = "promote"


def run(job: Job, challengers: Mapping[str, Release], evidence: Mapping[str, Backtest]) -> dict[str, Decision]:
    """Compare each challenger with its champion; record the verdict; serve the winners in one new row."""
    run_id = job.run_id(FLOW)
    served = forecast.serving_releases(job)
    made: dict[str, Decision] = {}
    with step(job, run_id, FLOW, "compare") as facts:
        for measure, challenger in challengers.items():
            decided = record.promotion(job.lake, challenger) if challenger.name == served[measure].name else None
            made[measure] = decided or decide(job, challenger, served[measure], evidence[measure])
            if decided is None:
                record.verdict(job.lake, made[measure], run=run_id, now=job.now)
        facts.update({measure: f"{d.action}: {d.reason}" for measure, d in made.items()})
    with step(job, run_id, FLOW, "serve") as facts:
        winners = {m: challengers[m] for m, d in made.items() if d.action == "promoted"}
        forecast.switch(job, {**served, **winners}, run_id=run_id)
        shown.judged(job, challengers, made)
        facts.update(mirror.now(job))
    return made


def decide(job: Job, challenger: Release, champion: Release, evidence: Backtest) -> Decision:
    """Verdict of the challenger's candidate over the champion's, on the same folds.

    A newer training of the candidate that is served already is measured against the baseline instead.
    """
    is_refresh = challenger.candidate == champion.candidate
    rival = job.recipe.baseline if is_refresh else champion.candidate
    verdict = compare(
        _of(evidence, challenger.candidate), _of(evidence, rival), job.recipe.primary, seed=job.recipe.seed
    )
    promoted = verdict.wins and challenger.name != champion.name
    return Decision(
        product=job.product.id,
        measure=challenger.measure,
        challenger=challenger.name,
        champion=champion.name,
        action="promoted" if promoted else "refused",
        reason=_reason(verdict, is_refresh=is_refresh),
        skill=None if math.isnan(verdict.skill) else verdict.skill,  # a rule without error leaves nothing to gain
        low=verdict.low,
        high=verdict.high,
        numbers={
            **asdict(verdict),
            "rival": rival,
            "primary": job.recipe.primary,
            **({"probation_until": iso(job.now + job.recipe.retraining.probation)} if promoted else {}),
        },
    )


def _of(evidence: Backtest, candidate: str) -> pl.DataFrame:
    return evidence.losses.filter(pl.col("candidate") == candidate)


def _reason(verdict: Verdict, *, is_refresh: bool) -> str:
    return f"newer training of the same candidate; {verdict.reason}" if is_refresh else verdict.reason
