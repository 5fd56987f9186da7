"""Which days of a measure must be scored: those whose forecasts or observations are more than when they were scored.

Both tables only ever grow, so their numbers of rows by local day say whether anything was added: whatever run added
it, however late, and whatever was killed in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from urbancast.core.product import COVERED, Window
from urbancast.core.time import as_grain, local_midnight
from urbancast.flows import derive
from urbancast.flows.job import Job
from urbancast.lake import ledger

DAY = timedelta(days=1)
DAYS_AT_ONCE = timedelta(days=7)
NEAR = timedelta(days=3)  # a closed Sunday between two days does not part them


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Rows by measure and local day before now: ``issued`` forecasts, ``observed`` values, and as last scored."""

    issued: pl.DataFrame
    observed: pl.DataFrame
    entered: pl.DataFrame

    @classmethod
    def of(cls, job: Job) -> Touched:
        """Count what the lake holds."""
        entered = ledger.scored_days(ledger.read(job.lake, job.product.id))
        issued = _by_day(job, "forecasts", since=None)
        first = issued["day"].min()
        if not isinstance(first, date):
            return cls(issued=issued, observed=issued, entered=entered)
        return cls(issued=issued, observed=_by_day(job, "observations", since=first), entered=entered)

    def days(self, job: Job, measure: str) -> pl.DataFrame:
        """Days that can be scored: day, issued, observed, is_due, is_known (scored before), content; by day."""
        parts, span = [measure], 0
        one = derive.of(job, measure)
        if one is not None:
            grain = max(as_grain(job.product.grain), timedelta(hours=1))
            parts, span = list(one.parts), -(-((one.intervals + 1) * grain + timedelta(hours=1)) // DAY)
        if any(each.sparse for each in job.product.measures if each.id in parts):
            parts.append(COVERED)
        seen = self.observed.filter(pl.col("measure").is_in(parts)).group_by("day").agg(pl.col("n").sum())
        ahead = pl.concat([seen.with_columns(pl.col("day") - timedelta(days=i)) for i in range(span + 1)])
        observed = ahead.group_by("day").agg(observed=pl.col("n").sum())
        told = self.issued.filter(pl.col("measure") == measure).select("day", issued="n").join(observed, on="day")
        before = self.entered.filter(pl.col("measure") == measure)
        before = before.select("day", "content", _issued="issued", _observed="observed", is_known=pl.lit(value=True))
        same = (pl.col("issued") == pl.col("_issued")) & (pl.col("observed") == pl.col("_observed"))
        found = told.join(before, on="day", how="left").with_columns(
            is_due=~same.fill_null(value=False), is_known=pl.col("is_known").fill_null(value=False)
        )
        return found.select("day", "issued", "observed", "is_due", "is_known", "content").sort("day")


def windows(job: Job, days: Sequence[date]) -> Iterator[tuple[list[date], Window]]:
    """Days near each other, a few at a time, with the window from the first's midnight to the last's, at most to now.

    The window may hold days between them that were not asked for.
    """
    at_once = max(DAYS_AT_ONCE, job.recipe.replay_step or DAYS_AT_ONCE)  # few origins are few rows
    some: list[date] = []
    for day in [*sorted(days), None]:
        if some and (day is None or day - some[-1] > NEAR or day - some[0] >= at_once):
            start, end = (local_midnight(each, job.product.tz) for each in (some[0], some[-1] + DAY))
            yield some, Window(start=start, end=min(end, job.now))
            some = []
        if day is not None:
            some.append(day)


def _by_day(job: Job, table: str, *, since: date | None) -> pl.DataFrame:
    """Rows of times before now by measure and local day: measure, day, n."""
    start: datetime | None = None if since is None else local_midnight(since, job.product.tz)
    rows = job.lake.scan(table, product=job.product.id, since=start, until=job.now, by="time")
    day = pl.col("time").dt.convert_time_zone(job.product.tz).dt.date()
    return rows.group_by("measure", day.alias("day")).agg(n=pl.len().cast(pl.Int64)).collect(engine="streaming")
