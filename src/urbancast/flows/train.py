"""Train: freeze the baseline as release 0, then the best candidate by the backtest's primary score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.evaluation import backtest, metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.evaluation.compare import COLUMN
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import evidence, mirror, panel as panels
from urbancast.flows.backtest import candidates
from urbancast.flows.job import Job, step
from urbancast.models import Fitted
from urbancast.registry import code, release as registry
from urbancast.registry.release import Release

FLOW = "train"
RULE_FEATURES = frozenset({"profile", "rolling", "rules", "rate", "pair"})


def baselines(job: Job, *, only: str | None = None) -> dict[str, Release]:
    """Release 0 of every measure (or ``only`` one), and its other simple rules in its shadow, as known now."""
    training = Training(job, job.now, job.run_id(FLOW, "rules"))
    measures = [measure.id for measure in job.product.modelled if only in (None, measure.id)]
    made = {measure: training.freeze(measure, numbers_of_rules(job, measure)) for measure in measures}
    return {measure: found[job.recipe.baseline][0] for measure, found in made.items()}


def numbers_of_rules(job: Job, measure: str) -> dict[str, int]:
    """Simple rules of a measure and the numbers of their releases: 0 the baseline, -1 the others."""
    rules = [rule.name for rule in candidates(job.recipe, measure) if rule in job.recipe.rules]
    return {name: 0 if name == job.recipe.baseline else -1 for name in rules}


def run(job: Job, tested: Mapping[str, Backtest]) -> dict[str, Release]:
    """Train the best candidate of each measure on what is known now, freeze it and log it."""
    training = Training(job, job.now, job.run_id(FLOW))
    made: dict[str, Release] = {}
    for measure, result in tested.items():
        best = best_candidate(job, result)
        number = registry.next_number(job.lake, job.product.id, measure)
        facts = {"backtest": _scores(job, result)}
        release, fitted = training.freeze(measure, {best: number}, facts=facts)[best]
        with step(job, training.run_id, FLOW, f"{measure}: log") as told:
            evidence.keep(job, release, fitted, result)
            told.update(mirror.now(job))
        made[measure] = release
    return made


def as_of(job: Job, releases: Sequence[Release], cut: datetime, run_id: str) -> list[tuple[Release, Fitted]]:
    """The same candidates as ``releases``, trained on what was known at ``cut``."""
    training = Training(job, cut, run_id)
    made: list[tuple[Release, Fitted]] = []
    for measure in job.product.modelled:
        own = {r.candidate: r.number for r in releases if r.measure == measure.id}
        rules = {name: number for name, number in own.items() if number <= 0}
        rest = {name: number for name, number in own.items() if number > 0}
        for names in filter(None, (rules, rest)):
            made += training.freeze(measure.id, names).values()
    return made


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


@dataclass
class Training:
    """Fits of one job at one cut, on one panel."""

    job: Job
    cut: datetime
    run_id: str
    plan: Plan = field(init=False)
    panel: Panel = field(init=False)

    def __post_init__(self) -> None:
        """Read the panel as known at the cut."""
        self.plan = Plan.of(self.job.recipe, self.job.product)
        self.panel = panels.panel(self.job, until=self.cut)

    def freeze(
        self, measure: str, numbers: Mapping[str, int], *, facts: Mapping[str, Any] | None = None
    ) -> dict[str, tuple[Release, Fitted]]:
        """Fit candidates (name → number) on one frame and freeze each as a release; by name."""
        job = self.job
        chosen = [candidate for candidate in candidates(job.recipe, measure) if candidate.name in numbers]
        with step(job, self.run_id, FLOW, f"{measure}: {', '.join(numbers)}") as told:
            is_simple = all(candidate in job.recipe.rules for candidate in chosen)
            plan = _plan_of_rules(self.plan) if is_simple else self.plan
            fitted = backtest.fit_all(self.panel, plan, measure, chosen, self.cut)
            every = {**_inputs(job, self.panel, plan), **(facts or {})}
            made = {name: (self._frozen(measure, name, numbers[name], one, every), one) for name, one in fitted.items()}
            told.update({name: release.name for name, (release, _) in made.items()})
        return made

    def _frozen(self, measure: str, name: str, number: int, fitted: Fitted, facts: Mapping[str, Any]) -> Release:
        release = Release(
            product=self.job.product.id,
            measure=measure,
            name="",
            number=number,
            candidate=name,
            trained_until=self.cut,
            path="",
            facts=facts,
        )
        return registry.freeze(self.job.lake, fitted, release, run=self.run_id, now=self.job.now)


def recipe_hash(job: Job) -> str:
    """Hash of all that decides how a candidate is trained; a release carries that of its own training."""
    return _hash_of(job, Plan.of(job.recipe, job.product))


def _hash_of(job: Job, plan: Plan) -> str:
    named = sorted((*job.recipe.rules, *job.recipe.candidates), key=lambda candidate: candidate.name)
    return hashlib.sha256(repr((plan, named)).encode()).hexdigest()[:16]


def _plan_of_rules(plan: Plan) -> Plan:
    """A simple rule fits only its interval: the calibration window and the columns it reads are enough."""
    features = tuple(feature for feature in plan.features if feature.name in RULE_FEATURES)
    return replace(plan, features=features, train_window=plan.calibration + timedelta(days=14))


def _inputs(job: Job, known: Panel, plan: Plan) -> dict[str, Any]:
    """Facts from which the release can be made again: window, input hashes, recipe hash, seed."""
    return {
        "window": {"start": known.observations["time"].min(), "end": known.observations["time"].max()},
        "inputs": {
            "observations": _hash(known.observations.drop("run", "product", strict=False)),
            "covariates": _hash(known.covariates.drop("run", "product", strict=False)),
            "places": _hash(known.places.drop("geometry", "run", "product", strict=False)),
        },
        "recipe": _hash_of(job, plan),
        "seed": plan.seed,
        "primary": plan.primary,
        "provenance": job.provenance,
        "code": code.facts(job.product.folder),
        "libraries": code.libraries(),
    }


def _hash(frame: pl.DataFrame) -> str:
    """Content hash that does not depend on the order of rows."""
    rows = frame.hash_rows(seed=0).sort()
    return f"{hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()[:16]}:{frame.height}"


def _scores(job: Job, result: Backtest) -> dict[str, dict[str, float]]:
    columns = ["absolute_error", "deviance", "pinball", "crps", "hits_80"]
    wanted = result.losses.select("candidate", *metrics.KEY, *columns)
    ordered = wanted.sort("candidate", *metrics.KEY)  # sums in one order, every time
    means = ordered.group_by("candidate", maintain_order=True).agg(pl.col(columns).mean(), pl.len().alias("n"))
    return {row.pop("candidate"): row for row in means.iter_rows(named=True)}
