"""What is usual: a profile or mean by hour of week, as it is or scaled to the level; shrunk rates for rare events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.models.seasonal import ColumnPoint, read as _read_column

_COLUMNS = {
    "profile": "profile",
    "mean4w": "rule_mean4w",
    "mean8w": "rule_mean8w",
    "mean4w_scaled": "rule_mean4w_scaled",
}
RULES = (*_COLUMNS, "profile_scaled")


@dataclass(frozen=True)
class ScaledProfile:
    """Profile × the level of the last available week."""

    def predict(self, frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Profile at the hour × level_7d; the profile alone where the level is not known."""
        level = frame["level_7d"].cast(pl.Float64).fill_null(1.0).to_numpy()
        return np.asarray(ColumnPoint("profile").predict(frame) * level)

    def state(self) -> dict[str, Any]:
        """JSON of the rule."""
        return {"column": "profile_scaled"}

    def files(self) -> dict[str, bytes]:
        """No native files."""
        return {}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], _seed: int) -> ColumnPoint | ScaledProfile:
    """Rule named by ``rule``; of sparse frames the shrunk rate (k, window) of least deviance on calibration rows."""
    shrunk = sorted(name for name in frame.columns if name.startswith("rule_shrunk_"))
    if shrunk:
        return ColumnPoint(best_rate(frame, shrunk))
    rule = str(params.get("rule", "profile"))
    if rule not in RULES:
        raise ContractError(f"climatology rule: expected one of {', '.join(RULES)}, found {rule!r}; name one of them")
    return ScaledProfile() if rule == "profile_scaled" else ColumnPoint(_COLUMNS[rule])


def best_rate(frame: pl.DataFrame, names: list[str]) -> str:
    """Column of least weighted Poisson deviance over the calibration rows (all rows where there are none)."""
    held = frame.filter(pl.col("is_calibration"))
    rows = held if held.height else frame
    losses = rows.select(
        pl.when(pl.col(name) > 0)
        .then(pl.col("weight") * (pl.col(name) - pl.col("value") * pl.col(name).clip(1e-9).log()))
        .otherwise(None)
        .sum()
        .alias(name)
        for name in names
    )
    return min(names, key=lambda name: float(losses[name][0]))


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> ColumnPoint | ScaledProfile:
    """Rule from its JSON."""
    return ScaledProfile() if state["column"] == "profile_scaled" else _read_column(state, files)
