"""The panel: every version of what was counted, where, and what else was known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import COVERED, Holiday, Measure, Opening, Pairs
from urbancast.core.time import UTC_US, local_day, local_midnight

COVARIATES_SCHEMA: dict[str, Any] = {
    "place": pl.String,
    "variable": pl.String,
    "time": UTC_US,
    "value": pl.Float64,
    "issued_at": UTC_US,
    "available_at": UTC_US,
    "kind": pl.String,
}


def _no_covariates() -> pl.DataFrame:
    return pl.DataFrame(schema=COVARIATES_SCHEMA)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All versions of all observations of one product, with places, covariates and its calendar.

    ``observations``: place, measure, time, draw, value, available_at (every revision).
    ``places``: place and, where known, name, part_of, lat, lon, area_km2. ``is_open``: see ``Product.is_open``.
    """

    observations: pl.DataFrame
    places: pl.DataFrame
    tz: str
    grain: timedelta
    measures: tuple[Measure, ...]
    covariates: pl.DataFrame = field(default_factory=_no_covariates)
    country: str | None = None
    subdivision: str | None = None
    holidays: tuple[Holiday, ...] = ()
    is_open: Opening | None = None
    pairs: Pairs | None = None
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def measure(self, name: str) -> Measure:
        """Measure of this id; ``ContractError`` when the panel has none."""
        for measure in self.measures:
            if measure.id == name:
                return measure
        names = ", ".join(measure.id for measure in self.measures)
        raise ContractError(f"measure: expected one of {names}, found {name!r}; name one of the panel's measures")

    def place_ids(self) -> list[str]:
        """Ids of all places, listed or observed, sorted."""
        seen = self.observations.select("place").unique()
        known = self.places.select(pl.col("place").cast(pl.String)).unique()
        ids = pl.concat([seen, known]).filter(pl.col("place") != "").unique()
        return ids.sort("place")["place"].to_list()

    def truth(self, measure: str, *, start: datetime, end: datetime, at: datetime | None = None) -> pl.DataFrame:
        """Place, time, value of [start, end) as known at ``at`` (None: newest); zeros of sparse measures included.

        Of a measure with draws also ``draw``, one row each.
        """
        told = self.observations.filter(pl.col("measure").is_in([measure, COVERED]))
        newest = newest_versions(told, start=start, end=end, at=at)
        if self.measure(measure).draws:
            draws = newest.filter(pl.col("measure") == measure).drop_nulls("value")
            return draws.select("place", "time", "draw", "value").sort("place", "time", "draw")
        values = newest.filter(pl.col("measure") == measure).select("place", "time", "value")
        if not self.measure(measure).sparse:
            return values.drop_nulls("value").sort("place", "time")
        covered = newest.filter((pl.col("measure") == COVERED) & (pl.col("value") > 0)).select("time")
        grid = pl.DataFrame({"place": self.place_ids()}).join(covered, how="cross")
        full = grid.join(values, on=["place", "time"], how="left")
        # Covered and without a row is a true zero: the rule of sparse measures.
        return full.with_columns(pl.col("value").fill_null(0.0)).sort("place", "time")


def newest_versions(observations: pl.DataFrame, *, start: datetime, end: datetime, at: datetime | None) -> pl.DataFrame:
    """Newest version by place, measure, time and draw with ``available_at <= at``, times in [start, end)."""
    rows = observations.filter(pl.col("time").is_between(start, end, closed="left"))
    if at is not None:
        rows = rows.filter(pl.col("available_at") <= at)
    return rows.sort("available_at").unique(["place", "measure", "time", "draw"], keep="last", maintain_order=True)


def grid_times(start: datetime, end: datetime, *, grain: timedelta, tz: str) -> pl.Series:
    """Interval starts of [start, end) in UTC: multiples of the grain, local midnights for days."""
    if grain < timedelta(days=1):
        step = f"{int(grain.total_seconds())}s"
        times = pl.datetime_range(start, end, step, time_unit="us", time_zone="UTC", closed="left", eager=True)
        return times.alias("time")
    first = local_day(start, tz)
    count = int((end - start) / timedelta(days=1)) + 2
    days = [local_midnight(first + timedelta(days=i), tz) for i in range(count)]
    return pl.Series("time", [day for day in days if start <= day < end], dtype=UTC_US)
