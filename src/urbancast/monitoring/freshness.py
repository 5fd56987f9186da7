"""Freshness: how many updates of a source, or issues of a forecast, are missing by now.

Counted in the source's own updates, by the rule by which it publishes: a quarterly file that came in time is as fresh
as an hourly feed. Pure functions over what the lake knows and ``now``; imports nothing that could fit or fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.product import Product, Provenance, Recipe, Source
from urbancast.core.time import DAY, HOUR, UTC_US, as_grain, instants, local_days, local_midnight
from urbancast.lake import observations
from urbancast.lake.store import Lake

LIVING = ("observations", "weather")  # roles of sources that go on; boundaries, facts and roads stay as they are
LONGEST_GRACE = timedelta(days=7)
LATE_FACTOR = 1.5  # a forecast is late once it is older than so many steps between issues
LONGEST_SILENCE = timedelta(days=800)


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How fresh a source is. ``newest``: start of its newest interval, or of weather its newest answer.

    ``missed_updates``: updates due by now and not here; ``since``: when the first of them was due; ``is_late``: that
    is longer ago than half a rhythm (a week at most). ``has_ended``: it is history, and never late.
    """

    source: str
    rhythm_hours: float
    newest: datetime | None
    missed_updates: int = 0
    is_late: bool = False
    since: datetime | None = None
    has_ended: bool = False
    is_required: bool = True


@dataclass(frozen=True, kw_only=True)
class Issued:
    """Age of the served forecasts: issues that should have followed, and whether one is overdue."""

    age_hours: float
    expected_hours: float
    missed_issues: int
    is_late: bool


def of_product(
    lake: Lake, product: Product, recipe: Recipe, *, provenance: Provenance, now: datetime
) -> list[Freshness]:
    """Freshness of each source that goes on and was ever heard of, in the recipe's order."""
    has_ended = provenance == "extract" or (product.historical and provenance != "sample")
    seen = observations.data_to(lake, product.id, at=now)
    heard = _answers(lake, product.id, now)
    found = []
    for source in recipe.sources:
        if source.role == "observations":
            found.append(of_source(source, product, newest=seen, now=now, has_ended=has_ended))
        elif source.role == "weather" and source.name in heard:
            found.append(of_answers(source, newest=heard[source.name], now=now, has_ended=has_ended))
    return found


def of_source(
    source: Source, product: Product, *, newest: datetime | None, now: datetime, has_ended: bool = False
) -> Freshness:
    """Freshness of observations: one update is all intervals that are published at one moment."""
    rhythm_hours = source.rhythm / HOUR
    if newest is None or has_ended:
        return Freshness(
            source=source.name, rhythm_hours=rhythm_hours, newest=newest, has_ended=has_ended,
            is_required=source.is_required,
        )  # fmt: skip
    due = _due(source, product, newest, now)
    return Freshness(
        source=source.name,
        rhythm_hours=rhythm_hours,
        newest=newest,
        missed_updates=len(due),
        since=due[0] if due else None,
        is_late=bool(due) and now - due[0] > _grace(source),
        is_required=source.is_required,
    )


def of_answers(source: Source, *, newest: datetime, now: datetime, has_ended: bool = False) -> Freshness:
    """Freshness of a source that is known by its answers alone: one is due each rhythm."""
    missed = 0 if has_ended else max(0, (now - newest) // source.rhythm)
    since = newest + source.rhythm if missed else None
    return Freshness(
        source=source.name,
        rhythm_hours=source.rhythm / HOUR,
        newest=newest,
        missed_updates=missed,
        since=since,
        is_late=since is not None and now - since > _grace(source),
        has_ended=has_ended,
        is_required=source.is_required,
    )


def of_forecast(origin: datetime, *, issue_step: timedelta, now: datetime) -> Issued:
    """Age of the forecasts of ``origin`` where one is issued every ``issue_step``."""
    age = max(now - origin, timedelta(0))
    return Issued(
        age_hours=round(age / HOUR, 2),
        expected_hours=issue_step / HOUR,
        missed_issues=age // issue_step,
        is_late=age > LATE_FACTOR * issue_step,
    )


def whole_until(source: Source, product: Product, times: Sequence[datetime], now: datetime) -> list[datetime]:
    """Those interval starts whose values should be known by ``now``, by the source's rule of publication."""
    if not times:
        return []
    due = _published(source, product, pl.Series("time", times, dtype=UTC_US))
    return [time for time, at in zip(times, due, strict=True) if at <= now]


def _due(source: Source, product: Product, newest: datetime, now: datetime) -> list[datetime]:
    """Moments up to now at which something after ``newest`` was to be published, apart from the newest's own."""
    start = max(newest, now - LONGEST_SILENCE)
    grain = as_grain(product.grain)
    if source.publication is None:
        first = newest + grain + source.rhythm
        return instants(first, now, source.rhythm) if first < now else []
    if grain < DAY:
        times = instants(start, now, grain)
    else:
        times = [start, *(local_midnight(day, product.tz) for day in local_days(start + grain, now, product.tz))]
    series = pl.Series("time", times, dtype=UTC_US)
    published = _published(source, product, series)
    own = published[0] if times else now
    if product.is_open is not None and times:
        published = published.filter(product.is_open(series))
    return sorted({at for at in published.to_list() if own < at <= now})


def _published(source: Source, product: Product, times: pl.Series) -> pl.Series:
    """When each interval is to be known: as declared, else at its end."""
    rows = times.alias("time").to_frame()
    rule = (
        pl.col("time") + as_grain(product.grain) if source.publication is None else source.publication(pl.col("time"))
    )
    return rows.select(rule.alias("at"))["at"]


def _grace(source: Source) -> timedelta:
    return min(source.rhythm / 2, LONGEST_GRACE)


def _answers(lake: Lake, product: str, now: datetime) -> dict[str, datetime]:
    """When each source last sent rows."""
    rows = lake.scan("raw", product=product).filter(pl.col("rows_received") > 0, pl.col("fetched_at") <= now)
    newest = rows.group_by("source").agg(pl.col("fetched_at").max()).collect()
    return dict(newest.iter_rows())
