"""One forecaster by reach: what is known an hour before is used otherwise than what is known a week before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.models.blend import module
from urbancast.models.fitted import Point

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ReachPoint:
    """``points`` by reach band, whose upper limits are ``edges_h``, the last open; ``models`` their modules' names."""

    edges_h: tuple[float, ...]
    models: tuple[str, ...]
    points: tuple[Point, ...]

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast, never negative; NaN where the band's forecaster cannot say."""
        band = bands(frame, self.edges_h)
        out = np.full(frame.height, np.nan)
        for i, point in enumerate(self.points):
            here = np.flatnonzero(band == i)
            if len(here):
                out[here] = point.predict(frame[here])
        return out

    def state(self) -> dict[str, Any]:
        """JSON of every band but native files."""
        parts = [
            {"to_h": None if edge == np.inf else edge, "model": model, "point": point.state()}
            for edge, model, point in zip(self.edges_h, self.models, self.points, strict=True)
        ]
        return {"parts": parts}

    def files(self) -> dict[str, bytes]:
        """Native files of every band, its number before the name."""
        every = enumerate(self.points)
        return {f"band_{i}_{name}": text for i, point in every for name, text in point.files().items()}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> ReachPoint:
    """Every one of ``of`` (mappings with ``model``, ``params`` and ``to_h``, the last without) fitted on its own rows.

    A band without rows is fitted on all of them.
    """
    parts: Sequence[Mapping[str, Any]] = params.get("of", ())
    edges = edges_of(params)
    if not parts or list(edges) != sorted(edges) or edges[-1] != np.inf:
        raise ContractError(
            f"reach: expected parts `of` with rising `to_h`, the last without, found {edges}; order them in the recipe"
        )
    band = bands(frame, edges)
    points = []
    for i, part in enumerate(parts):
        rows = frame[np.flatnonzero(band == i)]
        points.append(module(str(part["model"])).fit(rows if rows.height else frame, part.get("params", {}), seed))
    return ReachPoint(edges, tuple(str(part["model"]) for part in parts), tuple(points))


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> ReachPoint:
    """Bands from their JSON and native files."""
    points = []
    for i, part in enumerate(state["parts"]):
        own = {name.removeprefix(f"band_{i}_"): text for name, text in files.items() if name.startswith(f"band_{i}_")}
        points.append(module(part["model"]).read(part["point"], own))
    edges = tuple(np.inf if part["to_h"] is None else float(part["to_h"]) for part in state["parts"])
    return ReachPoint(edges, tuple(part["model"] for part in state["parts"]), tuple(points))


def edges_of(params: Mapping[str, Any]) -> tuple[float, ...]:
    """Upper limits in hours of the bands that a candidate's parameters name; the last is open."""
    return tuple(float(part.get("to_h", np.inf)) for part in params.get("of", ()))


def bands(frame: pl.DataFrame, edges_h: Sequence[float]) -> Any:
    """Number of the band of each row; a row whose reach is not known is in the last."""
    reach = frame["reach_h"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
    return np.minimum(np.searchsorted(np.asarray(edges_h), reach), len(edges_h) - 1)
