"""Watch: measure what the lake knows at a moment, open and resolve alerts, and tell the people who should act."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.core.time import DAY, local_day
from urbancast.evaluation.compare import COLUMN
from urbancast.flows import issued, signals
from urbancast.flows.job import Job, step
from urbancast.lake import alerts, deliveries, drift, releases, runs, serving, verdicts
from urbancast.monitoring import channels, findings, freshness, quality
from urbancast.monitoring.alerts import KINDS, Found, changes
from urbancast.monitoring.channels import Channel, UndeliveredError
from urbancast.settings import settings

FLOW = "watch"
RUNS_READ = timedelta(days=45)  # by the wall clock, as runs are told


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one watch saw and did. ``days``: measured now; ``drifted``: signals that drifted on the newest of all days.

    ``told``: words delivered by channel; ``undelivered``: why a channel could not be told, tried again next time.
    """

    days: tuple[date, ...]
    rows: int
    drifted: tuple[str, ...]
    freshness: tuple[freshness.Freshness, ...]
    found: tuple[Found, ...]
    opened: tuple[str, ...]
    resolved: tuple[str, ...]
    told: Mapping[str, int]
    undelivered: Mapping[str, str]


def run(job: Job, *, is_replay: bool = False, to: Sequence[Channel] | None = None) -> Watched:
    """Measure the days not measured yet, then open, resolve and tell alerts (of a replay: measure and find alone).

    ``to``: channels; None: those that the environment names.
    """
    run_id = job.run_id(FLOW)
    with step(job, run_id, FLOW, "measure") as facts:
        days = signals.days(job, _last_measured(job))
        rows = sum(drift.add(job.lake, job.product.id, one, run=run_id) for one in signals.measured(job, days))
        fresh = freshness.of_product(job.lake, job.product, job.recipe, provenance=job.provenance, now=job.now)
        facts.update(days=len(days), rows=rows, missed={one.source: one.missed_updates for one in fresh})
        facts["freshness"] = [asdict(one) for one in fresh]  # for those who load no recipe
    with step(job, run_id, FLOW, "alert") as facts:
        found = [*findings.stale_sources(fresh), *_of_lake(job), *_of_drift(job), *_of_scores(job)]
        opened, resolved = ([], []) if is_replay else _move(job, found, run_id)
        facts.update(found=len(found), opened=opened, resolved=resolved)
    told: dict[str, int] = {}
    undelivered: dict[str, str] = {}
    if not is_replay:
        with step(job, run_id, FLOW, "tell") as facts:
            for channel in channels.configured(settings()) if to is None else to:
                told[channel.name], trouble = _tell(job, channel)
                undelivered.update({channel.name: trouble} if trouble else {})
            facts.update(told=told, undelivered=undelivered)
    return Watched(
        days=tuple(days),
        rows=rows,
        drifted=_drifted(job),
        freshness=tuple(fresh),
        found=tuple(one for one in found if not one.is_fading),
        opened=tuple(opened),
        resolved=tuple(resolved),
        told=told,
        undelivered=undelivered,
    )


def _last_measured(job: Job) -> date | None:
    last = job.lake.scan("drift", product=job.product.id).select(pl.col("day").max()).collect().item()
    return last if isinstance(last, date) else None


def _drifted(job: Job) -> tuple[str, ...]:
    newest = drift.newest(job.lake, job.product.id).filter("is_drifted")
    return tuple("/".join(filter(None, row)) for row in newest.select("measure", "kind", "signal").iter_rows())


def _of_lake(job: Job) -> Iterator[Found]:
    """What the lake's own tables and the machine say: age of what is served, runs, rollbacks, releases, room."""
    row = serving.current(job.lake).get(job.product.id)
    if row and row["origin"] is not None and _is_living(job):
        yield from findings.stale_forecast(
            freshness.of_forecast(row["origin"], issue_step=job.recipe.issue_step, now=job.now)
        )
    done = runs.read(job.lake, job.product.id, since=datetime.now(UTC) - RUNS_READ)
    yield from findings.failed_runs(done.filter(pl.col("flow") != FLOW))
    yield from findings.rolled_back(verdicts.read(job.lake, job.product.id), job.now)
    yield from findings.corrupt(list(_broken(job, list(row["releases"].values()) if row else [])))
    yield from findings.disk(_free_bytes(job.lake.url))


def _is_living(job: Job) -> bool:
    return job.provenance != "extract" and not (job.product.historical and job.provenance != "sample")


def _broken(job: Job, served: Sequence[str]) -> Iterator[str]:
    """Files of served releases that are gone or not what was frozen."""
    known = releases.read(job.lake, job.product.id).filter(pl.col("release").is_in(list(served)))
    for row in known.unique("release", maintain_order=True).iter_rows(named=True):
        for file, expected in json.loads(row["facts"]).get("checksums", {}).items():
            try:
                found = hashlib.sha256(job.lake.files.get(f"{row['path']}/{file}")).hexdigest()
            except NotReadyError:
                found = "no file"
            if found != expected:
                yield f"{row['release']} {file}: expected sha256 {expected[:12]}…, found {found[:12]}"


