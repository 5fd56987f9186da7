"""Sum of what past weeks say, for signed measures: no ratio to a base that may be nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import linalg
from threadpoolctl import threadpool_limits

from urbancast.core.errors import ContractError
from urbancast.models.spread import scale

Array = np.ndarray[Any, np.dtype[np.float64]]
RIDGE = 0.02  # of the weight of all rows
SAID = ("rule_seasonal_naive", "rule_mean4w", "rule_mean8w", "lag_week_median", "lag_day_mean", "lag_daytype_mean")


@dataclass(frozen=True)
class AdditivePoint:
    """``Σ coefficient · column``, columns in the measure's unit."""

    names: tuple[str, ...]
    coefficients: Array

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast of either sign; NaN where no column is known."""
        x = _inputs(frame, self.names)
        nothing = ~np.isfinite(x).any(axis=1)
        return np.where(nothing, np.nan, np.nan_to_num(x) @ self.coefficients)

    def state(self) -> dict[str, Any]:
        """JSON of the coefficients."""
        return {"names": list(self.names), "coefficients": self.coefficients.tolist()}

    def files(self) -> dict[str, bytes]:
        """No native files."""
        return {}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], _seed: int) -> AdditivePoint:
    """Ridge on rows in units of their own spread, so that no busy place rules alone; shrunk to zero, a balanced day."""
    names = tuple(name for name in SAID if name in frame.columns and frame[name].null_count() < frame.height)
    if not names:
        raise ContractError(f"frame: expected one of {', '.join(SAID)}, found none; add feature rules to the recipe")
    unit = scale(frame)
    x = np.nan_to_num(_inputs(frame, names)) / unit[:, None]
    y = frame["value"].to_numpy() / unit
    with threadpool_limits(limits=1, user_api="blas"):
        gram = x.T @ x / len(x) + float(params.get("ridge", RIDGE)) * np.eye(len(names))
        coefficients = linalg.solve(gram, x.T @ y / len(x), assume_a="pos")
    return AdditivePoint(names, np.asarray(coefficients))


def read(state: Mapping[str, Any], _files: Mapping[str, bytes]) -> AdditivePoint:
    """Coefficients from their JSON."""
    return AdditivePoint(tuple(state["names"]), np.asarray(state["coefficients"]))


def _inputs(frame: pl.DataFrame, names: tuple[str, ...]) -> Array:
    columns = [frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names]
    return np.stack(columns, axis=1)
