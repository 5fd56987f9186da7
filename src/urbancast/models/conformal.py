"""Quantiles from residuals: what the errors of forecasts of this size and reach were, lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from urbancast.core.tables import QUANTILES

Array = np.ndarray[Any, np.dtype[np.float64]]
SIZE_BINS, REACH_BANDS, LEAST_ROWS = 12, 3, 400
HALF_LIFE_DAYS = 14.0
OFFSET = 1.0
MEDIAN = QUANTILES.index(0.5)


@dataclass(frozen=True)
class Conformal:
    """Residual quantiles, in units of √(size + 1), by reach band and size of the forecast.

    ``edges``: upper limits of the reach bands in hours. ``centres``: band × bin, log1p of the forecast.
    ``levels``: band × bin × (mean, then the quantile levels). ``most``: what the measure cannot exceed.
    """

    kind: ClassVar[str] = "conformal"
    edges: Array
    centres: Array
    levels: Array
    most: float = np.inf

    @classmethod
    def fit(
        cls, point: Array, frame: pl.DataFrame, *, edges_h: Sequence[float] = (), most: float = np.inf
    ) -> Conformal:
        """Weighted residual quantiles of calibration rows (value, time, reach_h), newer rows weighing more.

        ``edges_h``: upper limits of a forecaster's own bands, but for the open last; else equal numbers of rows.
        """
        value = frame["value"].to_numpy()
        reach = frame["reach_h"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        days = frame["time"].dt.epoch("s").to_numpy() / 86_400
        is_known = np.isfinite(point) & np.isfinite(value) & np.isfinite(reach)
        point, value, reach, days = point[is_known], value[is_known], reach[is_known], days[is_known]
        if not len(value):
            return cls(np.array([np.inf]), np.zeros((1, 1)), np.zeros((1, 1, 1 + len(QUANTILES))), most)
        weight = 0.5 ** ((days.max() - days) / HALF_LIFE_DAYS)
        residual = (value - point) / np.sqrt(point + OFFSET)
        edges = _given_edges(reach, edges_h) if edges_h else _reach_edges(reach)
        tables = []
        for i, high in enumerate(edges):
            is_in = (reach <= high) & (reach > (edges[i - 1] if i else -np.inf))
            tables.append(_by_size(point[is_in], residual[is_in], weight[is_in]))
        return cls(
            edges, np.stack([centres for centres, _ in tables]), np.stack([levels for _, levels in tables]), most
        )

    def apply(self, point: Array, frame: pl.DataFrame) -> tuple[Array, Array]:
        """Mean and ordered quantiles, never negative; shapes (rows,) and (rows, levels)."""
        reach = frame["reach_h"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
        band = np.minimum(np.searchsorted(self.edges, reach), len(self.edges) - 1)
        size = np.log1p(np.where(np.isfinite(point), point, 0))
        residual = np.empty((len(point), self.levels.shape[2]))
        for i in range(len(self.edges)):
            here = band == i
            for j in range(residual.shape[1]):
                residual[here, j] = np.interp(size[here], self.centres[i], self.levels[i, :, j])
        out = np.clip(point[:, None] + residual * np.sqrt(point[:, None] + OFFSET), 0, self.most)
        return out[:, 0], np.sort(out[:, 1:], axis=1)

    def state(self) -> dict[str, Any]:
        """JSON of the tables."""
        arrays = {"edges": self.edges, "centres": self.centres, "levels": self.levels}
        return {"kind": self.kind, "most": self.most, **{name: array.tolist() for name, array in arrays.items()}}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Conformal:
        """Tables from their JSON."""
        edges, centres, levels = (np.asarray(state[name]) for name in ("edges", "centres", "levels"))
        return cls(edges, centres, levels, float(state.get("most", np.inf)))


def _given_edges(reach: Array, edges_h: Sequence[float]) -> Array:
    """Upper limits of the bands that hold enough rows; one that does not is joined to the next."""
    kept, below = [], -np.inf
    for edge in edges_h:
        if ((reach > below) & (reach <= edge)).sum() >= LEAST_ROWS and (reach > edge).sum() >= LEAST_ROWS:
            kept.append(edge)
            below = edge
    return np.append(kept, np.inf)


def _reach_edges(reach: Array) -> Array:
    """Upper limits of up to three bands of equal numbers of rows, the last open."""
    bands = int(min(REACH_BANDS, max(1, len(reach) // (LEAST_ROWS * SIZE_BINS // 2))))
    cuts = np.unique(np.quantile(reach, np.arange(1, bands) / bands))
    cuts = cuts[cuts < reach.max()]
    return np.append(cuts, np.inf)


def _by_size(point: Array, residual: Array, weight: Array) -> tuple[Array, Array]:
    """Centre (log1p) and weighted residual mean and quantiles of bins of equal numbers of rows."""
    count = int(min(SIZE_BINS, max(1, len(point) // LEAST_ROWS)))
    parts = np.array_split(np.argsort(point, kind="stable"), count)
    centres, levels = np.empty(SIZE_BINS), np.empty((SIZE_BINS, 1 + len(QUANTILES)))
    for i in range(SIZE_BINS):
        part = parts[min(i, count - 1)]
        centres[i] = np.average(np.log1p(point[part]), weights=weight[part])
        levels[i, 0] = np.average(residual[part], weights=weight[part])
        levels[i, 1:] = weighted_quantiles(residual[part], weight[part])
        # The point stays the median: what the calibration weeks drifted is not what the next weeks will.
        levels[i] -= levels[i, 1 + MEDIAN]
    return np.maximum.accumulate(centres), levels


def weighted_quantiles(values: Array, weights: Array) -> Array:
    """Quantiles at the contract's levels; each value holds the middle of its weight."""
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    middle = (mass - weights[order] / 2) / mass[-1]
    return np.asarray(np.interp(np.asarray(QUANTILES), middle, values[order]))
