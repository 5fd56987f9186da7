"""Files that a portal publishes one a period: which of them a window asks for and a portal may have by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Source, Window
from urbancast.core.time import UTC_US, local_day, local_midnight

EVERY = "every"  # key of a source's query: ``quarter``
FILES = "files"  # key of a source's query: names of its files, for tables that come in several


@dataclass(frozen=True, kw_only=True)
class Named:
    """One file of a source by its name at the portal; ``window``: what it holds, None for a table without time."""

    name: str
    window: Window | None = None


def files(source: Source, window: Window | None, now: datetime) -> list[Named]:
    """Files of a source that a window asks for; of a source by period only those declared to be published."""
    if EVERY in source.query:
        if source.query[EVERY] != "quarter" or source.publication is None or window is None:
            raise ContractError(
                f"{source.name}.query.{EVERY}: expected 'quarter', a publication rule and a window, found "
                f"{source.query[EVERY]!r}; complete the source in the recipe"
            )
        quarters = list(_quarters(source, window))
        return [quarter for quarter in quarters if _published_at(source, quarter) <= now]
    return [Named(name=name) for name in source.query.get(FILES, (source.dataset,))]


def _quarters(source: Source, window: Window) -> Iterator[Named]:
    tz = str(source.query.get("tz", "UTC"))
    first = local_day(window.start, tz)
    start = date(first.year, first.month - (first.month - 1) % 3, 1)
    while local_midnight(start, tz) < window.end:
        after = (start + timedelta(days=95)).replace(day=1)
        name = f"{source.dataset}-{start.year}-Q{(start.month + 2) // 3}"
        yield Named(name=name, window=Window(start=local_midnight(start, tz), end=local_midnight(after, tz)))
        start = after


def _published_at(source: Source, quarter: Named) -> datetime:
    """When the last hour of a quarter is declared to be available."""
    assert source.publication is not None  # noqa: S101 - checked by the caller
    assert quarter.window is not None  # noqa: S101
    last = quarter.window.end - timedelta(hours=1)
    frame = pl.select(at=source.publication(pl.lit(last, dtype=UTC_US)).cast(UTC_US))
    found: datetime = frame["at"][0]
    return found.astimezone(UTC)
