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
from urbancast.flows import derive, network, panel as panels
from urbancast.flows.job import Job, step
from urbancast.lake import forecasts, observations, serving
from urbancast.models import Fitted
from urbancast.registry import release as registry
from urbancast.registry.release import Release

FLOW = "forecast"
ROWS_AT_ONCE = 60_000
FOLLOWED = ("forecasts", "observations", "scores", "places", "verdicts")


def run(job: Job, *, origin: datetime | None = None, panel: Panel | None = None) -> int:
    """Forecast every measure from ``origin`` (default: now) with its served release and the simple rules; serve it.

    Returns the number of forecasts issued.
    """
    origin = origin or job.now
    run_id = job.at(origin).run_id(FLOW)
    served = serving_releases(job)
    known = panel or panels.panel(job, until=origin)
    with step(job, run_id, FLOW, "forecast") as facts:
        rows = issue(job, loaded(job, with_rules(job, served)), known, [origin], run_id)
        facts.update(rows=rows, origin=origin)
    with step(job, run_id, FLOW, "serve"):
        serve(job, served, origin=origin, run_id=run_id)
    return rows


def serving_releases(job: Job) -> dict[str, Release]:
    """Served release of each measure; a measure not in `serving` yet is served by its baseline."""
    row = serving.current(job.lake).get(job.product.id)
    names: Mapping[str, str] = row["releases"] if row else {}
    served: dict[str, Release] = {}
    for measure in job.product.modelled:
        name = names.get(measure.id)
        found = registry.get(job.lake, job.product.id, name) if name else _baseline(job, measure.id)
        served[measure.id] = found
    return served


def with_rules(job: Job, served: Mapping[str, Release]) -> list[Release]:
    """Served releases and, each once, the simple rules that forecast in their shadow."""
    rules = [rule for measure in served for rule in registry.rules(job.lake, job.product.id, measure)]
    return list({release.name: release for release in [*served.values(), *rules]}.values())


def loaded(job: Job, releases: Sequence[Release]) -> list[tuple[Release, Fitted]]:
    """Releases with their forecasters."""
    return [(release, registry.load(job.lake, release)) for release in releases]


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
    if origin is not None:
        issue(job, loaded(job, list(served.values())), panels.panel(job, until=origin), [origin], run_id)
    serve(job, served, origin=origin, run_id=run_id)


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
    found = registry.baseline(job.lake, job.product.id, measure)
    if found is None:
        raise NotReadyError(
            f"{job.product.id}.{measure}: expected a baseline release, found none; "
            f"run `urbancast train {job.product.id}`"
        )
    return found
