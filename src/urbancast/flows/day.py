"""A product's day, asset by asset: today it is lived, a past day is lived again as it was known then."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.core.product import Product, Recipe
from urbancast.core.time import DAY, iso, local_day, local_midnight
from urbancast.flows import due, forecast, mirror, probation, pull, replay, retraining, train, verify, watch
from urbancast.flows.due import Stage
from urbancast.flows.job import Job, step
from urbancast.lake import observations, raw, scores, serving, verdicts
from urbancast.lake.store import MARK, Lake
from urbancast.registry import release as registry

Facts = Mapping[str, Any]


def first(lake: Lake, product: Product, recipe: Recipe) -> date:
    """First day that a lake can tell of: of its oldest value, or as long before it was made as the history goes."""
    begins = datetime.fromisoformat(json.loads(lake.files.get(MARK))["created"]) - recipe.history
    oldest = lake.scan("observations", product=product.id).select(pl.col("time").min()).collect().item()
    return local_day(min(begins, oldest or begins), product.tz)


def run(job: Job, asset: str, day: date | None = None) -> Facts:
    """Make one asset of a day (default: today); what a person should see of it. Past days pull nothing."""
    today = local_day(job.now, job.product.tz)
    if day is None or day == today:
        return {"day": today, **ASSETS[asset][0](job)}
    if day > today:
        expected, action = f"a day up to {today}", "wait for it"
        raise QueryError("malformed-day", expected=expected, found=str(day), action=action)
    then = local_midnight(day + DAY, job.product.tz)
    return {"day": day, "as known at": iso(then), **ASSETS[asset][1](job, then)}


def at_rest(job: Job, day: date) -> dict[str, Facts]:
    """What the lake knows of a past day without making anything: what had come, and how its forecasts did."""
    then = local_midnight(day + DAY, job.product.tz)
    return {"raw": _kept(job, then), "observations": _observed(job, then), "scores": _scored(job, day)}


def _scored(job: Job, day: date) -> Facts:
    rows = scores.read(job.lake, job.product.id, since=day, until=day + DAY)
    sums = rows.group_by("kind", "measure", "release").agg(pl.col("n", "hits_80", "absolute_error").sum())
    return {
        f"{row['kind']} {row['measure']} {row['release']}": {
            "forecasts": row["n"],
            "mean absolute error": round(row["absolute_error"] / row["n"], 4),
            "held of 80 %": round(row["hits_80"] / row["n"], 4),
        }
        for row in sums.filter(pl.col("n") > 0).sort("kind", "measure", "release").to_dicts()
    }


def _fetch(job: Job) -> Facts:
    """What the sources have new: of those that are due, or of all where none is."""
    asked = due.sources(job.lake, job.product.id, job.now)
    pages = pull.fetch(job, only=list(asked) or None)
    return {"new pages": pages, "asked": {name: one.reason for name, one in asked.items()} or "all sources"}


def _kept(job: Job, then: datetime) -> Facts:
    pages = raw.manifest(job.lake, job.product.id).filter(pl.col("fetched_at") <= then)
    own = pages.filter(pl.col("fetched_at") > then - DAY)
    return {"new pages": own.height, "pages until then": pages.height}


def _observe(job: Job) -> Facts:
    seen = pull.observe(job)
    return {**asdict(seen), **_observed(job, job.now)}


def _observed(job: Job, then: datetime) -> Facts:
    """First and last interval that became known within the day before."""
    rows = job.lake.scan("observations", product=job.product.id)
    new = rows.filter(pl.col("available_at") <= then, pl.col("available_at") > then - DAY)
    first, last, n = new.select(pl.col("time").min(), last=pl.col("time").max(), n=pl.len()).collect().row(0)
    newest = observations.data_to(job.lake, job.product.id, at=then)
    return {"rows of the day": n, "window": _span(first, last), "data to": iso(newest) if newest else None}


def _release(job: Job) -> Facts:
    """A training where one is due; the simple rules where nothing serves yet."""
    if any(registry.baseline(job.lake, job.product.id, each.id) is None for each in job.product.modelled):
        made = train.baselines(job)
        return {"trained": {measure: release.name for measure, release in made.items()}}
    decided = retraining.run(job)
    said = {measure: f"{one.action}: {one.reason}" for measure, one in decided.items()}
    return {"verdicts": said or "no training was due", **_served(job)}


def _released(job: Job, then: datetime) -> Facts:
    known = [r for r in registry.every(job.lake, job.product.id) if r.trained_until <= then]
    return {"trained until then": {f"{r.measure} {r.candidate}": r.name for r in known}}


def _forecast(job: Job) -> Facts:
    return {"rows": forecast.run(job), "origin": iso(job.now), **_ahead(job, job.now), **_served(job)}


def _forecast_again(job: Job, then: datetime) -> Facts:
    begun = local_midnight(local_day(then, job.product.tz) - DAY, job.product.tz)
    lived = replay.run(job, days=1, anchor=begun)
    return {"origins": [iso(origin) for origin in lived], **_ahead(job, min(lived, default=then))}


def _score(job: Job) -> Facts:
    return {"rows": verify.run(job).rows}


def _score_again(job: Job, then: datetime) -> Facts:
    """By the truth as it is known now, late and revised truth included."""
    return {"rows": verify.run(job, since=then - DAY).rows}


def _review(job: Job) -> Facts:
    made = probation.review(job)
    return {"rolled back": {measure: one.reason for measure, one in made.items()} or "nothing"}


def _mirror(job: Job) -> Facts:
    """In a step of its own, beside which it tells why something could not be mirrored."""
    with step(job, job.run_id(mirror.FLOW), mirror.FLOW, "to MLflow") as facts:
        facts.update(mirror.now(job))
    return facts


def _mirrored(job: Job, then: datetime) -> Facts:
    return _mirror(job)


def _watch(job: Job) -> Facts:
    seen = watch.run(job)
    return {"opened": list(seen.opened), "resolved": list(seen.resolved), "drifted": list(seen.drifted)}


def _reviewed(job: Job, then: datetime) -> Facts:
    """What was decided that day: a past day moves nothing that serves."""
    rows = verdicts.read(job.lake, job.product.id)
    own = rows.filter(pl.col("decided_at") <= then, pl.col("decided_at") > then - DAY)
    return {"verdicts": [f"{row['measure']} {row['action']}: {row['reason']}" for row in own.to_dicts()]}


def _watch_again(job: Job, then: datetime) -> Facts:
    seen = watch.run(job.at(then), is_replay=True)
    return {"found": [one.alert for one in seen.found], "drifted": list(seen.drifted)}


def _served(job: Job) -> Facts:
    row = serving.current(job.lake).get(job.product.id)
    return {"served": row["releases"] if row else {}}


def _ahead(job: Job, origin: datetime) -> Facts:
    return {"window": _span(origin, origin + job.product.horizon)}


def _span(first: datetime | None, last: datetime | None) -> str:
    return f"{iso(first)} to {iso(last)}" if first and last else "none"


# In the order in which they are made: today, and a past day that ended at a moment.
ASSETS: dict[str, tuple[Callable[[Job], Facts], Callable[[Job, datetime], Facts]]] = {
    "raw": (_fetch, _kept),
    "observations": (_observe, _observed),
    "release": (_release, _released),
    "forecasts": (_forecast, _forecast_again),
    "scores": (_score, _score_again),
    "probation": (_review, _reviewed),
    "tracking": (_mirror, _mirrored),
    "watch": (_watch, _watch_again),
}
# What each is made from.
ABOVE: dict[str, tuple[str, ...]] = {
    "raw": (),
    "observations": ("raw",),
    "release": ("observations",),
    "forecasts": ("observations", "release"),
    "scores": ("observations", "forecasts"),
    "probation": ("scores",),
    "tracking": ("release", "scores"),
    "watch": ("scores",),
}
SAID: dict[str, str] = {
    "raw": "Bytes exactly as the sources sent them, with a manifest.",
    "observations": "What was counted, revisions beside each other, as known at any moment.",
    "release": "Forecasters frozen with their manifest; a training where one is due.",
    "forecasts": "What was promised: mean and quantiles of every place and interval of the horizon.",
    "scores": "How every issued forecast did once its truth had come, sealed in the ledger.",
    "probation": "Champions held against those before them; what loses is rolled back.",
    "tracking": "What MLflow shows, mirrored from the lake.",
    "watch": "Freshness, drift and quality; alerts opened, resolved and told.",
}
# What is made for a stage that is owed.
OF_STAGE: dict[Stage, tuple[str, ...]] = {
    "begin": ("raw", "observations", "release", "forecasts"),
    "pull": ("raw", "observations"),
    "forecast": ("forecasts",),
    "verify": ("scores", "probation", "tracking"),
    "retrain": ("release", "tracking"),
    "watch": ("watch",),
}
