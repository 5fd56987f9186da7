"""Summaries of losses for a reader: by forecaster and lead, beside the strongest simple rule on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from urbancast.evaluation import metrics
from urbancast.evaluation.compare import COLUMN, judge
from urbancast.flows.job import Job
from urbancast.flows.tally import LEADS, Tally


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One forecaster at one lead: its score, that of the strongest simple rule ``rule``, and how often its range held.

    ``skill`` is 1 − value / baseline; ``low`` and ``high`` bound the gain over the baseline (95 %, day blocks);
    ``held_80_error`` is 1.96 day-block standard errors. Rows are those that both have.
    """

    measure: str
    kind: str
    lead: str
    forecaster: str
    n: int
    score: str
    value: float
    rule: str
    baseline: float
    skill: float
    low: float
    high: float
    held_80: float
    held_80_error: float


def summarise(job: Job, losses: pl.DataFrame | Tally) -> list[Summary]:
    """Summaries of every measure, kind, lead day and forecaster in ``losses``, rows or a tally of them."""
    tally = Tally.of(job, [losses]) if isinstance(losses, pl.DataFrame) else losses
    found: list[Summary] = []
    for measure, kind in tally.groups:
        for lead in ("all", *LEADS):
            found += _forecasters(job, tally, measure, kind, lead)
    return found


def _forecasters(job: Job, tally: Tally, measure: str, kind: str, lead: str) -> list[Summary]:
    at = {"measure": measure, "kind": kind} | ({} if lead == "all" else {"lead": lead})
    rule = _strongest(job, tally, at)
    pairs = tally.days("pairs", {**at, "rule": rule}) if tally.pairs else pl.DataFrame({"candidate": []})
    own = metrics.means_of_days(tally.days("own", at), by=["candidate"])
    found: list[Summary] = []
    for (candidate,), days in pairs.group_by("candidate", maintain_order=True):
        verdict = judge(days.sort("day"), seed=job.recipe.seed)
        held = own.row(by_predicate=pl.col("candidate") == candidate, named=True)
        found.append(
            Summary(
                measure=measure,
                kind=kind,
                lead=lead,
                forecaster=str(candidate),
                n=verdict.rows,
                score=COLUMN[job.recipe.primary],
                value=verdict.challenger_score,
                rule=rule,
                baseline=verdict.champion_score,
                skill=verdict.skill,
                low=verdict.low,
                high=verdict.high,
                held_80=held["hits_80"],
                held_80_error=1.96 * held["hits_80_se"],
            )
        )
    return sorted(found, key=lambda s: s.value)


def _strongest(job: Job, tally: Tally, at: Mapping[str, str]) -> str:
    """Name of the simple rule with the smallest mean loss on the rows that all simple rules have."""
    if len(job.recipe.rules) == 1:
        return job.recipe.baseline
    ruled = tally.days("shared", at)
    shared = ruled.filter(pl.col("said_by") == ruled["candidate"].n_unique())
    means = shared.with_columns(_mean=pl.col(tally.column) / pl.col("n")).sort("_mean", "candidate")
    return str(means["candidate"][0]) if means.height else job.recipe.baseline
