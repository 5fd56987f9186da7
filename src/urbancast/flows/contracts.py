"""Contracts: what each table of a product keeps to, checked on what is at rest, with the numbers it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import polars as pl

from urbancast.core.errors import NotReadyError, UrbancastError
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, UTC_US, as_grain, instants, iso, local_days, local_midnight
from urbancast.flows import proof
from urbancast.flows.job import Job
from urbancast.lake import forecasts, provenance, raw, runs, serving
from urbancast.registry import release as registry


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Whether a contract is kept, and what was found."""

    is_kept: bool
    facts: Mapping[str, Any] = field(default_factory=dict)


def conservation(job: Job) -> Kept:
    """Every raw row of the last pull has one fate: raw = used + quarantined + repeated, source by source."""
    rows = runs.read(job.lake, job.product.id).filter(
        pl.col("flow") == "pull", pl.col("step") == "observe", pl.col("state").cast(pl.String) == "done"
    )
    told = [json.loads(facts) for facts in rows["facts"]]
    pulls = [one for one in told if "used" in one]
    if not pulls:
        return Kept(is_kept=True, facts={"pulls": 0})
    newest = pulls[-1]
    fates = {
        name: {fate: newest[fate].get(name, 0) for fate in ("raw", "used", "quarantined", "repeated")}
        for name in newest["raw"]
    }
    is_kept = all(one["raw"] == one["used"] + one["quarantined"] + one["repeated"] for one in fates.values())
    return Kept(is_kept=is_kept, facts={"rows": fates})


def same_provenance(job: Job) -> Kept:
    """Every page kept and everything served is of the one provenance of the product in this lake."""
    fixed = provenance.of(job.lake, job.product.id)
    pages = raw.manifest(job.lake, job.product.id)["provenance"].cast(pl.String).unique().sort().to_list()
    served = (serving.current(job.lake).get(job.product.id) or {}).get("provenance", fixed)
    return Kept(is_kept={*pages, served} <= {fixed}, facts={"provenance": fixed, "pages": pages, "served": served})


def sound_releases(job: Job) -> Kept:
    """Every served release can be read, and is to the byte what was frozen."""
    found: dict[str, str] = {}
    for name in _served(job)[1].values():
        try:
            registry.load(job.lake, registry.get(job.lake, job.product.id, name))
            found[name] = "as frozen"
        except UrbancastError as error:
            found[name] = str(error)
    return Kept(is_kept=set(found.values()) <= {"as frozen"}, facts={"releases": found})


def ordered_quantiles(job: Job) -> Kept:
    """Quantiles of the served forecasts are finite and never cross."""
    rows = _forecasts(job)
    crossed = pl.any_horizontal(pl.col(low) > pl.col(high) for low, high in pairwise(QUANTILE_COLUMNS))
    infinite = ~pl.all_horizontal(pl.col("mean", *QUANTILE_COLUMNS).is_finite())
    bad = rows.select(crossed=crossed.sum(), infinite=infinite.sum()).row(0, named=True)
    return Kept(is_kept=not any(bad.values()), facts={"rows": rows.height, **bad})


def full_grid(job: Job) -> Kept:
    """Every place that is forecast has each open interval of the horizon, once."""
    origin, _ = _served(job)
    expected = _promised(job, origin)
    modelled = [measure.id for measure in job.product.modelled]
    rows = _forecasts(job).filter(pl.col("measure").is_in(modelled))
    sizes = rows.group_by("measure", "release", "place").agg(n=pl.len(), times=pl.col("time").n_unique())
    bad = sizes.filter((pl.col("n") != len(expected)) | (pl.col("times") != len(expected)))
    strange = rows.filter(~pl.col("time").is_in(expected.implode()))
    facts = {
        "origin": iso(origin), "intervals": len(expected), "places": sizes["place"].n_unique(),
        "incomplete": bad.height, "beyond": strange.height, "missing": sorted({*modelled} - {*rows["measure"]}),
    }  # fmt: skip
    return Kept(is_kept=not (bad.height or strange.height or facts["missing"]), facts=facts)


def whole_ledger(job: Job) -> Kept:
    """The ledger's chain holds, and what it sealed is what the tables say."""
    found = proof.run(job)
    misfit = found.misfit and {"entry": found.misfit.number, "reason": found.misfit.reason}
    return Kept(is_kept=found.is_whole, facts={"entries": found.entries, "head": found.head, "misfit": misfit})


def _served(job: Job) -> tuple[datetime, Mapping[str, str]]:
    row = serving.current(job.lake).get(job.product.id)
    if row is None or row["origin"] is None:
        raise NotReadyError(f"{job.product.id}: expected forecasts that serve, found none yet; forecast first")
    return row["origin"], row["releases"]


def _forecasts(job: Job) -> pl.DataFrame:
    origin, releases = _served(job)
    rows = forecasts.read(job.lake, job.product.id, origin=origin)
    return rows.filter(pl.col("release").is_in(list(releases.values())))


def _promised(job: Job, origin: datetime) -> pl.Series:
    """Open interval starts of [origin, origin + horizon), from the promise alone."""
    product, end = job.product, origin + job.product.horizon
    grain = as_grain(product.grain)
    if grain < DAY:
        first = origin + (-(origin - datetime.fromtimestamp(0, origin.tzinfo)) % grain)
        times = instants(first, end, grain)
    else:
        days = local_days(origin, end + DAY, product.tz)
        times = [at for at in (local_midnight(each, product.tz) for each in days) if origin <= at < end]
    series = pl.Series("time", times, dtype=UTC_US)
    return series if product.is_open is None else series.filter(product.is_open(series))


# By the asset after which they are checked.
CONTRACTS: Mapping[str, tuple[Callable[[Job], Kept], ...]] = {
    "raw": (same_provenance,),
    "observations": (conservation,),
    "release": (sound_releases,),
    "forecasts": (ordered_quantiles, full_grid),
    "scores": (whole_ledger,),
}
