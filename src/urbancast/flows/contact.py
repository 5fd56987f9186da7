"""Contact with the sources, read off the runs: which was asked to its end when, and what waits to be observed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from urbancast.lake import runs
from urbancast.lake.store import Lake

FLOW = "pull"


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """One fetch that ended well: the moment each source was asked for, and what came of it."""

    run: str
    asked: Mapping[str, datetime]
    new_pages: int
    without: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Contact:
    """By source: ``asked``, the newest moment it was asked to its end; ``observed``, the newest that was observed too.

    ``unobserved``: fetches since, the oldest first.
    """

    asked: Mapping[str, datetime]
    observed: Mapping[str, datetime]
    unobserved: tuple[Fetch, ...]


def of(lake: Lake, product: str, sources: Collection[str]) -> Contact:
    """Contact of a product with its sources."""
    asked: dict[str, datetime] = {}
    observed: dict[str, datetime] = {}
    waiting: dict[str, Fetch] = {}
    for row, facts in _done(lake, product):
        moments = _moments(facts, sources)
        if row["step"] == "fetch":
            _newest(asked, moments)
            without, pages = facts.get("without", {}), facts.get("new_pages", 0)
            waiting[row["run"]] = Fetch(run=row["run"], asked=moments, new_pages=pages, without=without)
        else:
            _newest(observed, moments)
            waiting.pop(row["run"], None)
    return Contact(asked=asked, observed=observed, unobserved=tuple(waiting.values()))


def _done(lake: Lake, product: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    is_ours = (pl.col("flow") == FLOW) & (pl.col("state") == "done") & pl.col("step").is_in(["fetch", "complete"])
    for row in runs.read(lake, product).filter(is_ours).iter_rows(named=True):
        yield row, json.loads(row["facts"])


def _moments(facts: Mapping[str, Any], sources: Collection[str]) -> dict[str, datetime]:
    """Moments by source; a row of an earlier version says one for all of them, or, of a fetch, none."""
    if "asked" in facts:
        return {name: datetime.fromisoformat(moment) for name, moment in facts["asked"].items()}
    end = facts.get("window_end")
    return dict.fromkeys(sources, datetime.fromisoformat(end)) if end else {}


def _newest(known: dict[str, datetime], moments: Mapping[str, datetime]) -> None:
    for name, moment in moments.items():
        known[name] = max(moment, known.get(name, moment))
