"""Drift report: a product's daily series beside the weeks before, as Evidently's page among the lake's files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.core.time import DAY
from urbancast.flows import signals
from urbancast.flows.job import Job, step
from urbancast.flows.signals import Window
from urbancast.monitoring import draws, drift, evidently
from urbancast.monitoring.reference import Floats, middle, on_days

FLOW = "report"
FORTNIGHT = 14


def path_of(product: str, day: date) -> str:
    """Where the page of a day lies among the lake's files."""
    return f"reports/{product}/{day.isoformat()}/drift.html"


def run(job: Job) -> str:
    """Write the page of the newest whole day; its path. A page that is there is written anew."""
    run_id = job.run_id(FLOW)
    with step(job, run_id, FLOW, "drift") as facts:
        days = signals.days(job, None)
        if not days:
            raise NotReadyError(f"{job.product.id}: expected a day of data, found none; run `urbancast pull` first")
        window = signals.read(job, days[-1] - signals.SPAN - FORTNIGHT * DAY, days[-1] + DAY)
        table = daily(window)
        current = table.tail(FORTNIGHT)
        reference = table.head(-FORTNIGHT).tail(drift.HISTORY)
        path = path_of(job.product.id, days[-1])
        job.lake.files.put(path, evidently.page(reference.drop("day"), current.drop("day")))
        facts.update(path=path, days=reference.height + current.height, columns=table.width - 1)
    return path


def daily(window: Window) -> pl.DataFrame:
    """A row a day: weather as a mean, each measure over what is usual, its scatter among places, its residuals."""
    columns: dict[str, Floats] = {}
    for (variable,), part in window.weather.group_by("variable", maintain_order=True):
        columns[str(variable)] = on_days(part, window.days, "value")
    for measure in window.job.product.modelled:
        found = _of_draws(window.trips[measure.id]) if measure.draws else _of_grid(window, measure.id)
        columns.update({f"{measure.id} {name}": values for name, values in found.items()})
    for (name, kind, signal), values in window.series.items():
        columns[f"{name} {kind} {signal}"] = values
    table = pl.DataFrame({"day": list(window.days), **columns})
    return table.with_columns(pl.selectors.float().fill_nan(None))


def _of_grid(window: Window, measure: str) -> Mapping[str, Floats]:
    grid = window.grids[measure]
    one = next(each for each in window.job.product.measures if each.id == measure)
    total = np.nansum(grid.values, axis=(0, 2))
    if one.signed:
        return {"total": total}
    logs, names = drift.units(grid, is_sparse=one.sparse, groups=window.groups)
    if not names:
        return {"total": total}
    level = middle(logs, axis=0)
    scatter = middle(np.abs(logs - level[None]), axis=0)
    return {"total": total, "over usual": np.exp(level), "scatter among places": scatter}


def _of_draws(trips: draws.Trips) -> Mapping[str, Floats]:
    return {"over usual": np.exp(middle(trips.logs, axis=0)), "volume": trips.volume}
