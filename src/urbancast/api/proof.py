"""What stands behind an answer: how often its range held, its skill, its origin, its licences."""

from __future__ import annotations

from typing import Any

from urbancast.api import record, sentences
from urbancast.api.asking import Asked
from urbancast.api.grid import instant_of
from urbancast.api.snapshot import View
from urbancast.core.time import iso


def record_of(asked: Asked, row: int, hour: int) -> dict[str, Any]:
    """How often the 80 % range held at this place and local hour; too early below 30, with the city's beside."""
    own = asked.view.records.get(asked.grid.measure.id)
    share = record.pick(own.by_place, row, hour) if own else None
    city = record.pick(own.by_city, 0, hour) if own else None
    so_far = record.most(own.by_place, row, hour) if own else 0
    counted = "trip" if asked.grid.measure.draws else asked.view.product.grain
    words = sentences.held(share, city, so_far, counted)
    empty = {"kind": None, "held": None, "plus_minus": None, "n": so_far}
    state = "too_early" if share is None else "held"
    return {"state": state, **(share or empty), "local_hour": hour, "city": city, "sentence": words}


def skill(asked: Asked) -> dict[str, Any] | None:
    """Skill of what is served over the simple rule, in the whole city; None while the rule itself serves."""
    own = asked.view.records.get(asked.grid.measure.id)
    return None if own is None or asked.grid.is_baseline else own.skill()


def provenance(asked: Asked, col: int) -> dict[str, Any]:
    """Where the numbers of a column come from, by whom and under which terms."""
    grid, snapshot = asked.grid, asked.snapshot
    issued = grid.issued_at or snapshot.issued_at
    origin = int(grid.origins[col])
    return {
        "origin": iso(instant_of(origin)) if origin >= 0 else iso(snapshot.origin),
        "issued_at": iso(issued),
        "release": grid.releases[col] or grid.release,
        "candidate": grid.candidate,
        "data_to": iso(snapshot.data_to) if snapshot.data_to else None,
        "licences": licences(asked.view),
        "provenance": asked.view.provenance,
        "simulated": asked.view.is_simulated,
    }


def licences(view: View) -> list[dict[str, str]]:
    """Terms of the product's sources."""
    return [
        {"source": each.source, "name": each.name, "url": each.url, "attribution": each.attribution}
        for each in view.product.licences
    ]
