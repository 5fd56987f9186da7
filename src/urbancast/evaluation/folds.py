"""Rolling-origin cuts: when to refit, and which origins each fit serves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from urbancast.core.product import Folds
from urbancast.core.time import as_utc


def cuts(until: datetime, folds: Folds) -> list[datetime]:
    """The last ``count`` cuts before ``until``, ``every`` apart, oldest first; each serves until the next."""
    until = as_utc(until)
    return [until - folds.every * back for back in range(folds.count, 0, -1)]


def served(until: datetime, folds: Folds, issue_step: timedelta) -> dict[datetime, list[datetime]]:
    """The folds' cuts before ``until``, each with the origins it serves until the next cut."""
    starts = cuts(until, folds)
    ends = [*starts[1:], as_utc(until)]
    return {cut: origins(cut, end, folds.step or issue_step) for cut, end in zip(starts, ends, strict=True)}


def origins(cut: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Origins of [cut, end) every ``step``: the cut is the first."""
    out, origin = [], as_utc(cut)
    while origin < as_utc(end):
        out.append(origin)
        origin += step
    return out


def by_cut(origins: Sequence[datetime], refit: timedelta) -> dict[datetime, list[datetime]]:
    """Group given origins into folds: a fit is made at the first and serves origins up to ``refit`` later."""
    grouped: dict[datetime, list[datetime]] = {}
    cut: datetime | None = None
    for origin in sorted(as_utc(origin) for origin in origins):
        if cut is None or origin - cut >= refit:
            cut = origin
            grouped[cut] = []
        grouped[cut].append(origin)
    return grouped
