"""What every counting portal owes: as many rows as it claims, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from itertools import chain, pairwise
from zoneinfo import ZoneInfo

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Source, Window
from urbancast.core.time import DAY, local_day, local_midnight
from urbancast.portals.errors import LyingError
from urbancast.portals.fetched import Fetched

TRIES = 2  # the data may move while it is being read, once


def twice(pull: Callable[[], list[Fetched]]) -> Iterator[Fetched]:
    """Pages of one verified pull, tried once more when the first contradicts itself."""
    for left in reversed(range(TRIES)):
        try:
            pages = pull()
        except LyingError:
            if left == 0:
                raise
            continue
        yield from pages
        return


def check_count(source: Source, *, before: int, after: int, received: int) -> None:
    """LyingError unless the portal's count stood still and all of its rows came."""
    if before == after == received:
        return
    raise LyingError(
        f"{source.name}: expected {after} rows ({before} before reading), as {source.portal} counts them, "
        f"found {received}; nothing is kept of this pull, try again later",
    )


def check_unique(source: Source, pages: list[pl.Series]) -> None:
    """LyingError when a row id comes twice: pages that repeat or overlap."""
    ids = pl.Series(chain.from_iterable(page.to_list() for page in pages), dtype=pl.String)
    again = ids.len() - ids.n_unique()
    if again:
        raise LyingError(
            f"{source.name}: expected {ids.len()} different rows over {len(pages)} pages, found {again} twice; "
            "pages repeat or overlap, nothing is kept of this pull, try again later",
        )


def pieces(window: Window, chunk: timedelta, tz: str = "UTC") -> list[Window]:
    """``window`` cut at local midnights into pieces of at most ``chunk`` whole days: [) beside each other."""
    days = max(chunk // DAY, 1)
    cuts, day = [window.start], local_day(window.start, tz) + days * DAY
    while (cut := local_midnight(day, tz)) < window.end:
        cuts.append(cut)
        day += days * DAY
    return [Window(start=start, end=end) for start, end in pairwise([*cuts, window.end])]


def each_piece(
    source: Source, window: Window | None, pull: Callable[[Window | None], list[Fetched]], tz: str = "UTC"
) -> Iterator[Fetched]:
    """Pages of a window, a piece of ``source.chunk`` at a time, each verified before it is given on."""
    for piece in [None] if window is None else pieces(window, source.chunk, tz):
        yield from twice(partial(pull, piece))


def whole_local_days(window: Window, tz: str) -> tuple[datetime, datetime]:
    """Naive local midnights around ``window``: wider, never narrower, and free of doubled hours."""
    zone = ZoneInfo(tz)
    first = window.start.astimezone(zone).date()
    last = (window.end.astimezone(zone) - timedelta(microseconds=1)).date()
    return datetime.combine(first, time()), datetime.combine(last + timedelta(days=1), time())


def text_setting(source: Source, name: str, default: str | None = None) -> str:
    """Return ``source.query[name]`` as text; ContractError when it is missing and has no default."""
    value = source.query.get(name, default)
    if value is None:
        raise ContractError(
            f"{source.name}.query: expected {name!r}, found {', '.join(source.query) or 'nothing'}; "
            f"add it to the source in the recipe",
        )
    return str(value)
