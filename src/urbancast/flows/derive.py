"""Derived measures in the flows: issued beside their parts, tested on the folds, scored like any measure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

import polars as pl

from urbancast.core.product import Derived, Window
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.evaluation import derived, metrics, stock
from urbancast.evaluation.backtest import Backtest
from urbancast.evaluation.compare import COLUMN
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.flows import calibrate
from urbancast.flows.job import Job
from urbancast.lake import forecasts, scores
from urbancast.monitoring import verify
from urbancast.registry import release as registry
from urbancast.registry.release import Release

_SAID = ["place", "measure", "origin", "time", "mean", *QUANTILE_COLUMNS]


def of(job: Job, measure: str) -> Derived | None:
    """How a measure is derived; None where releases forecast it."""
    return next((one for one in job.recipe.derived if one.measure == measure), None)


def issued(job: Job, panel: Panel, marginals: pl.DataFrame, releases: Mapping[str, Release]) -> Iterator[pl.DataFrame]:
    """Forecasts of the derived measures, a frame an origin and release of the measure that speaks for them.

    ``marginals``: what was just issued, with release. A simple rule goes with its namesake of the other parts,
    a trained release with the trained one.
    """
    names = marginals["release"].unique().to_list()
    given = [releases[name] for name in sorted(names)]
    for past in derived.pasts(panel, derived.parts_of(job.recipe.derived), marginals["origin"].unique().to_list()):
        here = marginals.filter(pl.col("origin") == past.origin)
        for leader in sorted({one.derived_from for one in job.product.measures if one.derived_from}):
            own = [one for one in job.recipe.derived if one.parts[0] == leader]
            for release in (each for each in given if each.measure == leader):
                chosen = [_beside(release, given, part) for part in derived.parts_of(own)]
                rows = here.filter(pl.col("release").is_in([one.name for one in chosen if one]))
                if all(chosen) and rows.height:
                    said = derived.forecasts(panel, own, rows, past, seed=job.recipe.seed)
                    yield said.with_columns(release=pl.lit(release.name))


def _beside(release: Release, given: list[Release], part: str) -> Release | None:
    """Release of another part that goes with this one."""
    if release.measure == part:
        return release
    others = [one for one in given if one.measure == part]
    akin = [one for one in others if release.number <= 0 and one.candidate == release.candidate]
    baseline = [one for one in others if release.number < 0 and one.number == 0]
    return next(iter([*akin, *baseline, *sorted(others, key=lambda one: -one.number)]), None)


def tested(job: Job, panel: Panel, found: Mapping[str, Backtest], run_id: str) -> int:
    """Forecast derived measures on the folds with the best candidate of their first part and the baseline.

    Keeps scores, and what stock would have cost; the number of losses.
    """
    best = {one.measure: _best(job, found[one.parts[0]]) for one in job.recipe.derived}
    told = {*best.values(), job.recipe.baseline}
    forecasts_ = pl.concat([found[part].forecasts for part in found])
    origins = forecasts_["origin"].unique().to_list()
    said = [
        rows.with_columns(candidate=pl.lit(name))
        for past in derived.pasts(panel, derived.parts_of(job.recipe.derived), origins)
        for name, rows in _by_candidate(job, panel, forecasts_.filter(pl.col("origin") == past.origin), past, told)
    ]
    every, count = pl.concat(said), 0
    for one in job.recipe.derived:
        losses = _scored(job, panel, one, every.filter(pl.col("measure") == one.measure))
        beside = losses.filter(pl.col("candidate") == job.recipe.baseline)
        for (name,), part in losses.group_by("candidate", maintain_order=True):
            sums = metrics.ledger(part, baseline=beside).with_columns(
                release=pl.lit(f"backtest:{name}"), kind=pl.lit("backtest")
            )
            scores.add(job.lake, job.product.id, sums, run=run_id)
        calibrate.folds(job, losses, run_id=run_id)
        served = losses.filter(pl.col("candidate") == best[one.measure]).with_columns(kind=pl.lit("backtest"))
        _add_costs(job, panel, one, served, run_id)
        count += losses.height
    return count


def _by_candidate(
    job: Job, panel: Panel, here: pl.DataFrame, past: derived.Past, told: Collection[str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Derived forecasts of one origin by each candidate of ``told`` that forecast the first part."""
    rules = [rule.name for rule in job.recipe.rules]
    for leader in sorted({one.parts[0] for one in job.recipe.derived}):
        own = [one for one in job.recipe.derived if one.parts[0] == leader]
        spoke = here.filter(pl.col("measure") == leader, pl.col("candidate").is_in(list(told)))
        names = spoke["candidate"].unique().sort()
        for name in names:
            parts = []
            for part in derived.parts_of(own):
                rows = here.filter(pl.col("measure") == part)
                same = rows.filter(pl.col("candidate") == name)
                trained = [c.name for c in job.recipe.candidates if c.name in rows["candidate"]]
                other = job.recipe.baseline if name in rules or not trained else trained[0]
                parts.append(same if same.height else rows.filter(pl.col("candidate") == other))
            yield name, derived.forecasts(panel, own, pl.concat(parts).select(_SAID), past, seed=job.recipe.seed)


