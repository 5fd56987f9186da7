"""Where a forecast is good and where not: losses beside the baseline's, by fold, lead, clock, calendar and place."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from urbancast.evaluation.metrics import BASELINES, KEY

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOLIDAY = "public holiday"
COLUMNS = ("slice", "key", "n", "observed", "loss", "baseline_loss", "skill", "coverage_80")


def paired(losses: pl.DataFrame, candidate: str, baseline: str) -> pl.DataFrame:
    """Rows of ``candidate`` that the baseline forecast too, its losses beside as ``baseline_…``."""
    beside = losses.filter(pl.col("candidate") == baseline)
    beside = beside.select(*KEY, pl.col(BASELINES).name.prefix("baseline_"))
    own = losses.filter(pl.col("candidate") == candidate)
    own = own.select(*KEY, "cut", "day", "how", "lead_h", "value", "hits_80", *BASELINES)
    return own.join(beside, on=list(KEY), how="inner", maintain_order="left")


def of(pairs: pl.DataFrame, holidays: Collection[date], *, column: str) -> pl.DataFrame:
    """``COLUMNS`` of the losses in ``column``: a row a value of fold, lead, hour, weekday, holiday and place."""
    lead = (pl.col("lead_h") / 24).floor().cast(pl.Int64) + 1
    pairs = pairs.with_columns(loss=pl.col(column), baseline_loss=pl.col(f"baseline_{column}"))
    is_holiday = pl.col("day").is_in(list(holidays))
    keys = {
        "fold": pl.col("cut").dt.strftime("%Y-%m-%d %H:%M"),
        "lead": pl.format("day {}", lead.cast(pl.String).str.zfill(2)),
        "hour": pl.format("{}:00", (pl.col("how") % 24).cast(pl.String).str.zfill(2)),
        "weekday": (pl.col("how") // 24).cast(pl.Int64).replace_strict(dict(enumerate(DAYS)), return_dtype=pl.String),
        "holiday": pl.when(is_holiday).then(pl.lit(HOLIDAY)).otherwise(pl.lit("other day")),
        "place": pl.col("place"),
    }
    return pl.concat([_by(pairs, name, key) for name, key in keys.items()])


def _by(pairs: pl.DataFrame, name: str, key: pl.Expr) -> pl.DataFrame:
    grouped = pairs.group_by(key.alias("key")).agg(
        pl.len().cast(pl.Int64).alias("n"),
        pl.col("value").mean().alias("observed"),
        pl.col("loss", "baseline_loss").mean(),
        pl.col("hits_80").mean().alias("coverage_80"),
    )
    order = pl.col("key").replace_strict({day: i for i, day in enumerate(DAYS)}, default=0, return_dtype=pl.Int64)
    skill = pl.when(pl.col("baseline_loss") > 0).then(1 - pl.col("loss") / pl.col("baseline_loss"))
    return grouped.sort(order, "key").with_columns(slice=pl.lit(name), skill=skill).select(COLUMNS)
