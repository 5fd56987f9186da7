"""The columns of feature ``lag`` without our frame builder: at each origin, polars filters, ranks and joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.product import COVERED
from urbancast.features.panel import Panel

WINDOW = timedelta(weeks=12)  # how far back an origin looks; a place silent for longer than SILENT is not compared
SILENT = timedelta(weeks=4)
WEEKLY, DAILY = timedelta(weeks=8), timedelta(days=28)
PLACE_WEEK, PLACE_DAY = ["place", "weekday", "minute"], ["place", "minute"]


@dataclass(frozen=True)
class Versions:
    """All versions of a measure with their local clock, sorted once; ``covered`` for a sparse one."""

    places: pl.DataFrame
    values: pl.DataFrame
    covered: pl.DataFrame | None
    tz: str

    @classmethod
    def of(cls, panel: Panel, measure: str) -> Versions:
        """What is done once, however many origins."""
        covered = _versions(panel, COVERED) if panel.measure(measure).sparse else None
        return cls(pl.DataFrame({"place": panel.place_ids()}), _versions(panel, measure), covered, panel.tz)

    def known(self, origin: datetime) -> pl.DataFrame:
        """Newest values available at the origin, zeros of a sparse measure included."""
        values = _newest(self.values, origin)
        if self.covered is not None:
            covered = _newest(self.covered, origin).filter(pl.col("value") > 0).drop("place", "value")
            grid = self.places.join(covered, how="cross")
            values = grid.join(values.select("place", "local", "value"), on=["place", "local"], how="left")
            values = values.with_columns(pl.col("value").fill_null(0.0))  # covered and without a row is a true zero
        return values.drop_nulls("value")


def build(versions: Versions, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (place, origin, time, …) with the lag columns as known at each origin; rows ordered by origin."""
    parts = [_joined(part, versions.known(origin)) for origin, part in _each_origin(_keyed(rows, versions.tz))]
    return pl.concat(parts)


def _each_origin(rows: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame]]:
    for (origin,), part in rows.group_by("origin", maintain_order=True):
        if isinstance(origin, datetime):
            yield origin, part


def _versions(panel: Panel, measure: str) -> pl.DataFrame:
    rows = panel.observations.filter(pl.col("measure") == measure).sort("available_at", "time")
    return _keyed(rows, panel.tz).select("place", "time", "available_at", "local", "weekday", "minute", "value")


def _keyed(rows: pl.DataFrame, tz: str) -> pl.DataFrame:
    local = pl.col("time").dt.convert_time_zone(tz).dt.replace_time_zone(None)
    minute = local.dt.hour().cast(pl.Int16) * 60 + local.dt.minute()
    return rows.with_columns(local=local, weekday=local.dt.weekday(), minute=minute)


def _newest(versions: pl.DataFrame, origin: datetime) -> pl.DataFrame:
    """Newest version of each place and local hour that was available at the origin."""
    seen = versions.filter(
        (pl.col("available_at") <= origin) & (pl.col("time") >= origin - WINDOW) & (pl.col("time") < origin)
    )
    return seen.unique(["place", "local"], keep="last").drop("time", "available_at")


def _joined(targets: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    age = pl.col("local").max().over("place") - pl.col("local")
    known = known.with_columns(age=age).filter(pl.col("age") < WEEKLY).sort("age")
    recent = known.filter(pl.col("age") < DAILY)
    value, is_weekend = pl.col("value"), pl.col("weekday") > 5
    weekly = known.group_by(PLACE_WEEK).agg(
        lags=value.head(4), lag_week_mean=value.head(4).mean(), lag_week_median=value.head(4).median()
    )
    daily = recent.group_by(PLACE_DAY).agg(
        days=value.head(3), lag_day_mean=value.filter(pl.col("age") < timedelta(days=7)).mean()
    )
    by_type = recent.group_by(*PLACE_DAY, is_weekend.alias("is_weekend")).agg(lag_daytype_mean=value.mean())
    joined = (
        targets.with_columns(is_weekend=is_weekend)
        .join(weekly, on=PLACE_WEEK, how="left", maintain_order="left")
        .join(daily, on=PLACE_DAY, how="left", maintain_order="left")
        .join(by_type, on=[*PLACE_DAY, "is_weekend"], how="left", maintain_order="left")
    )
    return joined.with_columns(
        *(pl.col("lags").list.get(k, null_on_oob=True).alias(f"lag_week_{k + 1}") for k in range(4)),
        *(pl.col("days").list.get(k, null_on_oob=True).alias(f"lag_day_{k + 1}") for k in range(3)),
    ).drop("lags", "days", "local", "weekday", "minute", "is_weekend")
