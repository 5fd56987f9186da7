"""Seasonal naive: the newest available value of the same local weekday and hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.models.spread import SIGNED


@dataclass(frozen=True)
class ColumnPoint:
    """A simple rule: one column of the frame, times a factor."""

    column: str
    factor: float = 1.0

    def predict(self, frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Value of the column; NaN where the rule cannot say."""
        if self.column not in frame.columns:
            raise ContractError(f"frame: expected column {self.column!r}, found none; add its feature to the recipe")
        values = frame[self.column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return values * self.factor if SIGNED in frame.columns else np.maximum(values * self.factor, 0)

    def state(self) -> dict[str, Any]:
        """JSON of the rule."""
        return {"column": self.column, "factor": self.factor}

    def files(self) -> dict[str, bytes]:
        """No native files."""
        return {}


def fit(_frame: pl.DataFrame, _params: Mapping[str, Any], _seed: int) -> ColumnPoint:
    """Nothing to fit: the rule reads its column."""
    return ColumnPoint("rule_seasonal_naive")


def read(state: Mapping[str, Any], _files: Mapping[str, bytes]) -> ColumnPoint:
    """Rule from its JSON."""
    return ColumnPoint(**state)
