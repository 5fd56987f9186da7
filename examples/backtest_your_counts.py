"""Backtest your own counts in one call: a panel in, forecasts and scores out.

Run it: `python examples/backtest_your_counts.py`. The counts here are synthetic; put yours in their place:
a polars frame with `place`, `time` (UTC, interval starts), `value` and, if you know it, `available_at`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

import urbancast as uc


def synthetic_counts(days: int = 120, seed: int = 7) -> pl.DataFrame:
    """Hourly counts of three places with rush hours, quiet weekends and good and bad days; place, time, value."""
    rng = np.random.default_rng(seed)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(
        start, start + timedelta(days=days), "1h", time_unit="us", time_zone="UTC", closed="left", eager=True
    )
    local = times.dt.convert_time_zone("Europe/Paris")
    hour, weekday = local.dt.hour().to_numpy(), local.dt.weekday().to_numpy()
    rush = 4 + 60 * np.exp(-(((hour - 8) / 1.5) ** 2)) + 80 * np.exp(-(((hour - 18) / 2.0) ** 2))
    usual = np.where(weekday > 5, 0.5, 1.0) * rush
    good_day = np.repeat(rng.gamma(12, 1 / 12, days), 24)
    parts = [
        pl.DataFrame({"place": name, "time": times, "value": rng.poisson(size * usual * good_day).astype(float)})
        for name, size in (("bridge", 1.0), ("quay", 0.6), ("park", 0.3))
    ]
    return pl.concat(parts)


def main() -> pl.DataFrame:
    """Mean absolute error and share of values inside the 80 % range, by candidate."""
    panel = synthetic_counts()
    last = max(panel["time"])
    origins = [last.replace(hour=0) - timedelta(days=back) for back in range(14, 3, -1)]
    bt = uc.backtest(
        panel,
        grain="1h",
        tz="Europe/Paris",
        horizon="72h",
        origins=origins,
        candidates=["seasonal_naive", "climatology", "gbm"],
        covariates=None,
    )
    sums: pl.DataFrame = bt.scores.group_by("release").agg(
        pl.col("n", "absolute_error", "baseline_absolute_error", "hits_80").sum()
    )
    return sums.select(
        "release",
        mae=pl.col("absolute_error") / pl.col("n"),
        skill=1 - pl.col("absolute_error") / pl.col("baseline_absolute_error"),
        held=pl.col("hits_80") / pl.col("n"),
    ).sort("mae")


if __name__ == "__main__":
    print(main())
