"""What a zone answer of a product with occupancy says in addition: the paid forecast as an answer about free spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from urbancast.api import occupancy
from urbancast.api.grid import AT
from urbancast.api.occupancy import Paid

if TYPE_CHECKING:
    from urbancast.api.asking import Asked


def told(
    asked: Asked, row: int, col: int, *, point: tuple[float, float] | None, prior: Mapping[str, float]
) -> dict[str, Any] | None:
    """The ``occupancy`` block for one place and interval; None where the place has no known spaces."""
    promise = asked.view.product.occupancy
    attributes = asked.atlas.attributes[row]
    spaces: Mapping[str, float] = attributes.get("capacity", {})
    if promise is None or not spaces:
        return None
    parts = tuple(
        _paid(asked, part.measure, row, col, spaces[part.measure])
        for part in promise.parts
        if spaces.get(part.measure, 0) > 0
    )
    if not parts:
        return None
    capacity = max(spaces.get(promise.total, 0.0), sum(part.capacity for part in parts))
    question = occupancy.Asked(
        total=_paid(asked, promise.total, row, col, capacity),
        parts=parts,
        at_local=asked.snapshot.axis.time(col).astimezone(ZoneInfo(asked.view.product.tz)),
        busier_than=_busier_than(asked, promise.total, row, col),
        streets=asked.atlas.streets,
        row=row,
        point=point,
        prior=prior,
    )
    return occupancy.tell(promise, question, attributes.get("valid_from"))


def _paid(asked: Asked, measure: str, row: int, col: int, capacity: float) -> Paid:
    values = np.nan_to_num(asked.snapshot.grids[measure].values[row, col].astype(np.float64))
    return Paid(measure=measure, mean=float(values[0]), quantiles=values[1:], capacity=float(capacity))


def _busier_than(asked: Asked, measure: str, row: int, col: int) -> float:
    """Share of the hours now forecast for the place whose mean is below this one's."""
    values = asked.snapshot.grids[measure].values[row, asked.snapshot.axis.first :, AT["mean"]]
    known = values[np.isfinite(values)]
    here = asked.snapshot.grids[measure].values[row, col, AT["mean"]]
    return float((known < here).mean()) if len(known) else 0.0