def _best(job: Job, result: Backtest) -> str:
    """Candidate of the smallest mean primary loss on the folds: the one that would serve."""
    column = COLUMN[job.recipe.primary]
    means = result.losses.group_by("candidate").agg(pl.col(column).mean()).sort(column, "candidate")
    return str(means["candidate"][0])


def _scored(job: Job, panel: Panel, one: Derived, rows: pl.DataFrame) -> pl.DataFrame:
    start, end = rows["time"].min(), rows["time"].max()
    truth = derived.truth(panel, one, start=start, end=end + timedelta(microseconds=1))  # type: ignore[arg-type,operator]
    return metrics.losses(_with_reach(panel, one, rows), truth, tz=job.product.tz)


def losses(job: Job, panel: Panel, one: Derived, window: Window) -> pl.DataFrame:
    """Losses of the issued forecasts of a derived measure for windows that begin in ``window`` and have ended."""
    rows = forecasts.read(job.lake, job.product.id, since=window.start, until=window.end, measure=one.measure)
    truth = derived.truth(panel, one, start=window.start, end=window.end) if rows.height else rows
    if rows.is_empty() or truth.is_empty():
        return pl.DataFrame()
    named = {release.name: release.candidate for release in registry.every(job.lake, job.product.id)}
    scored = verify.losses(_with_reach(panel, one, rows), truth, tz=job.product.tz)
    others = [name for name in QUANTILE_COLUMNS if name not in scored.columns]
    quantiles = rows.select(*metrics.KEY[:4], "release", *others)
    return scored.join(quantiles, on=[*metrics.KEY[:4], "release"], how="left", maintain_order="left").with_columns(
        candidate=pl.col("release").replace_strict(named, return_dtype=pl.String)
    )


def _with_reach(panel: Panel, one: Derived, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with lead_h and reach_h: of their first part; of the city its lead."""
    zones = rows.filter(pl.col("place") != derived.CITY).select("place", "origin", "time").unique(maintain_order=True)
    reach = frames.with_reach(panel, one.parts[0], zones).select("place", "origin", "time", "reach_h")
    lead = ((pl.col("time") - pl.col("origin")).dt.total_seconds() / 3600).cast(pl.Float32)
    return (
        rows.with_columns(lead_h=lead)
        .join(reach, on=["place", "origin", "time"], how="left", maintain_order="left")
        .with_columns(reach_h=pl.coalesce("reach_h", "lead_h"))
    )


def keep_costs(job: Job, panel: Panel, one: Derived, scored: pl.DataFrame, *, served: str, run_id: str) -> None:
    """Keep what stock at each service level would have cost, by the candidate ``served``."""
    own = scored.filter(pl.col("candidate") == served)
    for (kind,), part in own.group_by("kind", maintain_order=True):
        newest = part.unique(["place", "origin", "time"], keep="last", maintain_order=True)
        _add_costs(job, panel, one, newest.with_columns(kind=pl.lit(str(kind))), run_id)


def _add_costs(job: Job, panel: Panel, one: Derived, scored: pl.DataFrame, run_id: str) -> None:
    if job.product.stock is None or one.measure != job.product.stock.need or scored.is_empty():
        return
    windows = scored.select("origin", "time").unique().sort("origin")
    before = []
    for past in derived.pasts(panel, one.parts, windows["origin"].to_list()):
        for time in windows.filter(pl.col("origin") == past.origin)["time"]:
            value = past.before(derived.cell_of(panel, time), one)
            frame = pl.DataFrame({"place": list(past.places), "last_week": value})
            before.append(frame.with_columns(origin=pl.lit(past.origin), time=pl.lit(time)))
    known = pl.concat(before).with_columns(pl.col("origin", "time").cast(scored.schema["time"]))
    plans = scored.join(known, on=["place", "origin", "time"], how="inner", maintain_order="left")
    sums = stock.costs(plans, kind=str(scored["kind"][0]), tz=job.product.tz)
    if sums.height:
        scores.add(job.lake, job.product.id, sums, run=run_id)
