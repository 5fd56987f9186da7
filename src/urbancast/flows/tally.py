"""Losses added up by day, part by part: all that a summary needs, whose size does not grow with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from urbancast.evaluation import metrics
from urbancast.evaluation.compare import COLUMN
from urbancast.flows.job import Job

LEADS = {"day 1": (0.0, 24.0), "day 2": (24.0, 48.0), "day 3": (48.0, 72.0), "later": (72.0, 1e9)}
GROUP = ("measure", "kind", "lead")


@dataclass
class Tally:
    """Sums of losses by measure, kind, lead band, candidate and day.

    ``own``: of every candidate's rows. ``pairs``: of rows that a candidate shares with a rule. ``shared``: of the
    rules, by how many of them said something. ``rates``: forecast and value of each row of ``sparse`` measures,
    whose reliability by size is no sum.
    """

    rules: tuple[str, ...]
    column: str
    sparse: tuple[str, ...]
    rows: int = 0
    own: list[pl.DataFrame] = field(default_factory=list)
    pairs: list[pl.DataFrame] = field(default_factory=list)
    shared: list[pl.DataFrame] = field(default_factory=list)
    rates: dict[tuple[str, str], list[pl.DataFrame]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, parts: Sequence[pl.DataFrame] = ()) -> Tally:
        """Tally of a job's measures and rules, with these losses in it."""
        sparse = tuple(measure.id for measure in job.product.measures if measure.sparse)
        tally = cls(tuple(rule.name for rule in job.recipe.rules), COLUMN[job.recipe.primary], sparse)
        for part in parts:
            tally.add(part)
        return tally

    def add(self, losses: pl.DataFrame) -> None:
        """Add losses; forecasts for one time, whoever made them, must come together."""
        if losses.is_empty():
            return
        self.rows += losses.height
        kind = [] if "kind" in losses.columns else [pl.lit("backtest").alias("kind")]
        rows = losses.with_columns(*kind, _lead()).drop_nulls("lead")
        sums = pl.col(*metrics.LOSSES, "value", "mean").cast(pl.Float64).sum()
        self.own.append(rows.group_by(*GROUP, "candidate", "day").agg(pl.len().alias("n"), sums))
        self._add_pairs(rows)
        for (measure, candidate), part in rows.group_by("measure", "candidate", maintain_order=True):
            if measure in self.sparse:
                narrow = part.select("day", pl.col("mean", "value").cast(pl.Float32))
                self.rates.setdefault((str(measure), str(candidate)), []).append(narrow)

    def _add_pairs(self, rows: pl.DataFrame) -> None:
        key = [*(name for name in metrics.KEY if name in rows.columns), "kind"]
        ruled = rows.filter(pl.col("candidate").is_in(self.rules)).select(*key, "lead", "candidate", self.column)
        own = pl.col(self.column).cast(pl.Float64)
        counted = ruled.with_columns(said_by=pl.len().over(key))
        self.shared.append(counted.group_by(*GROUP, "said_by", "candidate").agg(pl.len().alias("n"), own.sum()))
        left = rows.select(*key, "lead", "candidate", "day", own.alias("a"), pl.col("hits_80").cast(pl.Float64))
        for (rule,), part in ruled.group_by("candidate", maintain_order=True):
            both = left.join(part.select(*key, b=own), on=key, how="inner")
            sums = both.group_by(*GROUP, "candidate", "day").agg(pl.len().alias("n"), pl.col("a", "b", "hits_80").sum())
            self.pairs.append(sums.with_columns(rule=pl.lit(rule)))

    @property
    def groups(self) -> list[tuple[str, str]]:
        """Measures and kinds, in the order in which they came."""
        if not self.own:
            return []
        found = pl.concat([part.select("measure", "kind").unique().sort("measure", "kind") for part in self.own])
        return list(found.unique(maintain_order=True).iter_rows())

    def days(self, table: str, at: Mapping[str, str]) -> pl.DataFrame:
        """Rows of ``own``, ``pairs`` or ``shared`` where columns are as in ``at``, leads and parts added up."""
        parts: list[pl.DataFrame] = getattr(self, table)
        chosen = pl.all_horizontal(pl.col(name) == value for name, value in at.items())
        rows = pl.concat([part.filter(chosen) for part in parts])
        keys = [name for name in ("candidate", "day", "said_by", "rule") if name in rows.columns]
        values = [name for name in rows.columns if name not in {*GROUP, *keys}]
        return rows.group_by(keys).agg(pl.col(values).sum()).sort(keys)

    def reliability(self) -> dict[str, pl.DataFrame]:
        """Forecast against observed by tenths of the forecast sum, by measure and candidate of sparse measures."""
        return {
            f"{measure} {candidate}": metrics.reliability(
                pl.concat(parts).cast({"mean": pl.Float64, "value": pl.Float64})
            )
            for (measure, candidate), parts in self.rates.items()
        }


def _lead() -> pl.Expr:
    bands = [
        pl.when(pl.col("lead_h").is_between(low, high, closed="left")).then(pl.lit(name))
        for name, (low, high) in LEADS.items()
    ]
    return pl.coalesce(*bands, pl.lit(None, dtype=pl.String)).alias("lead")
