"""Summaries of losses for a reader: by forecaster and lead, beside the strongest simple rule on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from urbancast.evaluation import metrics
from urbancast.evaluation.compare import COLUMN, compare
from urbancast.flows.job import Job

LEADS = {"day 1": (0.0, 24.0), "day 2": (24.0, 48.0), "day 3": (48.0, 72.0), "later": (72.0, 1e9)}


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


def summarise(job: Job, losses: pl.DataFrame) -> list[Summary]:
    """Summaries of every measure, kind, lead day and forecaster in ``losses``."""
    if losses.is_empty():
        return []
    kind = losses["kind"] if "kind" in losses.columns else pl.Series("kind", ["backtest"] * losses.height)
    rows = losses.with_columns(kind)
    found: list[Summary] = []
    for (measure, name), part in rows.group_by(["measure", "kind"], maintain_order=True):
        for lead, (low, high) in {"all": (0.0, 1e9), **LEADS}.items():
            near = part.filter(pl.col("lead_h").is_between(low, high, closed="left"))
            found += _forecasters(job, near, str(measure), str(name), lead)
    return found


def _forecasters(job: Job, rows: pl.DataFrame, measure: str, kind: str, lead: str) -> list[Summary]:
    rule = _strongest(job, rows)
    baseline = rows.filter(pl.col("candidate") == rule)
    found: list[Summary] = []
    for (candidate,), part in rows.group_by(["candidate"], maintain_order=True):
        if part.is_empty() or baseline.is_empty():
            continue
        verdict = compare(part, baseline, job.recipe.primary, seed=job.recipe.seed)
        held = metrics.means(part).row(0, named=True)
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


def _strongest(job: Job, rows: pl.DataFrame) -> str:
    """Name of the simple rule with the smallest mean loss on the rows that all simple rules have."""
    column = COLUMN[job.recipe.primary]
    if len(job.recipe.rules) == 1:
        return job.recipe.baseline
    ruled = rows.filter(pl.col("candidate").is_in([rule.name for rule in job.recipe.rules]))
    count = ruled["candidate"].n_unique()
    shared = ruled.filter(pl.len().over(metrics.KEY) == count)
    means = shared.group_by("candidate").agg(pl.col(column).mean()).sort(column, "candidate")
    return str(means["candidate"][0]) if means.height else job.recipe.baseline


def reliability(losses: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Forecast against observed by tenths of the forecast sum, for each forecaster; see ``metrics.reliability``."""
    return {
        f"{measure} {candidate}": metrics.reliability(part)
        for (measure, candidate), part in losses.group_by(["measure", "candidate"], maintain_order=True)
    }
