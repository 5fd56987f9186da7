"""Which rows of a report are new: the rule of `observations`, without I/O."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.product import COVERED

KEY = ["place", "measure", "time", "draw"]
TICK = timedelta(microseconds=1)
_VERSION = [*KEY, "value", "available_at", "availability"]
_SAME_FETCH = timedelta(seconds=1)  # a version this close after the fetch is an answer to it


def first_versions(
    told: pl.DataFrame, *, fetched_at: datetime, first_contact: datetime, is_extract: bool = False
) -> pl.DataFrame:
    """The report with the instant each version may be used from: KEY, value, available_at, availability.

    Sorted by key and available_at; of versions that fall on one instant the last stays.
    """
    rows = told.sort(*KEY, "available_at")
    declared = pl.col("available_at")
    is_old = declared < first_contact
    seen = pl.when(_is_ahead(fetched_at, is_extract=is_extract)).then(declared).otherwise(pl.lit(fetched_at))
    revised = pl.max_horizontal(declared, pl.lit(fetched_at))
    at = pl.when(is_old).then(declared).when(_is_first(KEY)).then(seen).otherwise(revised)
    rows = rows.with_columns(at.alias("_at"), _is_declared=is_old | (at != fetched_at))
    rows = rows.filter(_is_last([*KEY, "_at"]))
    return rows.select(*KEY, "value", available_at="_at", availability=_label("_is_declared"))


def vanished(told: pl.DataFrame, known: pl.DataFrame, sparse: Collection[str]) -> pl.DataFrame:
    """Zeros for known values of sparse measures at times the report covers without naming them."""
    covered = told.filter(pl.col("measure") == COVERED, pl.col("value") > 0).select("time").unique()
    there = known.filter(pl.col("measure").is_in(list(sparse))).join(covered, on="time", how="semi")
    gone = _newest(there).join(told, on=KEY, how="anti").filter(pl.col("_value") != 0)
    return gone.select(*KEY, value=pl.lit(0.0), available_at="_newest", availability=pl.lit("declared"))


def revisions(
    proposed: pl.DataFrame, known: pl.DataFrame, *, fetched_at: datetime, is_extract: bool = False
) -> pl.DataFrame:
    """Rows to write: versions after the newest known one that differ from it, and corrections of it.

    Each version is compared with the one before; a version not after the newest known one counts only
    where it is the report's last word and differs: it corrects from the fetch on. The first word on a
    key is written even where it is null, lest a value that comes later pass for one known all along.
    """
    rows = proposed.join(_newest(known), on=KEY, how="left", maintain_order="left")
    is_later = pl.col("_newest").is_null() | (pl.col("available_at") > pl.col("_newest"))
    before = pl.when(_is_first(KEY)).then(pl.col("_value")).otherwise(pl.col("value").shift(1))
    is_unheard = _is_first(KEY) & pl.col("_newest").is_null()
    later = rows.filter(is_later).filter(is_unheard | pl.col("value").ne_missing(before))
    rows = rows.with_columns(_is_declared=_is_ahead(fetched_at, is_extract=is_extract))
    settled = rows.filter(_is_last(KEY)).filter(~is_later, pl.col("value").ne_missing(pl.col("_value")))
    return pl.concat([later.select(_VERSION), _corrections(settled, known, fetched_at)])


def _corrections(settled: pl.DataFrame, known: pl.DataFrame, fetched_at: datetime) -> pl.DataFrame:
    """Last words about settled keys, seen at the fetch, where they differ from what was known then."""
    at = pl.when("_is_declared").then("available_at").otherwise(pl.lit(fetched_at))
    rows = settled.with_columns(available_at=at).drop("_value", "_newest")
    then = known.join(rows.select(*KEY, _at="available_at"), on=KEY, how="inner")
    then = _newest(then.filter(pl.col("available_at") < pl.col("_at") + _SAME_FETCH))
    rows = rows.join(then, on=KEY, how="left").filter(pl.col("value").ne_missing(pl.col("_value")))
    after = pl.max_horizontal("available_at", pl.col("_newest") + TICK)
    return rows.with_columns(available_at=after, availability=_label("_is_declared")).select(_VERSION)


def _newest(known: pl.DataFrame) -> pl.DataFrame:
    """Newest known version of each key: KEY, _value, _newest (its available_at)."""
    newest = known.sort("available_at").unique(KEY, keep="last", maintain_order=True)
    return newest.select(*KEY, _value="value", _newest="available_at")


def _is_ahead(fetched_at: datetime, *, is_extract: bool) -> pl.Expr:
    """Whether a fetch cannot have seen the row yet, so that its declared time stays.

    That is an interval not begun; and in an extract, a file that proves nothing about its past, whatever
    is declared for later.
    """
    return pl.col("available_at" if is_extract else "time") >= fetched_at


def _is_first(columns: list[str]) -> pl.Expr:
    """Whether a row is the first of its group in a frame sorted by the columns."""
    return pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in columns)


def _is_last(columns: list[str]) -> pl.Expr:
    return pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(-1)) for c in columns)


def _label(is_declared: str) -> pl.Expr:
    return pl.when(is_declared).then(pl.lit("declared")).otherwise(pl.lit("seen"))
