"""Paid seconds by day, neighbourhood, colour and hour: exact whole numbers, one pass over any number of tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from urbancast.products.madrid_parking.regulated import HOUR_S, hours_of, next_regulated

Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
DAY_S, HOURS = 86_400, 24
COLOURS = ("green", "blue", "other")
LONGEST_S = 12 * HOUR_S  # regulated time of the longest day
FIRST_DAY, LAST_DAY = 18_262, 47_482  # 2020-01-01 and 2100-01-01


@dataclass(frozen=True)
class Spans:
    """Tickets as numbers: local start and end (seconds since 1970 on the wall clock), shape (n,)."""

    start: Ints
    end: Ints

    def at(self, chosen: Flags | Ints) -> Spans:
        """Return the chosen ones."""
        return Spans(self.start[chosen], self.end[chosen])

    @cached_property
    def day(self) -> Ints:
        """Local day on which each begins, since 1970."""
        return self.start // DAY_S

    @cached_property
    def last_day(self) -> Ints:
        """Local day on which each ends, since 1970."""
        return self.end // DAY_S


@dataclass(frozen=True)
class Pieces:
    """Regulated parts of tickets, at most two each: local day, seconds of the day, and which ticket."""

    ticket: Ints
    day: Ints
    start: Ints
    end: Ints


def pieces(spans: Spans) -> Pieces:
    """Parts of [start, end) in regulated time: of the first day, and of the last where that is another."""
    first, last = spans.day, spans.last_day
    split = np.flatnonzero(last > first)
    to_s = spans.end - last * DAY_S
    until = to_s.copy()
    until[split] = DAY_S
    ticket = np.concatenate([np.arange(len(first)), split])
    day = np.concatenate([first, last[split]])
    start = np.concatenate([spans.start - first * DAY_S, np.zeros(len(split), dtype=np.int64)])
    end = np.concatenate([until, to_s[split]])
    opens, closes = hours_of(day)
    start, end = np.maximum(start, opens), np.minimum(end, closes)
    kept = end > start
    return Pieces(ticket[kept], day[kept], start[kept], end[kept])


def is_over_days(spans: Spans) -> Flags:
    """Tickets that reach beyond the next regulated day, or hold more regulated time than the longest day has."""
    is_over = np.zeros(len(spans.start), dtype=bool)
    rows = np.flatnonzero(spans.last_day > spans.day)  # no other can hold more than its day
    some = spans.at(rows)
    found = pieces(some)
    length = np.bincount(found.ticket, weights=found.end - found.start, minlength=len(rows))
    is_over[rows] = (some.last_day > next_regulated(some.day)) | (length > LONGEST_S)
    return is_over


@dataclass
class Tally:
    """Paid seconds of one version of what was sent; by day an array of shape (places, colours, hours)."""

    places: int
    by_day: dict[int, Ints] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)
    ticket_s: int = 0

    def add(self, spans: Spans, place: Ints, colour: Ints) -> None:
        """Add tickets of these places and colours (numbers); their days count as covered."""
        if not len(spans.start):
            return
        self.covered.update(_told(spans.day)[0].tolist())
        found = pieces(spans)
        self.ticket_s += int((found.end - found.start).sum())
        days, at = _told(found.day)
        row = (at * self.places + place[found.ticket]) * len(COLOURS) + colour[found.ticket]
        size = len(days) * self.places * len(COLOURS) * HOURS
        begun, ended = row * HOURS + found.start // HOUR_S, row * HOURS + found.end // HOUR_S
        part = _summed(begun, HOUR_S - found.start % HOUR_S, size) - _summed(ended, HOUR_S - found.end % HOUR_S, size)
        running = np.bincount(begun, minlength=size) - np.bincount(ended, minlength=size)
        shape = (len(days), self.places, len(COLOURS), HOURS)
        running = running.reshape(shape)
        # An hour holds what began or ended in it, and the whole of what runs on from the hours before.
        paid = part.reshape(shape) + HOUR_S * (np.cumsum(running, axis=3) - running)
        for i, day in enumerate(days.tolist()):
            known = self.by_day.get(day)
            self.by_day[day] = paid[i] if known is None else known + paid[i]

    @property
    def paid_s(self) -> int:
        """Paid seconds of all days."""
        return int(sum(int(paid.sum()) for paid in self.by_day.values()))

    def of(self, day: int) -> Ints:
        """Paid seconds of a covered day; zeros where none of its tickets touches regulated time."""
        none = np.zeros((self.places, len(COLOURS), HOURS), dtype=np.int64)
        return self.by_day.get(day, none)


def _told(days: Ints) -> tuple[Ints, Ints]:
    """Days in order, and where in them each row's is."""
    if not len(days):
        return days, days
    low = int(days.min())
    is_told = np.zeros(int(days.max()) - low + 1, dtype=bool)
    is_told[days - low] = True
    return np.flatnonzero(is_told) + low, (np.cumsum(is_told) - 1)[days - low]


def _summed(keys: Ints, seconds: Ints, size: int) -> Ints:
    """Sums of whole seconds by key: exact, for they stay far below 2**53."""
    return np.asarray(np.bincount(keys, weights=seconds, minlength=size).astype(np.int64))
