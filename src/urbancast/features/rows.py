"""Which (place, origin, time) a forecast covers and which a fit sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import COVERED
from urbancast.core.time import UTC_US, as_utc
from urbancast.features.draws import Draws
from urbancast.features.panel import Panel, grid_times, newest_versions
from urbancast.features.plan import Plan

MAX_SPARSE_ORIGINS = 160  # an origin of a full grid costs ~30 ms of features
ZEROS_PER_EVENT = 5
WARM_UP = timedelta(days=28)
_ROWS: dict[str, Any] = {
    "place": pl.String,
    "origin": UTC_US,
    "time": UTC_US,
    "value": pl.Float64,
    "weight": pl.Float32,
}


def forecast_rows(panel: Panel, origin: datetime, horizon: timedelta, *, measure: str | None = None) -> pl.DataFrame:
    """Every place × every open interval that starts in [origin, origin + horizon).

    Of a ``measure`` with draws, places are those known at the origin: pairs with enough draws, and all bands.
    """
    origin = as_utc(origin)
    start = origin
    if panel.grain < timedelta(days=1):
        late = (origin - datetime(1970, 1, 1, tzinfo=origin.tzinfo)) % panel.grain
        start = origin + (panel.grain - late if late else timedelta())
    times = grid_times(start, origin + horizon, grain=panel.grain, tz=panel.tz)
    if panel.is_open is not None:
        times = times.filter(panel.is_open(times))
    has_draws = measure is not None and panel.measure(measure).draws
    ids = places_at(panel, measure, origin) if has_draws and measure else panel.place_ids()
    places = pl.DataFrame({"place": ids}, schema={"place": pl.String})
    rows = places.join(times.to_frame(), how="cross")
    return rows.select("place", pl.lit(origin, dtype=UTC_US).alias("origin"), "time")


def places_at(panel: Panel, measure: str, origin: datetime) -> list[str]:
    """Places of a measure with draws as known at the origin: pairs with enough draws in the year before, all bands."""
    history = Draws.of(panel, measure)
    origin_us = np.array([_us(as_utc(origin) - _EPOCH)])
    return history.places(next(history.at(origin_us)))


def training_rows(panel: Panel, cut: datetime, plan: Plan, *, measure: str) -> pl.DataFrame:
    """Place, origin, time, value, weight, is_calibration: each target at one lead, or ``leads_each``, drawn.

    Values are as known at ``cut``; origins lie on the issue grid that ends at ``cut``. Zeros of sparse
    measures are down-sampled with weights, except in the calibration window.
    """
    cut = as_utc(cut)
    is_sparse = panel.measure(measure).sparse
    rng = np.random.default_rng(plan.seed)
    if is_sparse:
        targets = _sparse_targets(panel, cut, plan, measure, rng)
    else:
        start = cut - plan.train_window
        targets = panel.truth(measure, start=start, end=cut, at=cut).with_columns(weight=pl.lit(1.0, pl.Float32))
    if targets.is_empty():
        return pl.DataFrame(schema={**_ROWS, "is_calibration": pl.Boolean})
    if targets.height > plan.fit_rows:
        share = np.sort(rng.choice(targets.height, plan.fit_rows, replace=False))
        targets = targets[share]
    drawn = [_with_origins(targets, cut, plan, is_sparse=is_sparse, rng=rng) for _ in range(plan.leads_each)]
    rows = pl.concat(drawn).unique(maintain_order=True) if plan.leads_each > 1 else drawn[0]
    if panel.measure(measure).draws:
        rows = _as_served(panel, measure, rows)
    rows = rows.filter(pl.col("origin") >= _first_useful(panel, measure, cut, is_sparse=is_sparse))
    calibration = pl.col("time") >= cut - plan.calibration
    return rows.with_columns(is_calibration=calibration).sort("origin", "place", "time")


def _with_origins(
    targets: pl.DataFrame, cut: datetime, plan: Plan, *, is_sparse: bool, rng: np.random.Generator
) -> pl.DataFrame:
    step, horizon = _us(plan.issue_step), _us(plan.horizon)
    cut_us = _us(cut - datetime(1970, 1, 1, tzinfo=cut.tzinfo))
    stride = 1
    if is_sparse:
        wanted = -(-_us(plan.train_window) // (step * MAX_SPARSE_ORIGINS))
        stride = int(max(1, min(wanted, horizon // step)))
    offset = int(rng.integers(0, stride)) if stride > 1 else 0
    time_us = targets["time"].dt.epoch("us").to_numpy()
    back = -(-(cut_us - time_us) // step)  # issue steps from the cut back to the newest origin <= time
    back += (offset - back) % stride
    room = horizon - 1 - (time_us - (cut_us - back * step))
    choices = np.maximum(room, 0) // (step * stride) + 1
    code = targets["place"].rank("dense").cast(pl.Int64).to_numpy() - 1
    draw = rng.random((int(code.max()) + 1, int(back.max()) + 1))[code, back]
    chosen = back + (draw**plan.lead_power * choices).astype(np.int64) * stride
    origin = pl.Series("origin", cut_us - chosen * step).cast(UTC_US)
    return targets.with_columns(origin).filter(pl.Series(room >= 0)).select(*_ROWS)


def _sparse_targets(panel: Panel, cut: datetime, plan: Plan, measure: str, rng: np.random.Generator) -> pl.DataFrame:
    newest = newest_versions(panel.observations, start=cut - plan.train_window, end=cut, at=cut)
    hours = newest.filter((pl.col("measure") == COVERED) & (pl.col("value") > 0)).select("time").unique().sort("time")
    values = (
        newest.filter(pl.col("measure") == measure).select("place", "time", "value").join(hours, on="time", how="semi")
    )
    events = values.filter(pl.col("value") > 0)
    places = panel.place_ids()
    early = int((hours["time"] < cut - plan.calibration).sum())
    cells = early * len(places)
    rate = min(1.0, ZEROS_PER_EVENT * max(events.height, 1) / max(cells, 1))
    keep = np.ones((hours.height, len(places)), dtype=bool)
    keep[:early] = rng.random((early, len(places))) < rate
    at_hour, at_place = np.nonzero(keep)
    weight = np.where(at_hour < early, 1 / rate, 1.0).astype(np.float32)
    zeros = pl.DataFrame({"place": pl.Series(places)[at_place], "time": hours["time"][at_hour], "weight": weight})
    zeros = zeros.join(events, on=["place", "time"], how="anti").with_columns(value=pl.lit(0.0))
    both = [part.select("place", "time", "value", "weight") for part in (events.with_columns(weight=_ONE), zeros)]
    return pl.concat(both).sort("place", "time")


def _as_served(panel: Panel, measure: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the place that would have been forecast at their origin: the pair, or the band that speaks for it."""
    history = Draws.of(panel, measure)
    origins, inverse = np.unique(rows["origin"].dt.epoch("us").to_numpy(), return_inverse=True)
    code = history.numbered(rows["place"])
    is_place = np.zeros(rows.height, dtype=bool)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(order, np.searchsorted(inverse[order], np.arange(1, len(origins))))
    for known, where in zip(history.at(origins), parts, strict=True):
        is_place[where] = known.is_place[code[where]]
    band = pl.Series(history.facts["band"].to_numpy()[code], dtype=pl.String)
    return rows.with_columns(place=pl.when(pl.Series(is_place)).then("place").otherwise(band))


_ONE = pl.lit(1.0, pl.Float32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _first_useful(panel: Panel, measure: str, cut: datetime, *, is_sparse: bool) -> datetime:
    names = [measure, COVERED] if is_sparse else [measure]
    if panel.measure(measure).draws:  # what little is known of a pair stands beside it: the first day serves
        first = panel.observations.filter(pl.col("measure") == measure)["available_at"].min()
        return first if isinstance(first, datetime) else cut
    seen = panel.observations.filter(pl.col("measure").is_in(names) & (pl.col("available_at") <= cut))
    ends: list[datetime] = (
        seen.select(pl.col("available_at").min().append(pl.col("available_at").max())).to_series().to_list()
    )
    return ends[0] + min(WARM_UP, (ends[1] - ends[0]) / 4)


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
