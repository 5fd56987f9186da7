"""Mean of several forecasters: errors that differ cancel, which on short histories beats each of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.models.fitted import Point

Array = np.ndarray[Any, np.dtype[np.float64]]
PARTS = {"seasonal_naive": "seasonal", "climatology": "climatology", "linear": "linear", "gbm": "gbm", "blend": "blend"}


@dataclass(frozen=True)
class BlendPoint:
    """Weighted mean of the ``points`` that can say something; ``models`` are their modules' names."""

    models: tuple[str, ...]
    points: tuple[Point, ...]
    weights: tuple[float, ...]

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast, never negative; NaN where no part is known."""
        said = np.stack([point.predict(frame) for point in self.points])
        weight = np.where(np.isfinite(said), np.asarray(self.weights)[:, None], 0.0)
        total = weight.sum(0)
        mean = np.where(np.isfinite(said), said, 0.0)
        return np.asarray(np.where(total > 0, (weight * mean).sum(0) / np.where(total > 0, total, 1.0), np.nan))

    def state(self) -> dict[str, Any]:
        """JSON of every part but native files."""
        parts = [
            {"model": model, "weight": weight, "point": point.state()}
            for model, weight, point in zip(self.models, self.weights, self.points, strict=True)
        ]
        return {"parts": parts}

    def files(self) -> dict[str, bytes]:
        """Native files of every part, its number before the name."""
        every = enumerate(self.points)
        return {f"part_{i}_{name}": text for i, point in every for name, text in point.files().items()}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> BlendPoint:
    """Every one of ``of`` (mappings with ``model``, ``params`` and ``weight``, both optional) fitted on all rows."""
    parts: Sequence[Mapping[str, Any]] = params.get("of", ())
    if not parts:
        raise ContractError("blend: expected the parts as `of`, found none; name two models or more in the recipe")
    names = tuple(str(part["model"]) for part in parts)
    points = tuple(
        module(name).fit(frame, part.get("params", {}), seed) for name, part in zip(names, parts, strict=True)
    )
    return BlendPoint(names, points, tuple(float(part.get("weight", 1.0)) for part in parts))


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> BlendPoint:
    """Parts from their JSON and native files."""
    points = []
    for i, part in enumerate(state["parts"]):
        own = {name.removeprefix(f"part_{i}_"): text for name, text in files.items() if name.startswith(f"part_{i}_")}
        points.append(module(part["model"]).read(part["point"], own))
    names = tuple(part["model"] for part in state["parts"])
    return BlendPoint(names, tuple(points), tuple(part["weight"] for part in state["parts"]))


def module(model: str) -> Any:
    """Module of a model that can be a part of others, by the model's name."""
    if model not in PARTS:
        raise ContractError(f"blend: expected parts among {', '.join(PARTS)}, found {model!r}; name one of them")
    return importlib.import_module(f"urbancast.models.{PARTS[model]}")
