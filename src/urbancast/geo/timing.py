"""How long a path takes: link times re-read hour by hour as it is driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from urbancast.core.errors import ContractError
from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints, Network

_MOST_HOURS = 48  # longer trips keep the last hour's times


@dataclass(frozen=True, eq=False, kw_only=True)
class Times:
    """Seconds after each of k departures at which each of L links is entered, spent on it, and in all.

    ``depart``: local instants; ``enter_s``, ``link_s``: shape (k, L); ``seconds``: shape (k,).
    """

    depart: tuple[datetime, ...]
    enter_s: Floats
    link_s: Floats
    seconds: Floats


def slot(local: datetime) -> int:
    """Row of the times at a local instant: day type × 24 + hour."""
    return {5: 1, 6: 2}.get(local.weekday(), 0) * 24 + local.hour


def hours_after(depart_local: datetime, count: int = 24) -> tuple[datetime, ...]:
    """``count`` departures an hour apart from ``depart_local`` on, each on the local clock; hours pass as in UTC."""
    start = _checked(depart_local).astimezone(UTC)
    return tuple((start + timedelta(hours=i)).astimezone(depart_local.tzinfo) for i in range(count))


def read(network: Network, links: Ints, part: Floats, departs: Sequence[datetime]) -> Times:
    """Times of driving ``part`` (0 … 1) of each link in turn; a link takes what it takes in the hour it is entered."""
    table = network.seconds[:, :, links].reshape(-1, len(links)).astype(np.float64) * part
    starts = [_checked(depart).astimezone(UTC) for depart in departs]
    left_s = np.array([3600.0 - (d.minute * 60 + d.second + d.microsecond / 1e6) for d in departs])
    link_s = table[[slot(depart) for depart in departs]]
    enter_s = _entries(link_s)
    for hour in range(_MOST_HOURS):
        is_later = enter_s >= (left_s + 3600.0 * hour)[:, None]
        if not is_later.any():
            break
        passed = [start + timedelta(seconds=float(s) + 3600.0 * hour) for start, s in zip(starts, left_s, strict=True)]
        rows = [slot(instant.astimezone(d.tzinfo)) for instant, d in zip(passed, departs, strict=True)]
        link_s = np.where(is_later, table[rows], link_s)
        enter_s = _entries(link_s)
    return Times(depart=tuple(departs), enter_s=enter_s, link_s=link_s, seconds=link_s.sum(axis=1))


def _entries(link_s: Floats) -> Floats:
    before = np.cumsum(link_s, axis=1)
    return np.concatenate([np.zeros((len(link_s), 1)), before[:, :-1]], axis=1)


def _checked(local: datetime) -> datetime:
    if local.tzinfo is None:
        raise ContractError(f"depart: expected a local time with its zone, found {local.isoformat()}; add the tz")
    return local