def _free_bytes(url: str) -> int | None:
    return None if "://" in url else shutil.disk_usage(Path(url)).free


def _of_drift(job: Job) -> Iterator[Found]:
    """What the newest measured days say together: drift, shifted groups, missing values, dead sensors."""
    rows = drift.read(job.lake, job.product.id)
    days = rows["day"].unique().sort().tail(findings.KEPT_DAYS).to_list()
    rows = rows.filter(pl.col("day").is_in(days))
    if rows.is_empty():
        return
    newest, whole = rows.filter(pl.col("day") == days[-1]), rows.filter(pl.col("place") == "")
    yield from findings.drifted(whole.filter(pl.col("kind") != "missing"))
    shifts = whole.filter(pl.col("signal") == findings.SHIFT).sort("day")
    yield from findings.shifted(shifts, {row["measure"]: json.loads(row["facts"]) for row in shifts.to_dicts()})
    shares = newest.filter(pl.col("kind") == "missing", pl.col("place") == "")
    missing = {
        row["measure"]: quality.Share(
            day=row["day"],
            share=row["score"],
            usual=json.loads(row["facts"])["usual"] or 0.0,
            threshold=row["threshold"],
            n=row["n"],
        )
        for row in shares.iter_rows(named=True)
    }
    yield from findings.missing_data(missing, quality.refused(_pulls(job)))
    dead = newest.filter(pl.col("kind") == "missing", pl.col("place") != "", "is_drifted")
    hours = [json.loads(facts)["hours"] for facts in dead["facts"]]
    yield from findings.dead_sensors(dead.with_columns(hours=pl.Series(hours, dtype=pl.Float64)))


def _pulls(job: Job) -> list[tuple[int, int]]:
    """Quarantined and raw rows of each pull, the oldest first."""
    rows = runs.read(job.lake, job.product.id, since=datetime.now(UTC) - RUNS_READ).filter(
        pl.col("flow") == "pull", pl.col("step") == "observe", pl.col("state") == "done"
    )
    told = [json.loads(facts) for facts in rows["facts"]]
    return [(sum(one.get("quarantined", {}).values()), sum(one.get("raw", {}).values())) for one in told]


def _of_scores(job: Job) -> Iterator[Found]:
    """Coverage and skill of the releases in charge over the recipe's window, of the newest kind of days alone."""
    until = local_day(job.now, job.product.tz) + DAY
    sums = issued.in_charge(job, until - 4 * job.recipe.retraining.window, until)
    column = COLUMN[job.recipe.primary]
    for measure in job.product.modelled:
        own = sums.filter(pl.col("measure") == measure.id)
        if own.is_empty():
            continue
        newest = own.sort("day", pl.col("kind") == "live")["kind"][-1]
        days = own.filter(pl.col("kind") == newest)
        days = days.filter(pl.col("day") > pl.col("day").max() - job.recipe.retraining.window)
        yield from findings.coverage(days, measure.id, newest)
        trained = days.filter(pl.col("number") > 0)
        losses = trained.select("day", "n", loss=column, baseline=f"baseline_{column}")
        if losses.height:
            yield from findings.skill(losses, measure.id, newest, floor=job.recipe.retraining.floor)


def _move(job: Job, found: Sequence[Found], run_id: str) -> tuple[list[str], list[str]]:
    """Open what is new, tell anew what is graver, resolve what is no more; ids opened or raised, and resolved."""
    rows = alerts.current(job.lake, job.product.id)
    current = dict(rows.select("alert", pl.col("severity").cast(pl.String)).iter_rows())
    change = changes(current, found, judged=KINDS)
    for one in (*change.opened, *change.raised):
        alerts.open_alert(
            job.lake,
            job.product.id,
            alert=one.alert,
            severity=one.severity,
            message=one.message,
            action=one.action,
            at=job.now,
            run=run_id,
        )
    for name in change.resolved:
        alerts.resolve(job.lake, job.product.id, alert=name, at=job.now, run=run_id)
    return [one.alert for one in (*change.opened, *change.raised)], list(change.resolved)


def _tell(job: Job, channel: Channel) -> tuple[int, str]:
    """Tell a channel all that it is owed, until it fails: how many words it took, and why it stopped."""
    told = 0
    for word in deliveries.owed(job.lake, job.product.id, channel.name):
        at: datetime = datetime.now(UTC)
        try:
            said = channel.send(channels.payload(word, is_simulated=job.provenance == "sample"))
        except UndeliveredError as error:
            deliveries.record(job.lake, word, channel.name, is_sent=False, message=str(error), at=at)
            return told, str(error)
        deliveries.record(job.lake, word, channel.name, is_sent=True, message=said, at=at)
        told += 1
    return told, ""
