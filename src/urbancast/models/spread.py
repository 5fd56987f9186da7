"""Quantiles of signed measures: past errors in units of how much the place and weekday usually vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from urbancast.core.tables import QUANTILES
from urbancast.models.conformal import weighted_quantiles

Array = np.ndarray[Any, np.dtype[np.float64]]
SIGNED = "signed"  # column of frames whose measure may lie below zero
COLUMN = "profile_spread"
FLOOR, LEAST_ROWS, MOST_BINS = 0.7, 300, 6


def is_signed(frame: pl.DataFrame) -> bool:
    """Return whether the frame is of a measure that may lie below zero."""
    return SIGNED in frame.columns


def scale(frame: pl.DataFrame) -> Array:
    """Deviation of past weeks about the place's own weekday and hour, in the measure's unit; at least ``FLOOR``."""
    spread = frame[COLUMN].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(np.sqrt(np.nan_to_num(spread) ** 2 + FLOOR**2))


@dataclass(frozen=True)
class Spread:
    """Residual quantiles in units of ``scale``, by its size: ``centres`` (log), ``levels`` bin × (mean, quantiles)."""

    kind: ClassVar[str] = "spread"
    centres: Array
    levels: Array

    @classmethod
    def fit(cls, point: Array, frame: pl.DataFrame) -> Spread:
        """Quantiles of calibration rows (value, profile_spread), in bins of equal numbers of rows."""
        value, unit = frame["value"].to_numpy(), scale(frame)
        is_known = np.isfinite(point) & np.isfinite(value)
        point, value, unit = point[is_known], value[is_known], unit[is_known]
        if not len(value):
            return cls(np.zeros(1), np.zeros((1, 1 + len(QUANTILES))))
        residual = (value - point) / unit
        count = int(min(MOST_BINS, max(1, len(value) // LEAST_ROWS)))
        parts = np.array_split(np.argsort(unit, kind="stable"), count)
        levels = [
            np.append(residual[part].mean(), weighted_quantiles(residual[part], np.ones(len(part)))) for part in parts
        ]
        centres = np.array([np.log(unit[part]).mean() for part in parts])
        return cls(np.maximum.accumulate(centres), np.stack(levels))

    def apply(self, point: Array, frame: pl.DataFrame) -> tuple[Array, Array]:
        """Mean and ordered quantiles of either sign; shapes (rows,) and (rows, levels)."""
        unit = scale(frame)
        size = np.log(unit)
        table = np.column_stack([np.interp(size, self.centres, column) for column in self.levels.T])
        out = point[:, None] + table * unit[:, None]
        return out[:, 0], np.sort(out[:, 1:], axis=1)

    def state(self) -> dict[str, Any]:
        """JSON of the tables."""
        return {"kind": self.kind, "centres": self.centres.tolist(), "levels": self.levels.tolist()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Spread:
        """Tables from their JSON."""
        return cls(np.asarray(state["centres"]), np.asarray(state["levels"]))
