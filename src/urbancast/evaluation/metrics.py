"""Losses by row, additive sums, and what they say together."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from urbancast.core.tables import QUANTILE_COLUMNS, QUANTILES
from urbancast.core.time import local_hour_of_week
from urbancast.models.counts import Family

Array = np.ndarray[Any, np.dtype[np.float64]]
KEY = ("place", "measure", "origin", "time", "draw")
LOSSES = ("absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80", "hits_80", "plain_hits_80")
BASELINES = ("absolute_error", "squared_error", "deviance", "pinball", "crps")
REACH_EDGES_H = (6, 24, 48, 72, 96, 168, 336, 720, 2160, 4320)
LEAST_MEAN = 1e-9
HOURLY_TO = 72.0  # hours of lead told one by one


def losses(forecasts: pl.DataFrame, truth: pl.DataFrame, *, tz: str, family: Family | None = None) -> pl.DataFrame:
    """One row per forecast whose value is known (truth: place, time, value): losses, reach band, local day and hour.

    Truth with ``draw`` has a row a draw, each scored; with ``band``, a draw whose place was not forecast at an origin
    is scored against its band. ``draw`` is 0 without.
    ``hits_80`` is the randomised PIT inside [0.1, 0.9]: exact with a count ``family``, else through the
    piecewise-linear CDF of the quantiles at value ± 0.5. ``reach_h`` is taken from the forecasts, else the lead.
    """
    rows = _beside_truth(forecasts, truth.drop_nulls("value"))
    lead = (pl.col("time") - pl.col("origin")).dt.total_seconds() / 3600
    rows = rows.with_columns(lead_h=lead) if "lead_h" not in rows.columns else rows
    rows = rows.with_columns(reach_h=pl.col("lead_h")) if "reach_h" not in rows.columns else rows
    value, mean = rows["value"].to_numpy(), rows["mean"].to_numpy()
    quantiles = rows.select(QUANTILE_COLUMNS).to_numpy()
    draw = pit_draws(rows)
    level = family.pit(value, mean, draw) if family else interpolated_pit(value, quantiles, draw)
    low, high = quantiles[:, 1], quantiles[:, 5]
    found = {
        "absolute_error": np.abs(value - quantiles[:, 3]),
        "squared_error": (value - mean) ** 2,
        "deviance": poisson_deviance(value, mean),
        "pinball": pinball(value, quantiles).mean(axis=1),
        "crps": crps(value, quantiles),
        "width_80": high - low,
        "hits_80": ((level >= 0.1) & (level <= 0.9)).astype(np.float64),
        "plain_hits_80": ((value >= low) & (value <= high)).astype(np.float64),
    }
    local = pl.col("time").dt.convert_time_zone(tz)
    return rows.with_columns(
        **{name: pl.Series(values) for name, values in found.items()},
        pit=pl.Series(level),
        reach_band=_reach_band(),
        day=local.dt.date(),
        how=local_hour_of_week("time", tz),
    )


def _beside_truth(forecasts: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Forecasts with value and draw, in their order; draws of places not forecast beside the forecast of their band."""
    if "draw" not in truth.columns:
        known = truth.select("place", "time", "value", draw=pl.lit(0, pl.Int64))
        return forecasts.join(known, on=["place", "time"], how="inner", maintain_order="left")
    own = forecasts.join(truth.select("place", "time", "value", "draw"), on=["place", "time"], maintain_order="left")
    if "band" not in truth.columns:
        return own
    spoken = truth.select(pl.col("band").alias("place"), "time", "value", "draw", _pair="place")
    through = forecasts.join(spoken, on=["place", "time"], maintain_order="left")
    forecast = forecasts.select("origin", _pair="place").unique()
    return pl.concat([own, through.join(forecast, on=["origin", "_pair"], how="anti").drop("_pair")])


def poisson_deviance(value: Array, mean: Array) -> Array:
    """``2 · (y · log(y / mean) − (y − mean))`` of each row, with mean ≥ 1e-9; zero below zero: no count has it."""
    safe = np.maximum(mean, LEAST_MEAN)
    count = np.maximum(value, 0)
    return np.where((value < 0) | (mean < 0), 0.0, 2 * (special.xlogy(count, count / safe) - (count - safe)))


def pinball(value: Array, quantiles: Array) -> Array:
    """Pinball loss by row and level; shape (rows, 7)."""
    error = value[:, None] - quantiles
    levels = np.asarray(QUANTILES)
    return np.maximum(levels * error, (levels - 1) * error)


