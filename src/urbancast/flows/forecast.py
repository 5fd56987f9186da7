"""Forecast: the served releases look ahead from an origin; `serving` moves last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.evaluation import backtest, derived
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import derive, fallback, network, panel as panels, train
from urbancast.flows.job import Job, step
from urbancast.lake import forecasts, ledger, observations, serving
from urbancast.models import Fitted
from urbancast.registry import record, release as registry
from urbancast.registry.release import Release

FLOW = "forecast"
ROWS_AT_ONCE = 60_000
FOLLOWED = ("forecasts", "observations", "scores", "calibration", "misses", "ledger", "places", "verdicts")


def run(job: Job, *, origin: datetime | None = None, panel: Panel | None = None) -> int:
    """Forecast every measure from ``origin`` (default: now) with its served release; serve it. Forecasts issued.

    The simple rules, and the champion before one on probation, forecast in the shadow. A served release that cannot
    be read is rolled back; the others go on.
    """
    origin = origin or job.now
    run_id = job.at(origin).run_id(FLOW)
    known = panel or panels.panel(job, until=origin)
    with step(job, run_id, FLOW, "forecast") as facts:
        found = fallback.sound(job, serving_releases(job), run_id=run_id)
        _add_shadows(job, found)
        rows = issue(job, list(found.ready.values()), known, [origin], run_id)
        ledger.enter_issued(job.lake, job.product.id, run=run_id, at=datetime.now(UTC), origins=[origin])
        facts.update(rows=rows, origin=origin)
        if found.damaged:
            facts["damaged"] = found.damaged
    with step(job, run_id, FLOW, "serve"):
        serve(job, found.served, origin=origin, run_id=run_id)
    return rows


def serving_releases(job: Job) -> dict[str, Release]:
    """Served release of each measure; a measure not in `serving` yet is served by its baseline.

    A newer training of a served baseline serves in its place: it is the same rule, its interval measured anew.
    """
    row = serving.current(job.lake).get(job.product.id)
    names: Mapping[str, str] = row["releases"] if row else {}
    served: dict[str, Release] = {}
    for measure in job.product.modelled:
        name = names.get(measure.id)
        found = registry.get(job.lake, job.product.id, name) if name else None
        served[measure.id] = found if found and found.number != 0 else _baseline(job, measure.id)
    return served


def with_rules(job: Job, served: Mapping[str, Release]) -> list[Release]:
    """Served releases and, each once, the simple rules that forecast in their shadow."""
    rules = [rule for measure in served for rule in registry.rules(job.lake, job.product.id, measure, until=job.now)]
    return list({release.name: release for release in [*served.values(), *rules]}.values())


def _add_shadows(job: Job, found: fallback.Sound) -> None:
    """Add the simple rules, and each champion relieved by one on probation; a rule that cannot be read is made anew.

    A champion before that cannot be read is left out, and noted: the one on probation is held against the rules.
    """
    known = record.decisions(job.lake, job.product.id, until=job.now)
    for measure, served in found.served.items():
        rules = registry.rules(job.lake, job.product.id, measure, until=job.now)
        if sum(fallback.add(job, rule, found) for rule in rules) < len(rules):
            train.baselines(job, only=measure)
            for rule in registry.rules(job.lake, job.product.id, measure, until=job.now):
                fallback.add(job, rule, found)
        trial = record.probation(known, served, length=job.recipe.retraining.probation, now=job.now)
        earlier = registry.find(job.lake, job.product.id, trial.champion) if trial else None
        if earlier is not None:
            fallback.add(job, earlier, found)


def issue(
    job: Job, releases: Sequence[tuple[Release, Fitted]], panel: Panel, origins: Sequence[datetime], run_id: str
) -> int:
    """Write the forecasts of releases from origins, each once; their number. One frame serves all of a measure."""
    plan = Plan.of(job.recipe, job.product)
    parts = set(derived.parts_of(job.recipe.derived))
    written, kept = 0, []
    for measure in job.product.modelled:
        fitted = {release.name: one for release, one in releases if release.measure == measure.id}
        for some in _chunks(panel, plan, origins) if fitted else ():
            rows = backtest.forecasts(panel, plan, measure.id, fitted, some)
            rows = rows.drop("lead_h", "reach_h").rename({"candidate": "release"})
            written += _add(job, rows, run_id)
            kept += [rows] if measure.id in parts else []
    if kept:
        named = {release.name: release for release, _ in releases}
        for rows in derive.issued(job, panel, pl.concat(kept), named):
            written += _add(job, rows, run_id)
    return written


def _chunks(panel: Panel, plan: Plan, origins: Sequence[datetime]) -> list[Sequence[datetime]]:
    """Origins in parts whose frames are small."""
    each = max(1, len(panel.place_ids()) * (plan.horizon // panel.grain))
    size = max(1, ROWS_AT_ONCE // each)
    return [origins[i : i + size] for i in range(0, len(origins), size)]


def _add(job: Job, rows: pl.DataFrame, run_id: str) -> int:
    signed = [measure.id for measure in job.product.measures if measure.signed]
    forecasts.add(job.lake, job.product.id, rows, run=run_id, issued_at=datetime.now(UTC), signed=signed)
    return rows.height


def switch(job: Job, served: Mapping[str, Release], *, run_id: str) -> None:
    """Serve other releases at the origin now served: their forecasts first, then the one row."""
    row = serving.current(job.lake).get(job.product.id)
    origin: datetime | None = row["origin"] if row else None
    found = fallback.sound(job, served, run_id=run_id)
    if origin is not None:
        issue(job, list(found.ready.values()), panels.panel(job, until=origin), [origin], run_id)
    serve(job, found.served, origin=origin, run_id=run_id)


def serve(job: Job, served: Mapping[str, Release], *, origin: datetime | None, run_id: str) -> None:
    """Move `serving`, the one row that the API follows; nothing is written where nothing moved."""
    row: dict[str, Any] = {
        "origin": origin,
        "releases": {measure: release.name for measure, release in served.items()},
        "versions": {table: job.lake.version(table) for table in FOLLOWED} | network.version(job, origin or job.now),
        "provenance": job.provenance,
        "data_to": observations.data_to(job.lake, job.product.id, at=origin or job.now),
    }
    current = serving.current(job.lake).get(job.product.id, {})
    if any(current.get(key) != value for key, value in row.items()):
        serving.move(job.lake, product=job.product.id, moved_at=datetime.now(UTC), run=run_id, **row)


def show(job: Job, run_id: str) -> None:
    """Serve what is served already with the newest versions of the tables: fresh scores reach the API."""
    row = serving.current(job.lake).get(job.product.id)
    if row is not None:
        serve(job, serving_releases(job), origin=row["origin"], run_id=run_id)


def _baseline(job: Job, measure: str) -> Release:
    found = registry.baseline(job.lake, job.product.id, measure, until=job.now)
    if found is None:
        raise NotReadyError(
            f"{job.product.id}.{measure}: expected a baseline release, found none; "
            f"run `urbancast train {job.product.id}`"
        )
    return found
