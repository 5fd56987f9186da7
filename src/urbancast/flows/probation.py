"""Probation: a champion is held against the one before it and the baseline; what loses significantly is rolled back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import polars as pl

from urbancast.evaluation.compare import Loss, lost
from urbancast.flows import fallback, forecast, paired, panel as panels, rollback
from urbancast.flows.job import Job, step
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FLOW = "probation"
WORDS = {
    "absolute_error": "mean absolute error",
    "deviance": "mean deviance",
    "pinball": "mean pinball loss",
    "crps": "mean CRPS",
}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Whom a champion is held against: ``who`` in words, and sums on the rows that both forecast, by loss."""

    release: Release
    who: str
    hours: Mapping[str, pl.DataFrame]


def review(job: Job) -> dict[str, Decision]:
    """Roll back each champion that lost significantly to the champion before it or to its baseline; decisions made.

    Beside the champion before it while it is on probation; beside the baseline for as long as it serves.
    """
    run_id = job.run_id(FLOW)
    known = record.decisions(job.lake, job.product.id, until=job.now)
    made: dict[str, Decision] = {}
    with step(job, run_id, FLOW, "review") as facts:
        for measure, served in forecast.serving_releases(job).items():
            if served.number <= 0:
                facts[measure] = "the baseline serves: there is nothing to hold it against"
                continue
            trial = record.probation(known, served, length=job.recipe.retraining.probation, now=job.now)
            decided, facts[measure] = judge(served, list(_rivals(job, served, trial)))
            if trial is not None and trial.decided_at is not None and decided is None:
                until = trial.decided_at + job.recipe.retraining.probation
                facts[measure] = f"on probation until {until:%Y-%m-%d %H:%M} UTC; {facts[measure]}"
            if decided is not None:
                made[measure] = decided
    for decided in made.values():
        rollback.carry_out(job, decided)
    return made


def judge(served: Release, rivals: Sequence[Rival]) -> tuple[Decision | None, str]:
    """The rollback that a champion has earned, or None; and how it does beside its rivals, in words."""
    said = []
    for rival in rivals:
        for column, hours in rival.hours.items():
            loss = lost(hours)
            if loss is not None and loss.is_lost:
                decided = _decision(served, rival, column, loss)
                return decided, decided.reason
        loss = lost(next(iter(rival.hours.values())))
        said.append(_standing(rival.who, loss))
    return None, "; ".join(said) or "nothing to hold it against yet"


def _rivals(job: Job, served: Release, trial: Decision | None) -> Iterator[Rival]:
    earlier = registry.find(job.lake, job.product.id, trial.champion) if trial else None
    if trial is not None and trial.decided_at is not None and earlier is not None and earlier.number > 0:
        since = trial.decided_at
        seen = panels.panel(job, since=since - timedelta(days=1), until=job.now)
        hours = paired.hours(job, seen, (served, earlier), since=since, until=job.now)
        yield Rival(release=earlier, who="the champion before it", hours=hours)
    baseline = registry.baseline(job.lake, job.product.id, served.measure, until=job.now)
    if baseline is not None:
        since = max(job.now - job.recipe.retraining.window, served.trained_until)
        hours = paired.from_scores(job, served, since=since, until=job.now)
        yield Rival(release=baseline, who="the baseline", hours=hours)


def _decision(served: Release, rival: Rival, column: str, loss: Loss) -> Decision:
    decided = fallback.rolled_back(rival.release, served, reason=_reason(rival, column, loss))
    numbers = {**asdict(loss), "loss": column, "rival": rival.release.candidate}
    skill = 1 - loss.rival_score / loss.score if loss.score else None
    bounds = {"low": loss.low, "high": loss.high}
    return Decision(**{**vars(decided), **bounds, "skill": skill, "numbers": numbers})


def _reason(rival: Rival, column: str, loss: Loss) -> str:
    more = f"{loss.share:.0%} worse" if math.isfinite(loss.share) else "worse"
    return (
        f"{more} than {rival.who}: {WORDS[column]} {loss.score:.4g} against {loss.rival_score:.4g} on {loss.rows:,} "
        f"forecasts of both, {_blocks(loss)} ({loss.level:.1%} interval of the difference {loss.low:.3g} to "
        f"{loss.high:.3g})"
    )


def _standing(who: str, loss: Loss | None) -> str:
    if loss is None:
        return f"no truth yet to hold it against {who}"
    word = "better" if loss.share <= 0 else "worse"
    return f"{abs(loss.share):.1%} {word} than {who} over {_blocks(loss)}"


def _blocks(loss: Loss) -> str:
    """Number of blocks in words."""
    of = "" if loss.by == "day" else f" of {loss.days} day{'s' if loss.days > 1 else ''}"
    return f"{loss.blocks} {loss.by}{'s' if loss.blocks > 1 else ''}{of}"
