"""Quantiles of durations: past ratios of value to forecast, in units of how far such a trip is usually off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from urbancast.core.tables import QUANTILES
from urbancast.models.conformal import weighted_quantiles

Array = np.ndarray[Any, np.dtype[np.float64]]
DURATION = "pair_spread"  # column of frames whose measure is a duration between two places
SPREAD = "spread"  # column that a point model may add: its own say on how far it may be off
LEAST = 0.05  # of the logarithm: nothing is surer
SHORTEST = 0.1
MEAN_OVER_MIDDLE = (0.5, 3.0)
BINS, LEAST_ROWS = 10, 400


def is_duration(frame: pl.DataFrame) -> bool:
    """Return whether the frame is of durations between pairs of places."""
    return DURATION in frame.columns


def unit(frame: pl.DataFrame) -> Array:
    """Usual distance of a trip's logarithm from its forecast's, at least ``LEAST``; shape (rows,)."""
    name = SPREAD if SPREAD in frame.columns else DURATION
    spread = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(np.maximum(np.nan_to_num(spread, nan=0.5), LEAST))


@dataclass(frozen=True)
class Ratios:
    """By size of the forecast: ``centres`` (its log) and ``levels``, bin × (lift, quantiles of the log in units).

    The mean is ``forecast · (1 + lift · unit²)``: the less sure a trip, the farther its mean lies above its middle.
    """

    kind: ClassVar[str] = "ratios"
    centres: Array
    levels: Array

    @classmethod
    def fit(cls, point: Array, frame: pl.DataFrame) -> Ratios:
        """Tables of calibration rows (value, spread), in bins of equal numbers of rows."""
        value, scale = frame["value"].to_numpy(), unit(frame)
        is_known = np.isfinite(point) & np.isfinite(value)
        point, value, scale = np.maximum(point[is_known], SHORTEST), value[is_known], scale[is_known]
        if not len(value):
            return cls(np.zeros(1), np.zeros((1, 1 + len(QUANTILES))))
        left = np.log(np.maximum(value, SHORTEST) / point) / scale
        count = int(min(BINS, max(1, len(value) // LEAST_ROWS)))
        parts = np.array_split(np.argsort(point, kind="stable"), count)
        lift = [(value[part] - point[part]).sum() / (point[part] * scale[part] ** 2).sum() for part in parts]
        levels = [
            np.append(lift[i], weighted_quantiles(left[part], np.ones(len(part)))) for i, part in enumerate(parts)
        ]
        centres = np.array([np.log(point[part]).mean() for part in parts])
        return cls(np.maximum.accumulate(centres), np.stack(levels))

    def apply(self, point: Array, frame: pl.DataFrame) -> tuple[Array, Array]:
        """Mean and ordered quantiles, never negative; shapes (rows,) and (rows, levels)."""
        safe, scale = np.maximum(point, SHORTEST), unit(frame)
        size = np.log(safe)
        table = np.column_stack([np.interp(size, self.centres, column) for column in self.levels.T])
        quantiles = safe[:, None] * np.exp(table[:, 1:] * scale[:, None])
        return safe * np.clip(1 + table[:, 0] * scale**2, *MEAN_OVER_MIDDLE), np.sort(quantiles, axis=1)

    def state(self) -> dict[str, Any]:
        """JSON of the tables."""
        return {"kind": self.kind, "centres": self.centres.tolist(), "levels": self.levels.tolist()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Ratios:
        """Tables from their JSON."""
        return cls(np.asarray(state["centres"]), np.asarray(state["levels"]))
