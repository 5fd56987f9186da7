"""Which rows came before: of a ticket without a number, what it says is its identity, told by a hash, day by day."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
_ByDay = defaultdict[int, list[Hashes]]


class Seen:
    """Hashes of rows by local day, apart for the fetch that is being read and for those before it."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._before: _ByDay = defaultdict(list)
        self._now: _ByDay = defaultdict(list)

    def next_fetch(self) -> None:
        """What was read so far came before."""
        for day, parts in self._now.items():
            self._before[day] += parts
        self._now = defaultdict(list)

    def sort(self, hashes: Hashes, days: Ints) -> tuple[Flags, Flags]:
        """Which rows are the first of their kind in this fetch, and which of those in any; shape (n,) each."""
        order = np.argsort(days, kind="stable")
        told, first = np.unique(days[order], return_index=True)
        in_order = np.sort(hashes)
        is_again = in_order[1:] == in_order[:-1]
        kinds = np.concatenate([in_order[:1], in_order[1:][~is_again]])
        is_distinct = ~_are_in(hashes, _shared(kinds, _of(told, self._now)))
        is_distinct[_later_ones(hashes, in_order[1:][is_again])] = False
        is_new = is_distinct & ~_are_in(hashes, _shared(kinds, _of(told, self._before)))
        for day, rows in zip(told.tolist(), np.split(order, first)[1:], strict=True):
            self._now[day].append(hashes[rows[is_distinct[rows]]])
        return is_distinct, is_new


def _of(days: Ints, table: _ByDay) -> Hashes:
    known = [part for day in days.tolist() for part in table.get(day, [])]
    return np.concatenate(known) if known else np.zeros(0, dtype=np.uint64)


def _shared(kinds: Hashes, known: Hashes) -> Hashes:
    """Those of the kinds, each there once, that are known; in order."""
    if not len(known):
        return known
    both = np.sort(np.concatenate([kinds, known]))
    return np.asarray(both[1:][both[1:] == both[:-1]])


def _later_ones(hashes: Hashes, twice: Hashes) -> Ints:
    """Positions of rows that equal an earlier row; ``twice``: the hashes of which there are several, in order."""
    rows = np.flatnonzero(_are_in(hashes, twice))
    is_first = np.zeros(len(rows), dtype=bool)
    is_first[np.unique(hashes[rows], return_index=True)[1]] = True
    return rows[~is_first]


def _are_in(hashes: Hashes, chosen: Hashes) -> Flags:
    """Whether each hash is in a choice that is in order."""
    if not len(chosen):
        return np.zeros(len(hashes), dtype=bool)
    at = np.minimum(np.searchsorted(chosen, hashes), len(chosen) - 1)
    return np.asarray(chosen[at] == hashes)
