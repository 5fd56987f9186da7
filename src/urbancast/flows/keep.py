"""Keep: what losses add up to goes into the lake day by day, and is sealed in the ledger last.

The entry says from how many rows a day was scored: killed before it, the day is due again, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from urbancast.evaluation import metrics
from urbancast.features.panel import Panel
from urbancast.flows import calibrate, derive, forecast
from urbancast.flows.job import Job
from urbancast.lake import calibration as calibrations, contract, ledger, misses as missed, scores
from urbancast.lake.ledger import Sealed
from urbancast.monitoring import misses, verify
from urbancast.registry import release as registry
from urbancast.registry.release import Release

KINDS = ("live", "replay")
OPEN = -1  # in place of numbers of rows: a day about to be written anew though nothing was added
_STOCK = "stock:"  # costs of stock stand among the scores of a derived measure


def days(job: Job, known: Panel, measure: str, losses: pl.DataFrame, *, asked: pl.DataFrame, run_id: str) -> int:
    """Keep scores, calibration and misses of the days ``asked`` (``Touched.days``) that are due or come out otherwise.

    Returns the number of days written.
    """
    releases = registry.every(job.lake, job.product.id)
    baselines = frozenset(release.name for release in releases if release.number == 0)
    compared = verify.beside(losses, baselines) if losses.height else losses
    sums = metrics.sums(compared, by=["release", "kind"]) if compared.height else _empty("scores")
    differing = _differing(job, measure, sums, asked.filter(~pl.col("is_due"))["day"].to_list())
    written = asked.filter(pl.col("is_due") | pl.col("day").is_in(differing))
    if written.is_empty():
        return 0
    _open(job, measure, differing, run_id)
    cleared = written.select("day", measure=pl.lit(measure)).join(pl.DataFrame({"kind": KINDS}), how="cross")
    own, beside = (_of(frame, written) for frame in (losses, compared))
    where: dict[str, Any] = {"run": run_id, "cleared": cleared}
    scores.add(job.lake, job.product.id, _of(sums, written), **where)
    calibrations.put(job.lake, job.product.id, calibrate.issued(own, beside, releases), **where)
    missed.put(job.lake, job.product.id, _misses(known, measure, beside, releases), **where)
    one = derive.of(job, measure)
    if one is not None and own.height:
        served = forecast.serving_releases(job)[one.parts[0]].candidate
        derive.keep_costs(job, known, one, own, served=served, run_id=run_id)
    _seal(job, measure, written, run_id)
    return written.height


def _misses(known: Panel, measure: str, compared: pl.DataFrame, releases: Sequence[Release]) -> pl.DataFrame:
    judged = [release.name for release in releases if release.number >= 0]
    if compared.is_empty():
        return _empty("misses")
    return misses.with_known(misses.worst(compared, judged), known, measure)


def _differing(job: Job, measure: str, sums: pl.DataFrame, chosen: list[date]) -> list[date]:
    """Days whose stored scores are not those sums, or not those that were sealed."""
    if not chosen:
        return []
    stored = ledger.scored_rows(job.lake, job.product.id, measure, since=min(chosen), until=max(chosen))
    sealed = ledger.scored_days(ledger.read(job.lake, job.product.id)).filter(pl.col("measure") == measure)
    content = dict(sealed.select("day", "content").iter_rows())
    anew = contract.check("scores", sums.with_columns(product=pl.lit(job.product.id), run=pl.lit("")))
    anew = anew.select(stored.columns).sort([name for name in contract.key("scores") if name != "product"])
    own = stored.filter(~pl.col("release").str.starts_with(_STOCK))
    return [
        day
        for day in chosen
        if not own.filter(pl.col("day") == day).equals(anew.filter(pl.col("day") == day))
        or content.get(day) != ledger.content(stored.filter(pl.col("day") == day))
    ]


def _open(job: Job, measure: str, differing: list[date], run_id: str) -> None:
    """Mark days as being written anew: a run killed on the way leaves them due."""
    nothing = ledger.content(pl.DataFrame())
    marks = [
        Sealed(kind="rescored", rows=0, content=nothing,
               subject=ledger.subject(measure=measure, day=day, issued=OPEN, observed=OPEN))
        for day in differing
    ]  # fmt: skip
    ledger.append(job.lake, job.product.id, marks, run=run_id, at=datetime.now(UTC))


def _seal(job: Job, measure: str, written: pl.DataFrame, run_id: str) -> None:
    first, last = written["day"][0], written["day"][-1]
    rows = ledger.scored_rows(job.lake, job.product.id, measure, since=first, until=last)
    sets = []
    for row in written.iter_rows(named=True):
        own = rows.filter(pl.col("day") == row["day"])
        named = ledger.subject(measure=measure, day=row["day"], issued=row["issued"], observed=row["observed"])
        kind: ledger.Kind = "rescored" if row["is_known"] else "scored"
        sets.append(Sealed(kind=kind, subject=named, rows=own.height, content=ledger.content(own)))
    ledger.append(job.lake, job.product.id, sets, run=run_id, at=datetime.now(UTC))


def _of(frame: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("day").is_in(written["day"].to_list())) if frame.height else frame


def _empty(table: str) -> pl.DataFrame:
    return contract.empty(table).drop("product", "run")
