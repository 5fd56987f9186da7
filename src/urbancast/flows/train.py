"""Train: freeze the baseline as release 0, then the best candidate by the backtest's primary score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from urbancast.core.product import Candidate
from urbancast.evaluation import backtest
from urbancast.evaluation.backtest import Backtest
from urbancast.evaluation.compare import COLUMN
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import panel as panels
from urbancast.flows.backtest import candidates
from urbancast.flows.evidence import trained
from urbancast.flows.job import Job, step
from urbancast.models import Fitted
from urbancast.registry import release as registry, tracking
from urbancast.registry.release import Release

FLOW = "train"


def baselines(job: Job) -> dict[str, Release]:
    """Release 0 of every measure: the recipe's baseline with an interval of its own, as known now."""
    run_id = job.run_id(FLOW, "baseline")
    known = _known(job, job.now)
    return {
        measure.id: _freeze(job, measure.id, job.recipe.baseline, job.now, run_id, known=known, number=0)[0]
        for measure in job.product.measures
    }


def run(job: Job, evidence: Mapping[str, Backtest]) -> dict[str, Release]:
    """Train the best candidate of each measure on what is known now, freeze it and log it."""
    run_id = job.run_id(FLOW)
    known = _known(job, job.now)
    made: dict[str, Release] = {}
    for measure, result in evidence.items():
        best = best_candidate(job, result)
        number = registry.next_number(job.lake, job.product.id, measure)
        facts = {"backtest": _scores(job, result)}
        release, _ = _freeze(job, measure, best, job.now, run_id, known=known, number=number, facts=facts)
        with step(job, run_id, FLOW, f"{measure}: log"):
            tracking.log(job.lake, trained(job, release, result))
        made[measure] = release
    return made


def as_of(job: Job, release: Release, cut: datetime, run_id: str) -> tuple[Release, Fitted]:
    """The same candidate as ``release``, trained on what was known at ``cut``."""
    return _freeze(job, release.measure, release.candidate, cut, run_id, known=_known(job, cut), number=release.number)


def best_candidate(job: Job, result: Backtest) -> str:
    """Name of the trained candidate with the smallest mean primary loss over the folds."""
    column = COLUMN[job.recipe.primary]
    names = [candidate.name for candidate in job.recipe.candidates]
    means = (
        result.losses.filter(pl.col("candidate").is_in(names))
        .group_by("candidate")
        .agg(pl.col(column).mean())
        .sort(column, "candidate")
    )
    return str(means["candidate"][0])


def _known(job: Job, cut: datetime) -> Panel:
    plan = Plan.of(job.recipe, job.product)
    return panels.panel(job, since=cut - plan.train_window - plan.calibration, until=cut)


def _freeze(
    job: Job,
    measure: str,
    name: str,
    cut: datetime,
    run_id: str,
    *,
    known: Panel,
    number: int,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Release, Fitted]:
    plan = Plan.of(job.recipe, job.product)
    candidate = _named(job, name)
    with step(job, run_id, FLOW, f"{measure}: {name}") as told:
        fitted = backtest.fit(known, plan, measure, candidate, cut)
        release = Release(
            product=job.product.id,
            measure=measure,
            name="",
            number=number,
            candidate=name,
            trained_until=cut,
            path="",
            facts={**_inputs(job, known, plan), **(facts or {})},
        )
        frozen = registry.freeze(job.lake, fitted, release, run=run_id, now=job.now)
        told.update(release=frozen.name, **fitted.facts)
    return frozen, fitted


def _inputs(job: Job, known: Panel, plan: Plan) -> dict[str, Any]:
    """Facts from which the release can be made again: window, input hashes, recipe hash, seed."""
    return {
        "window": {"start": known.observations["time"].min(), "end": known.observations["time"].max()},
        "inputs": {
            "observations": _hash(known.observations.drop("run", "product", strict=False)),
            "covariates": _hash(known.covariates.drop("run", "product", strict=False)),
            "places": _hash(known.places.drop("geometry", "run", "product", strict=False)),
        },
        "recipe": hashlib.sha256(repr(plan).encode()).hexdigest()[:16],
        "seed": plan.seed,
        "provenance": job.provenance,
    }


def _hash(frame: pl.DataFrame) -> str:
    """Content hash that does not depend on the order of rows."""
    rows = frame.hash_rows(seed=0).sort()
    return f"{hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()[:16]}:{frame.height}"


def _named(job: Job, name: str) -> Candidate:
    return next(candidate for candidate in candidates(job.recipe) if candidate.name == name)


def _scores(job: Job, result: Backtest) -> dict[str, dict[str, float]]:
    columns = ["absolute_error", "deviance", "pinball", "crps", "hits_80"]
    means = result.losses.group_by("candidate").agg(pl.col(columns).mean(), pl.len().alias("n")).sort("candidate")
    return {row.pop("candidate"): row for row in means.iter_rows(named=True)}
