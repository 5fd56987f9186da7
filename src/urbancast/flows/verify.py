"""Verify: score every issued forecast whose truth has arrived; a day is scored again where something was added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from urbancast.core.errors import ContractError, NotReadyError
from urbancast.core.product import Window
from urbancast.core.time import local_day
from urbancast.evaluation import backtest
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.flows import derive, forecast, keep, panel as panels, touched
from urbancast.flows.job import Job, step
from urbancast.flows.tally import Tally
from urbancast.flows.touched import Touched
from urbancast.lake import digests, forecasts, ledger
from urbancast.models.counts import Family
from urbancast.monitoring import verify
from urbancast.registry import release as registry
from urbancast.registry.release import Release

FLOW = "verify"
REACH = timedelta(days=40)  # how far before a forecast its newest known value may lie; a calibration spans it too
APART = timedelta(days=60)  # days farther apart are not worth one panel


def run(job: Job, *, since: datetime | None = None) -> Tally:
    """Score every day where an observation or a forecast was added since it was scored; return the tally of losses.

    ``since``: also look anew at all times in [since, now), and return the tally of just these; what comes out as
    it stands is not written again. A window's losses are added up and let go: they are too many to keep.
    """
    run_id = job.run_id(FLOW)
    with step(job, run_id, FLOW, "ledger") as facts:
        entered = ledger.enter_issued(job.lake, job.product.id, run=run_id, at=datetime.now(UTC))
        facts["entered"] = entered
    counted, tally, source = Touched.of(job), Tally.of(job), _Panels(job)
    for measure in job.product.measures:
        with step(job, run_id, FLOW, measure.id) as facts:
            days = _chosen(job, counted.days(job, measure.id), since)
            before = tally.rows
            for some, window in touched.windows(job, days["day"].to_list()):
                known = source.at(window)
                losses = _scored(job, known, measure.id, window)
                losses = losses.filter(pl.col("day").is_in(some)) if losses.height else losses
                asked = days.filter(pl.col("day").is_in(some))
                keep.days(job, known, measure.id, losses, asked=asked, run_id=run_id)
                tally.add(_told(losses, since))
            facts.update(rows=tally.rows - before, days=days.height)
    with step(job, run_id, FLOW, "show"):
        digests.write(job.lake, job.product.id)
        forecast.show(job, run_id)
    return tally


def recent(job: Job, *, first: datetime | None = None) -> datetime:
    """Beginning of a replay (with this first origin) and the week before: what who asks for scores is shown."""
    return (first or job.now - job.recipe.replay) - timedelta(days=7)


def _chosen(job: Job, days: pl.DataFrame, since: datetime | None) -> pl.DataFrame:
    """Days to compute: due ones, and all from ``since`` on."""
    asked = pl.lit(value=False) if since is None else pl.col("day") >= local_day(since, job.product.tz)
    return days.filter(pl.col("is_due") | asked)


def _told(losses: pl.DataFrame, since: datetime | None) -> pl.DataFrame:
    if since is None or losses.is_empty():
        return losses
    return losses.filter(pl.col("time") >= since)


class _Panels:
    """The panel of the windows last asked for; another is read where they lie far apart."""

    def __init__(self, job: Job) -> None:
        self._job, self._start, self._end = job, datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
        self._panel: Panel | None = None

    def at(self, window: Window) -> Panel:
        if self._panel is None or window.start < self._start or window.end > self._end + APART:
            self._start = window.start
            back = max(REACH, self._job.recipe.calibration)
            self._panel = panels.panel(self._job, since=window.start - back)
        self._end = window.end
        return self._panel


def _scored(job: Job, known: Panel, measure: str, window: Window) -> pl.DataFrame:
    one = derive.of(job, measure)
    return derive.losses(job, known, one, window) if one else _losses(job, known, measure, window)


def _losses(job: Job, known: Panel, measure: str, window: Window) -> pl.DataFrame:
    issued = forecasts.read(job.lake, job.product.id, since=window.start, until=window.end, measure=measure)
    if issued.is_empty():
        return pl.DataFrame()
    truth = backtest.with_band(known, measure, known.truth(measure, start=window.start, end=window.end))
    if truth.is_empty():
        return pl.DataFrame()
    reach = frames.with_reach(known, measure, issued.select("place", "origin", "time").unique(maintain_order=True))
    releases = {release.name: release for release in registry.every(job.lake, job.product.id)}
    parts = []
    for (name,), part in issued.group_by("release", maintain_order=True):
        release = releases[str(name)]
        rows = part.join(reach, on=["place", "origin", "time"], maintain_order="left")
        losses = verify.losses(rows, truth, tz=job.product.tz, family=_family(job, release))
        parts.append(losses.with_columns(candidate=pl.lit(release.candidate)))
    return pl.concat(parts)


def _family(job: Job, release: Release) -> Family | None:
    """Count family of a release; of one whose files were damaged as its facts tell: what it issued is scored still."""
    try:
        return registry.load(job.lake, release).family
    except (ContractError, NotReadyError):
        spread = release.facts.get("dispersion")
        return None if spread is None else Family(spread)
