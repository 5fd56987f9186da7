"""Ledger: an append-only chain over every set of forecasts issued and every day scored.

An entry seals the rows it speaks of (``content``), its moment and the entry before it; see docs/decisions/0016.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl

from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import as_utc
from urbancast.lake import contract, digests, maintain
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

Kind = Literal["issued", "scored", "rescored"]
START = "0" * 64  # what the first entry calls the one before it
PROMISED = ("place", "time", "mean", *QUANTILE_COLUMNS, "issued_at")
_SET = ["measure", "origin", "release"]
_TICK = timedelta(microseconds=1)
_SEPARATOR, _NULL = "\x1f", "\x00"


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A set of rows to enter: what it is of (JSON), how many rows, and their sha256."""

    kind: Kind
    subject: str
    rows: int
    content: str


def content(rows: pl.DataFrame) -> str:
    """sha256 of rows in their order: column by column its name, then its values.

    Numbers as little-endian float64 or int64 (instants: microseconds, days: days since 1970), null numbers as NaN;
    texts in UTF-8, a unit separator after each.
    """
    digest = hashlib.sha256(str(rows.height).encode())
    for name in rows.columns:
        column = rows[name]
        digest.update(f"{_SEPARATOR}{name}{_SEPARATOR}".encode())
        if column.dtype.is_float():
            digest.update(column.cast(pl.Float64).fill_null(np.nan).to_numpy().astype("<f8").tobytes())
        elif column.dtype.is_numeric() or column.dtype.is_temporal():
            digest.update(column.to_physical().cast(pl.Int64).to_numpy().astype("<i8").tobytes())
        else:
            texts = column.cast(pl.String).fill_null(_NULL).to_list()
            digest.update((_SEPARATOR.join(texts) + _SEPARATOR).encode())
    return digest.hexdigest()


def seal(row: Mapping[str, Any]) -> str:
    """sha256 of an entry: its fields up to ``previous`` as JSON with sorted keys and no spaces."""
    names = ("product", "number", "kind", "subject", "rows", "content", "previous")
    told = {name: row[name] for name in names} | {"at": row["at"].isoformat(timespec="microseconds")}
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def subject(**fields: Any) -> str:
    """JSON of what an entry is of, keys sorted, instants and days in ISO 8601."""
    told = {name: _iso(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), default=str)


def read(lake: Lake, product: str) -> pl.DataFrame:
    """All entries of a product by number."""
    return lake.scan("ledger", product=product).sort("number").collect()


def append(lake: Lake, product: str, sets: Collection[Sealed], *, run: str, at: datetime) -> int:
    """Add entries at the end of the chain, in one commit, and bring the digests up to date; their number.

    A set of forecasts is entered once.
    """
    if not sets:
        return 0

    def chained(before: Snapshot) -> pl.DataFrame:
        there = before.scan(product=product)
        tail = there.select("number", "entry").top_k(1, by="number").collect()
        number, previous = tail.row(0) if tail.height else (0, START)
        promised = there.filter(pl.col("kind") == "issued", pl.lit(any(one.kind == "issued" for one in sets)))
        entered = set(promised.select("subject").collect()["subject"])
        rows = []
        for one in sets:
            if one.kind == "issued" and one.subject in entered:
                continue
            number += 1
            row = {"product": product, "number": number, "kind": one.kind, "subject": one.subject, "rows": one.rows,
                   "content": one.content, "at": at, "previous": previous}  # fmt: skip
            previous = seal(row)
            rows.append({**row, "entry": previous, "run": run})
        return pl.DataFrame(rows, schema=contract.schema("ledger"))

    written = lake.derive("ledger", product, chained)
    digests.write(lake, product)
    maintain.tidy(lake, "ledger")
    return written


def enter_issued(lake: Lake, product: str, *, run: str, at: datetime, origins: Iterable[datetime] = ()) -> int:
    """Enter every set of forecasts (of these origins; none: of all) that has no entry yet; number of entries.

    Sets are read one origin at a time, so that a first entry over years of forecasts stays small.
    """
    missing = unentered(lake, product, origins=origins)
    sets: list[Sealed] = []
    for origin in missing["origin"].unique().sort().to_list():
        wanted = missing.filter(pl.col("origin") == origin).select(_SET)
        sets += _sealed(issued_rows(lake, product, origin).join(wanted, on=_SET, how="semi", maintain_order="left"))
    return append(lake, product, sets, run=run, at=at)


def unentered(lake: Lake, product: str, *, origins: Iterable[datetime] = ()) -> pl.DataFrame:
    """Sets of forecasts (measure, origin, release) without an entry."""
    chosen = sorted(origins)
    since, until = (chosen[0], chosen[-1] + _TICK) if chosen else (None, None)
    there = (
        lake.scan("forecasts", product=product, since=since, until=until)
        .select(_SET)
        .unique()
        .collect(engine="streaming")
    )
    entered = issued_sets(read(lake, product))
    return there.join(entered, on=_SET, how="anti").sort("origin", "measure", "release")


def issued_sets(entries: pl.DataFrame) -> pl.DataFrame:
    """Measure, origin, release, number, rows and content of the entries of issued sets."""
    own = entries.filter(pl.col("kind") == "issued")
    told = _told(own, {"measure": pl.String, "origin": pl.String, "release": pl.String})
    return told.with_columns(pl.col("origin").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC"))


def scored_days(entries: pl.DataFrame) -> pl.DataFrame:
    """Newest entry of each measure and day: measure, day, issued, observed, number, rows, content."""
    own = entries.filter(pl.col("kind") != "issued")
    told = _told(own, {"measure": pl.String, "day": pl.String, "issued": pl.Int64, "observed": pl.Int64})
    days = told.with_columns(pl.col("day").str.to_date()).sort("number")
    return days.unique(["measure", "day"], keep="last", maintain_order=True)


def issued_rows(lake: Lake, product: str, origin: datetime) -> pl.DataFrame:
    """Forecasts of an origin in the order in which they are sealed."""
    rows = lake.scan("forecasts", product=product, since=origin, until=origin + _TICK)
    return rows.select(*_SET, *PROMISED).sort(*_SET, "place", "time").collect()


def scored_rows(lake: Lake, product: str, measure: str, *, since: Any, until: Any) -> pl.DataFrame:
    """Score rows of issued forecasts (live and replay) of days in [since, until], in the order they are sealed."""
    rows = lake.scan("scores", product=product, since=since).filter(pl.col("day") <= until)
    rows = rows.filter(pl.col("measure") == measure, pl.col("kind").cast(pl.String) != "backtest")
    key = [name for name in contract.key("scores") if name != "product"]
    return rows.drop("product", "run").sort(*key).collect()


def _sealed(rows: pl.DataFrame) -> list[Sealed]:
    parts = rows.partition_by(_SET, maintain_order=True, as_dict=True)
    return [
        Sealed(
            kind="issued",
            subject=subject(measure=measure, origin=origin, release=release),
            rows=part.height,
            content=content(part.select(PROMISED)),
        )
        for (measure, origin, release), part in parts.items()
    ]


def _told(entries: pl.DataFrame, fields: Mapping[str, Any]) -> pl.DataFrame:
    """Number, rows and content of entries, and the fields of their subjects."""
    own = pl.col("subject").str.json_decode(pl.Struct(fields))
    return entries.select("number", "rows", "content", own).unnest("subject")


def _iso(instant: datetime) -> str:
    return as_utc(instant).isoformat().replace("+00:00", "Z")