def crps(value: Array, quantiles: Array) -> Array:
    """``2 · ∫ pinball dτ`` by row: trapezoids over the 7 levels, the loss falling to 0 at levels 0 and 1."""
    levels = np.concatenate([[0.0], QUANTILES, [1.0]])
    loss = np.pad(pinball(value, quantiles), ((0, 0), (1, 1)))
    return np.asarray(2 * np.trapezoid(loss, levels, axis=1))


def pit_draws(rows: pl.DataFrame) -> Array:
    """Uniform draw of each row, the same in every run: a hash of place, measure, origin and time."""
    state = np.zeros(rows.height, dtype=np.uint64)
    for name in KEY[:4]:
        if name not in rows.columns:
            continue
        if rows.schema[name] == pl.String:
            codes = {text: zlib.crc32(text.encode()) for text in rows[name].unique()}
            part = rows[name].replace_strict(codes, return_dtype=pl.UInt64).to_numpy()
        else:
            part = rows[name].dt.epoch("us").to_numpy().astype(np.uint64)
        state = _mixed(state ^ part)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) / 2**53)


def _mixed(state: Any) -> Any:
    """Splitmix64: every bit of the input moves half of the output."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def interpolated_pit(value: Array, quantiles: Array, draw: Array) -> Array:
    """Randomised PIT from quantiles alone: ``F(y − ½) + v · (F(y + ½) − F(y − ½))``, F linear between quantiles.

    Of amounts, which are not all whole numbers, it is ``F(y)``, drawn between its two sides where it jumps, as at a
    limit: half a unit is nothing to a count, all to a share.
    """
    is_whole = bool((value == np.rint(value)).all())
    below, above = (value - 0.5, value + 0.5) if is_whole else (np.nextafter(value, -np.inf), value)
    low, high = interpolated_cdf(below, quantiles), interpolated_cdf(above, quantiles)
    return low + draw * (high - low)


def interpolated_cdf(value: Array, quantiles: Array) -> Array:
    """CDF linear between the quantiles; its tails end as far out as q05 is from q25, and q95 from q75."""
    tail = np.maximum(quantiles[:, 2] - quantiles[:, 0], 1e-6), np.maximum(quantiles[:, 6] - quantiles[:, 4], 1e-6)
    knots = np.column_stack([quantiles[:, 0] - tail[0], quantiles, quantiles[:, 6] + tail[1]])
    levels = np.concatenate([[0.0], QUANTILES, [1.0]])
    index = (knots <= value[:, None]).sum(axis=1)
    right = np.clip(index, 1, len(levels) - 1)
    rows = np.arange(len(value))
    left_knot, right_knot = knots[rows, right - 1], knots[rows, right]
    share = (value - left_knot) / np.maximum(right_knot - left_knot, 1e-9)
    inside = levels[right - 1] + np.clip(share, 0, 1) * (levels[right] - levels[right - 1])
    return np.asarray(np.where(index == 0, 0.0, np.where(index >= len(levels), 1.0, inside)))


def _reach_band() -> pl.Expr:
    """Reach in hours as a band such as ``24-48h``; the first and last are open."""
    edges = REACH_EDGES_H
    labels = [f"<{edges[0]}h", *[f"{a}-{b}h" for a, b in pairwise(edges)], f">={edges[-1]}h"]
    passed = pl.sum_horizontal((pl.col("reach_h") >= edge).cast(pl.Int32) for edge in edges)
    band = passed.replace_strict(dict(enumerate(labels)), return_dtype=pl.String)
    return pl.when(pl.col("reach_h").is_null()).then(pl.lit("unknown")).otherwise(band)


def ledger(
    rows: pl.DataFrame, *, baseline: pl.DataFrame | None = None, by: Sequence[str] = (), is_city: bool = False
) -> pl.DataFrame:
    """Additive sums with the columns of ``Scores`` (but product, release, kind, run) from ``losses``.

    ``baseline``: losses of the served baseline, see ``beside``. None: the rows are their own baseline.
    ``by``: further columns to keep apart. ``is_city``: all places together, as place ``""``.
    """
    if baseline is None:
        rows = rows.with_columns(pl.col(name).alias(f"baseline_{name}") for name in BASELINES)
    else:
        rows = beside(rows, baseline)
    if is_city:
        rows = rows.with_columns(place=pl.lit(""))
    return sums(rows, by=by)


def beside(rows: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    """Losses with those of the baseline on the same ``KEY`` as ``baseline_*`` (also its mean); rows that both have."""
    told = [pl.col(name).alias(f"baseline_{name}") for name in (*BASELINES, "mean")]
    return rows.join(baseline.select(*KEY, *told), on=list(KEY), how="inner", maintain_order="left")


def sums(rows: pl.DataFrame, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """The sums of ``ledger`` from losses that have the baseline's beside."""
    added = [pl.col(name).sum() for name in ("value", "mean", *LOSSES, *[f"baseline_{name}" for name in BASELINES])]
    keys = ["place", "measure", "day", "reach_band", "how", *by]
    return rows.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Int64).alias("n"), *added).sort(keys)


