"""Digests of a ledger: a small file a day that says where the chain stood, to be kept by whoever wants to check."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from urbancast.lake.store import Lake

FOLDER = "ledger"
KINDS = ("issued", "scored", "rescored")
_OPEN = 2  # the newest days may still grow, or miss what a killed run had entered


def path(product: str, day: str) -> str:
    """Path of a day's digest in the lake's files."""
    return f"{FOLDER}/{product}/{day}.json"


def days(lake: Lake, product: str) -> pl.DataFrame:
    """One row a UTC day with entries: day, number and head of its last entry, first, entries; by kind entries, rows."""
    rows = lake.scan("ledger", product=product).select("number", "kind", "rows", "entry", "at")
    of_kind = {kind: pl.col("kind").cast(pl.String) == kind for kind in KINDS}
    return (
        rows.group_by(day=pl.col("at").dt.date().cast(pl.String))
        .agg(
            first=pl.col("number").min(),
            number=pl.col("number").max(),
            head=pl.col("entry").sort_by("number").last(),
            at=pl.col("at").sort_by("number").last(),
            entries=pl.len(),
            **{f"{kind}_entries": chosen.sum() for kind, chosen in of_kind.items()},
            **{f"{kind}_rows": pl.col("rows").filter(chosen).sum() for kind, chosen in of_kind.items()},
        )
        .sort("day")
        .collect()
    )


def of(product: str, row: dict[str, Any]) -> dict[str, Any]:
    """Digest of one row of ``days``."""
    sums = {kind: {"entries": row[f"{kind}_entries"], "rows": row[f"{kind}_rows"]} for kind in KINDS}
    named = {name: row[name] for name in ("day", "head", "number", "first", "entries")}
    return {"product": product, **named, "sums": sums}


def write(lake: Lake, product: str) -> int:
    """Write the digest of each day that has none or another; their number. Older days' files stay as they are."""
    there, written = set(lake.files.list(f"{FOLDER}/{product}")), 0
    told = days(lake, product).to_dicts()
    for position, row in enumerate(told):
        name = path(product, row["day"])
        payload = json.dumps(of(product, row), indent=1).encode()
        is_open = position >= len(told) - _OPEN
        if name not in there or (is_open and lake.files.get(name) != payload):
            lake.files.put(name, payload)
            written += 1
    return written


def read(lake: Lake, product: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Path and content of every digest of a product, oldest first."""
    for name in lake.files.list(f"{FOLDER}/{product}"):
        yield name, json.loads(lake.files.get(name))
