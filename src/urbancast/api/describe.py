"""What a product is and how it stands, as the products list and the status strip show it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from urbancast import products as catalogue
from urbancast.api.asking import ask, times
from urbancast.api.proof import licences
from urbancast.api.snapshot import View, World
from urbancast.core.errors import UrbancastError
from urbancast.core.time import DAY, HOUR, floor, iso
from urbancast.monitoring.freshness import of_forecast

BOX_DEG = 0.1


def product(view: View, wall: datetime) -> dict[str, Any]:
    """Return one product of the products list."""
    promise = view.product
    lon, lat = promise.centre
    bounds = view.atlas.bounds if view.atlas else (lon - BOX_DEG, lat - BOX_DEG, lon + BOX_DEG, lat + BOX_DEG)
    return {
        "id": promise.id,
        "city": promise.city,
        "country": promise.country,
        "verb": promise.verb,
        "question": promise.question,
        "unit": promise.measure.unit,
        "grain": promise.grain,
        "horizon_hours": promise.horizon / DAY * 24,
        "lenses": promise.lenses,
        "tz": promise.tz,
        "place_kind": promise.place_kind,
        "place_word": promise.place_word,
        "measures": [
            {
                "id": each.id,
                "label": each.label,
                "unit": each.unit,
                "kind": each.kind,
                "sparse": each.sparse,
                "clustered": each.clustered,
                "signed": each.signed,
                "derived_from": each.derived_from,
            }
            for each in promise.measures
        ],
        "centre": [lon, lat],
        "bounds": [round(edge, 4) for edge in bounds],
        "schematic": view.atlas.is_schematic if view.atlas else None,
        "provenance": view.provenance,
        "simulated": view.is_simulated,
        **progress(view),
        "serving": serving(view, wall),
        "freshness": freshness(view, wall),
        "licences": licences(view),
        "historical": view.is_historical,
    }


def progress(view: View) -> dict[str, Any]:
    """State, share done of the running step, and the step in words."""
    return {"state": view.progress.state, "progress": view.progress.share, "step": view.progress.step}


def serving(view: View, wall: datetime) -> dict[str, Any] | None:
    """What is served: origin, releases, candidates, times; None before the first forecast."""
    if view.snapshot is None or view.atlas is None:
        return None
    snapshot = view.snapshot
    return {
        "origin": iso(snapshot.origin),
        "releases": {name: grid.release for name, grid in snapshot.grids.items()},
        "candidate": {name: grid.candidate for name, grid in snapshot.grids.items()},
        "is_baseline": {name: grid.is_baseline for name, grid in snapshot.grids.items()},
        "data_to": iso(snapshot.data_to) if snapshot.data_to else None,
        "issued_at": iso(snapshot.issued_at),
        "tag": snapshot.tag,
        "clock": iso(floor(view.moment(wall), HOUR)),
        **{f"{name}_time" if name in ("first", "last") else name: time for name, time in _times(view, wall).items()},
    }


def _times(view: View, wall: datetime) -> dict[str, str]:
    return times(ask(view, None, wall))


def freshness(view: View, wall: datetime) -> dict[str, Any]:
    """Age of the served origin; late when an issue is overdue. A source that has ended is never late."""
    step = issue_step(view.product.id)
    if view.snapshot is None:
        return {"age_hours": None, "expected_hours": step / HOUR, "is_late": False}
    age = of_forecast(view.snapshot.origin, issue_step=step, now=view.moment(wall))
    return {"age_hours": age.age_hours, "expected_hours": age.expected_hours, "is_late": age.is_late}


@cache
def issue_step(product: str) -> timedelta:
    """How far apart a product's forecasts are issued, by its recipe; a day where it has none to read."""
    try:
        return catalogue.recipe(product).issue_step
    except (UrbancastError, ImportError):
        return DAY


def ages(view: View, wall: datetime) -> tuple[float, float] | None:
    """Seconds since the served origin and since its issue, by the wall clock; None before the first forecast."""
    if view.snapshot is None:
        return None
    return (wall - view.snapshot.origin).total_seconds(), (wall - view.snapshot.issued_at).total_seconds()


def status(world: World, wall: datetime) -> dict[str, Any]:
    """Return the strip: each product's state and freshness, open alerts, the newest look at the lake."""
    products = [
        {
            "id": name,
            "city": view.product.city,
            "verb": view.product.verb,
            "provenance": view.provenance,
            "simulated": view.is_simulated,
            **progress(view),
            "can_answer": view.snapshot is not None,
            "origin": iso(view.snapshot.origin) if view.snapshot else None,
            "freshness": freshness(view, wall),
        }
        for name, view in world.views.items()
    ]
    return {
        "products": products,
        "ready": sum(view.snapshot is not None for view in world.views.values()),
        "alerts": [
            {
                **{name: alert[name] for name in ("product", "alert", "severity", "message", "action")},
                "since": iso(alert["since"]),
            }
            for alert in world.alerts
        ],
        "looked_at": iso(world.looked_at) if world.looked_at else None,
        "trouble": world.trouble,
        "simulated": any(view.is_simulated for view in world.views.values()),
    }