def pit_bin(count: int = 20) -> pl.Expr:
    """Bin 0 … count − 1 of the column ``pit``; the last holds 1 itself."""
    return (pl.col("pit") * count).floor().clip(0, count - 1).cast(pl.Int16)


def lead_bin() -> pl.Expr:
    """Whole hours of the column ``lead_h``; beyond 72 the hours at which its day of lead begins."""
    hours = pl.col("lead_h").cast(pl.Float64).floor()
    return pl.when(hours < HOURLY_TO).then(hours).otherwise((hours / 24).floor() * 24).cast(pl.Int16)


def decile(by: Sequence[str], *, of: str = "mean", count: int = 10) -> pl.Expr:
    """Class 1 … count by size of the forecast within groups; ties are parted by their order."""
    rank = pl.col(of).rank("ordinal").over(by).cast(pl.Float64)
    return (((rank - 1) * count / pl.len().over(by)).floor() + 1).cast(pl.Int16)


def means(rows: pl.DataFrame, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """n, mean of each loss, its day-block standard error and bias (mean / value) from ``losses``, by any columns."""
    days = rows.group_by([*by, "day"]).agg(pl.len().alias("n"), pl.col(*LOSSES, "value", "mean").sum())
    return means_of_days(days, by=by)


def means_of_days(days: pl.DataFrame, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """The same from sums by day: n, the losses, value and mean."""
    keys, names = list(by), list(LOSSES)
    found = days.group_by(keys or pl.lit(0).alias("all")).agg(
        pl.col("n").sum().alias("rows"),
        pl.len().alias("days"),
        *[(pl.col(name).sum() / pl.col("n").sum()).alias(name) for name in names],
        *[_standard_error(name).alias(f"{name}_se") for name in names],
        (pl.col("mean").sum() / pl.col("value").sum()).alias("mean_over_value"),
    )
    return found.drop("all", strict=False).sort(keys) if keys else found.drop("all", strict=False)


def _standard_error(name: str) -> pl.Expr:
    """Standard error of a ratio of day sums: days, not rows, are what is independent."""
    ratio = pl.col(name).sum() / pl.col("n").sum()
    residual = pl.col(name) - ratio * pl.col("n")
    days = pl.len()
    return (residual.pow(2).sum() * days / (days - 1).clip(lower_bound=1)).sqrt() / pl.col("n").sum()


def with_decile(rows: pl.DataFrame, *, of: str = "mean", count: int = 10) -> pl.DataFrame:
    """Rows with ``decile`` 1…count by size of the forecast; ties share the rank of their order."""
    rank = pl.col(of).rank("ordinal").cast(pl.Float64)
    return rows.with_columns(decile=((rank - 1) * count / pl.len()).floor().cast(pl.Int32) + 1)


def reliability(rows: pl.DataFrame, *, count: int = 10) -> pl.DataFrame:
    """Forecast against observed by class of forecast size; classes hold equal sums of forecast mean.

    Columns: decile, rows, forecast (sum), observed (sum), ratio (observed / forecast) with day-block standard error.
    """
    ordered = rows.sort("mean").with_columns(_share=pl.col("mean").cum_sum() / pl.col("mean").sum())
    classed = ordered.with_columns(decile=((pl.col("_share") * count).ceil().clip(1, count)).cast(pl.Int32))
    days = classed.group_by("decile", "day").agg(pl.len().alias("n"), pl.col("mean").sum(), pl.col("value").sum())
    ratio = pl.col("value").sum() / pl.col("mean").sum()
    spread = (pl.col("value") - ratio * pl.col("mean")).pow(2).sum().sqrt() / pl.col("mean").sum()
    return (
        days.group_by("decile")
        .agg(
            pl.col("n").sum().alias("rows"),
            pl.col("mean").sum().alias("forecast"),
            pl.col("value").sum().alias("observed"),
            ratio.alias("ratio"),
            spread.alias("ratio_se"),
        )
        .sort("decile")
    )


def r_squared(*, observed: Array, predicted: Array) -> float:
    """Share of the variance of ``observed`` that ``predicted`` explains; by name, because the order matters."""
    rest = float(((observed - predicted) ** 2).sum())
    return 1 - rest / float(((observed - observed.mean()) ** 2).sum())


def skill(score: float, baseline: float) -> float:
    """``1 − score / baseline``; positive is better than the baseline."""
    return 1 - score / baseline if baseline else float("nan")
