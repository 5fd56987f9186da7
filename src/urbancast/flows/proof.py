"""Proof: recompute a product's ledger from its tables and name the first entry that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from urbancast.flows.job import Job
from urbancast.flows.touched import Touched
from urbancast.lake import digests, ledger
from urbancast.lake.store import Lake


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """The first entry that does not fit, what it is of, and what was expected and found."""

    number: int
    kind: str
    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a check found. ``pending``: days to be scored again; ``unentered``: sets of forecasts not entered yet."""

    product: str
    is_whole: bool
    entries: int
    head: str
    misfit: Misfit | None
    pending: int
    unentered: int


def run(job: Job) -> Proof:
    """Recompute the chain, the digests, and the content of every set of forecasts and newest score of every day.

    A day to which observations or forecasts were added since awaits its scoring: its scores are not held to it.
    """
    lake, product = job.lake, job.product.id
    entries = ledger.read(lake, product)
    counted = Touched.of(job)
    due = [counted.days(job, measure.id).filter("is_due").with_columns(measure=pl.lit(measure.id))
           for measure in job.product.measures]  # fmt: skip
    pending = pl.concat([each.select("measure", "day") for each in due])
    found = [*_chain(entries), *_digests(lake, product, entries), *_issued(lake, product, entries),
             *_scored(lake, product, entries, pending)]  # fmt: skip
    first = min(found, key=lambda one: one[0], default=None)
    return Proof(
        product=product,
        is_whole=first is None,
        entries=entries.height,
        head=entries["entry"][-1] if entries.height else ledger.START,
        misfit=None if first is None else _misfit(entries, *first),
        pending=pending.height,
        unentered=ledger.unentered(lake, product).height,
    )


def _misfit(entries: pl.DataFrame, number: int, reason: str) -> Misfit:
    own = entries.filter(pl.col("number") == number).to_dicts()
    kind, subject = (own[0]["kind"], own[0]["subject"]) if own else ("missing", "")
    return Misfit(number=number, kind=kind, subject=subject, reason=reason)


def _chain(entries: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """Numbers in a row, each entry the hash of its own fields, and of the one before."""
    previous, expected = ledger.START, 1
    for row in entries.iter_rows(named=True):
        if row["number"] != expected:
            yield expected, f"expected entry {expected}, found {row['number']} after {expected - 1}: one was taken out"
            return
        if row["previous"] != previous:
            yield expected, f"expected the entry before to be {previous[:12]}…, found {row['previous'][:12]}…"
            return
        found = ledger.seal(row)
        if found != row["entry"]:
            yield expected, f"expected entry {row['entry'][:12]}…, found {found[:12]}… from its fields: it was changed"
            return
        previous, expected = row["entry"], expected + 1


def _digests(lake: Lake, product: str, entries: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """The head that each day's digest tells stands where it says."""
    known = dict(entries.select("number", "entry").iter_rows())
    for path, told in digests.read(lake, product):
        found = known.get(told["number"])
        if found != told["head"]:
            where = "no such entry" if found is None else f"{found[:12]}…"
            yield told["number"], f"expected {told['head'][:12]}… as {path} tells, found {where}"
            return


def _issued(lake: Lake, product: str, entries: pl.DataFrame) -> Iterator[tuple[int, str]]:
    keys = ["measure", "origin", "release"]
    for (origin,), sets in ledger.issued_sets(entries).group_by("origin", maintain_order=True):
        if not isinstance(origin, datetime):
            continue
        rows = ledger.issued_rows(lake, product, origin)
        there = rows.partition_by(keys, as_dict=True, maintain_order=True)
        for one in sets.iter_rows(named=True):
            own = there.get((one["measure"], one["origin"], one["release"]), rows.clear())
            found = ledger.content(own.select(ledger.PROMISED))
            if found != one["content"]:
                yield one["number"], _other(one, own.height, found, "the forecasts")


def _scored(lake: Lake, product: str, entries: pl.DataFrame, pending: pl.DataFrame) -> Iterator[tuple[int, str]]:
    newest = ledger.scored_days(entries).join(pending, on=["measure", "day"], how="anti", maintain_order="left")
    for (measure,), days in newest.group_by("measure", maintain_order=True):
        rows = ledger.scored_rows(lake, product, str(measure), since=days["day"].min(), until=days["day"].max())
        for one in days.iter_rows(named=True):
            own = rows.filter(pl.col("day") == one["day"])
            found = ledger.content(own)
            if found != one["content"]:
                yield one["number"], _other(one, own.height, found, "the scores")


def _other(one: dict[str, object], rows: int, found: str, what: str) -> str:
    told = f"{one['rows']} rows of sha256 {str(one['content'])[:12]}…"
    return f"expected {told}, found {rows} of {found[:12]}…: {what} are not those that were entered"
