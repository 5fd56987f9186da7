"""Shares of values inside a range, with errors by day: what happens on one day is not independent."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

Z_95 = 1.96


def shares(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Share by group from sums by day (``by``, day, h inside of n): n, days, share, effective_n, plus_minus.

    ``plus_minus``: 95 % half-width with days as blocks; null from one day. Always or never so far is not certainty:
    as many days leave room for three in so many (rule of three). ``effective_n``: see ``effective_n``.
    """
    keys = list(by)
    sums = rows.group_by(keys, maintain_order=True).agg(
        n=pl.col("n").sum().cast(pl.Float64), h=pl.col("h").sum(), days=pl.len().cast(pl.Float64),
        hh=(pl.col("h") ** 2).sum(), hn=(pl.col("h") * pl.col("n")).sum(),
        nn=(pl.col("n").cast(pl.Float64) ** 2).sum(),
    )  # fmt: skip
    p = pl.col("h") / pl.col("n")
    squares = (pl.col("hh") - 2 * p * pl.col("hn") + p**2 * pl.col("nn")).clip(0)
    blocks = pl.when(pl.col("days") > 1).then(pl.col("days") / (pl.col("days") - 1))
    done = sums.filter(pl.col("n") > 0).with_columns(share=p, _se=(blocks * squares).sqrt() / pl.col("n"))
    unanimous = pl.when(pl.col("days") > 1).then((3 / pl.col("days")).clip(upper_bound=1.0))
    half = pl.when((p <= 0) | (p >= 1)).then(unanimous).otherwise(pl.col("_se") * Z_95)
    return done.select(*keys, "n", "days", "share", effective_n(), plus_minus=half)


def effective_n() -> pl.Expr:
    """Independent values that would tell as much: ``p(1 − p) / se²``, at most n; of a share of 0 or 1 its days.

    Reads the columns share, _se, n and days; null from one day.
    """
    p, square = pl.col("share"), pl.col("_se") ** 2
    spread = pl.when(square > 0).then(p * (1 - p) / square).otherwise(pl.col("n"))
    counted = pl.when((p <= 0) | (p >= 1)).then(pl.col("days")).otherwise(spread)
    return pl.when(pl.col("days") > 1).then(pl.min_horizontal(counted, "n")).alias("effective_n")


def wilson(share: pl.Expr, n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """95 % interval of a share from ``n`` independent values, inside [0, 1]. Wilson 1927."""
    z2 = Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * ((share * (1 - share)).clip(0) / n + z2 / (4 * n**2)).sqrt()
    return (centre - half).clip(0.0, 1.0), (centre + half).clip(0.0, 1.0)


def rolling(days: pl.DataFrame, *, length: str = "30d") -> pl.DataFrame:
    """Share over the days up to each day (columns day, h, n, and more to be summed): those of ``shares``, low, high."""
    others = [name for name in days.columns if name not in {"day", "h", "n"}]
    span = (
        days.select(end="day")
        .sort("end")
        .join_where(days, pl.col("day") <= pl.col("end"), pl.col("day") > pl.col("end").dt.offset_by(f"-{length}"))
    )
    told = shares(span, ["end"])
    low, high = wilson(pl.col("share"), pl.col("effective_n"))
    sums = span.group_by("end").agg(pl.col(others).sum()) if others else span.select("end").unique()
    return told.join(sums, on="end").with_columns(low=low, high=high).rename({"end": "day"}).sort("day")
