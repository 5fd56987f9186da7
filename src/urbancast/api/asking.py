"""From a question to a view, a measure's grid and a column of it; refusals are named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from urbancast.api.atlas import Atlas
from urbancast.api.grid import Grid
from urbancast.api.pairs import Book
from urbancast.api.snapshot import Snapshot, View
from urbancast.core.errors import NotReadyError, QueryError
from urbancast.core.time import floor, iso


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A resolved question: a ready view, a measure's grid, and the moment it is asked.

    ``listing``: what the grid's rows are for: the places of the atlas, or the pairs between them.
    """

    view: View
    snapshot: Snapshot
    atlas: Atlas
    grid: Grid
    now: datetime

    @property
    def listing(self) -> Atlas | Book:
        """Names and ids of the grid's rows."""
        return self.snapshot.book or self.atlas


@dataclass(frozen=True, kw_only=True)
class Found:
    """Row of a place; ``distance_m`` where it is only the nearest one; ``point``: lat and lon where one was named."""

    row: int
    distance_m: float | None = None
    point: tuple[float, float] | None = None


def ask(view: View, measure: str | None, wall: datetime) -> Asked:
    """Question to a view; refuses an unknown measure, and a product with nothing to serve yet."""
    product = view.product
    name = measure or product.measure.id
    known = [each.id for each in product.measures]
    if name not in known:
        raise QueryError("unknown-measure", expected=f"one of {', '.join(known)}", found=repr(name[:80]),
                         action="name one of them, or none for the first", status=404)  # fmt: skip
    if view.snapshot is None or view.atlas is None:
        raise NotReadyError(f"{product.id} has no forecast yet (state: {view.progress.state}); try again in a moment")
    grid = view.snapshot.grids[name]
    return Asked(view=view, snapshot=view.snapshot, atlas=view.atlas, grid=grid, now=view.moment(wall))


def column(asked: Asked, at: datetime | None) -> int:
    """Column of the interval that holds ``at`` (default: now); refuses times outside the record and horizon."""
    axis = asked.snapshot.axis
    moment = asked.now if at is None else at
    found = present(asked) if at is None else axis.locate(moment)
    if 0 <= found < len(axis.times):
        return found
    first, last = iso(axis.time(0)), iso(axis.time(len(axis.times) - 1))
    is_late = found >= 0
    if is_late and asked.view.is_historical:
        raise QueryError(
            "historical",
            expected=f"a time from {first} to {last}: the source has ended, its forecasts can only be replayed",
            found=iso(moment),
            action=f"ask for a time up to {last}",
        )
    raise QueryError(
        "beyond-horizon" if is_late else "before-record",
        expected=f"a time from {first} to {last}",
        found=iso(moment),
        action=f"ask for a time up to {last}, the last one forecast" if is_late else f"ask for a time from {first} on",
    )


def present(asked: Asked) -> int:
    """Column of now; of the first hour forecast where now came before it and nothing was ever forecast for now."""
    axis = asked.snapshot.axis
    found = axis.locate(asked.now)
    is_mute = 0 <= found < axis.first and bool(np.isnan(asked.grid.values[:, found, 0]).all())
    return axis.first if is_mute else found


def row_of(asked: Asked, place: str) -> int:
    """Row of a place by its id."""
    book, ids = asked.snapshot.book, len(asked.atlas.ids)
    row = asked.atlas.rows.get(place) if book is None else book.find(place)
    if row is None:
        expected = (
            f"the id of one of {ids} places" if book is None else f"two ids of {ids} places, from and to, as in a>b"
        )
        raise QueryError("unknown-place", expected=expected, found=repr(place[:80]),
                         action="GET /v1/products/{product}/places lists them", status=404)  # fmt: skip
    return row


def times(asked: Asked) -> dict[str, str]:
    """First and last forecast times, the time shown when none is asked for, and the first past time kept."""
    axis = asked.snapshot.axis
    shown = present(asked)
    first = min(axis.first, len(axis.times) - 1)
    return {
        "first": iso(axis.time(first)),
        "last": iso(axis.time(len(axis.times) - 1)),
        "now": iso(axis.time(shown) if 0 <= shown < len(axis.times) else floor(asked.now, axis.step)),
        "past_first": iso(axis.time(0)),
    }
