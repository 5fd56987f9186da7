"""Sort raw rows into kept, quarantined and repeated: every row has exactly one fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

CONFLICT = "conflict"
QUARANTINE = {"source": pl.String, "row": pl.String, "rule": pl.String, "reason": pl.String}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """``broken``: rows that break it (null counts as broken), and why that is a reason to keep them out."""

    name: str
    broken: pl.Expr
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """``kept``: rows that may be used, by key and fetch; ``quarantine``: its columns; ``repeated``: a count."""

    kept: pl.DataFrame
    quarantine: pl.DataFrame
    repeated: int


def with_fetch_time(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows ordered by when they were fetched and by position; a frame without ``fetched_at`` is one fetch."""
    if "fetched_at" not in rows.columns:
        rows = rows.with_columns(fetched_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    if "_row" not in rows.columns:
        rows = rows.with_row_index("_row").with_columns(pl.col("_row").cast(pl.Int64))
    return rows.sort("fetched_at", "_row", nulls_last=False, maintain_order=True)


def sort_rows(rows: pl.DataFrame, *, source: str, key: Sequence[str], rules: Sequence[Rule]) -> Sorted:
    """Sort canonical rows of one source.

    The first rule a row breaks quarantines it. A row that says what its key said in the fetch before is
    repeated, one that says otherwise is a revision; within a fetch the first of a key is kept, and a
    later one that says otherwise is in conflict. A row kept out a second time is repeated.
    """
    content = [name for name in rows.columns if name not in ("fetched_at", "_row")]
    reasons = {rule.name: rule.reason for rule in rules} | {CONFLICT: "one fetch says two things; the first is kept"}
    rows = with_fetch_time(rows).with_columns(_rule=_first_broken(rules))
    good = rows.filter(pl.col("_rule").is_null()).sort(*key, "fetched_at", "_row")
    is_lead = pl.struct(*key, "fetched_at").is_first_distinct()
    leads = good.filter(is_lead)
    says_the_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in content)
    leads = leads.with_columns(_is_news=~says_the_same | pl.int_range(pl.len()).eq(0))
    others = good.filter(~is_lead).join(
        leads.select(*key, "fetched_at", _lead=pl.struct(content)), on=[*key, "fetched_at"], nulls_equal=True
    )
    is_echo = pl.struct(content) == pl.col("_lead")
    conflicts = others.filter(~is_echo).with_columns(_rule=pl.lit(CONFLICT))
    out = pl.concat([rows.filter(pl.col("_rule").is_not_null()), conflicts.select(rows.columns)])
    is_new = pl.struct(*content, "_rule").is_first_distinct()
    return Sorted(
        kept=leads.filter("_is_news").select(rows.columns).drop("_rule"),
        quarantine=_quarantined(out.filter(is_new), content, source, reasons),
        repeated=sum(
            part.height for part in (leads.filter(~pl.col("_is_news")), others.filter(is_echo), out.filter(~is_new))
        ),
    )


def quarantined(rows: pl.DataFrame, *, source: str, rule: str, reason: str) -> pl.DataFrame:
    """Canonical rows as QUARANTINE rows for one rule."""
    content = [name for name in rows.columns if name not in ("fetched_at", "_row")]
    return _quarantined(rows.with_columns(_rule=pl.lit(rule)), content, source, {rule: reason})


def _first_broken(rules: Sequence[Rule]) -> pl.Expr:
    """Name of the first rule a row breaks, else null."""
    return pl.coalesce(
        *(pl.when(rule.broken.fill_null(value=True)).then(pl.lit(rule.name)) for rule in rules),
        pl.lit(None, dtype=pl.String),
    )


def _quarantined(rows: pl.DataFrame, content: list[str], source: str, reasons: dict[str, str]) -> pl.DataFrame:
    as_text = [pl.col(pl.Datetime).dt.to_string("iso")]
    return rows.with_columns(as_text).select(
        source=pl.lit(source),
        row=pl.struct(content).struct.json_encode(),
        rule=pl.col("_rule"),
        reason=pl.col("_rule").replace_strict(reasons, return_dtype=pl.String),
    )
