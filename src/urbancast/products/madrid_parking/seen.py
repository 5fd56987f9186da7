"""Which rows came before: of a ticket without a number, what it says is its identity, told by a hash, day by day."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

_Hashes = defaultdict[int, list[pl.Series]]


class Seen:
    """Hashes of rows by local day, apart for the fetch that is being read and for those before it."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._before: _Hashes = defaultdict(list)
        self._now: _Hashes = defaultdict(list)

    def next_fetch(self) -> None:
        """What was read so far came before."""
        for day, parts in self._now.items():
            self._before[day] += parts
        self._now = defaultdict(list)

    def sort(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Flags ``is_distinct`` (first of its kind in this fetch) and ``is_new`` (in any); ``rows``: hash and day."""
        now, before = (self._of(rows["day"], table) for table in (self._now, self._before))
        is_distinct = rows["hash"].is_first_distinct() & ~rows["hash"].is_in(now.implode())
        is_new = is_distinct & ~rows["hash"].is_in(before.implode()) if before.len() else is_distinct
        for (day,), part in rows.filter(is_distinct).partition_by("day", as_dict=True).items():
            self._now[day].append(part["hash"])
        return pl.DataFrame({"is_distinct": is_distinct, "is_new": is_new})

    @staticmethod
    def _of(days: pl.Series, table: _Hashes) -> pl.Series:
        known = [part for day in days.unique() for part in table.get(day, [])]
        return pl.concat(known) if known else pl.Series(dtype=pl.UInt64)
