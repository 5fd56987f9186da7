"""Profile plus ridge on what the profile misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import linalg
from threadpoolctl import threadpool_limits

Array = np.ndarray[Any, np.dtype[np.float64]]
RIDGE = 0.005  # of the weight of all rows
CHUNK = 100_000
PASSES, LEAST_MISS = 4, 3.0
SMALL = 0.08  # of the usual size: what is small to a count of few, or to a share
NOT_INPUTS = {"is_calibration"}
SCALED = ("lag_", "rule_", "profile_long")
PLAIN = ("level_", "city_level_", "weather_", "is_", "season_")


@dataclass(frozen=True)
class RidgePoint:
    """``profile · (1 + x · coefficients)`` with standardised x; rates of sparse measures by their log instead."""

    base: str
    names: tuple[str, ...]
    centre: Array
    scale: Array
    coefficients: Array

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast, never negative; NaN where the profile is not known."""
        base = _base(frame, self.base)
        x = (_inputs(frame, self.names, base) - self.centre) / self.scale
        lift = np.nan_to_num(x).astype(np.float64) @ self.coefficients[1:] + self.coefficients[0]
        return np.asarray(np.maximum(base * (1 + np.clip(lift, -0.95, 4.0)), 0))

    def state(self) -> dict[str, Any]:
        """JSON of the coefficients."""
        arrays = {name: getattr(self, name).tolist() for name in ("centre", "scale", "coefficients")}
        return {"base": self.base, "names": list(self.names), **arrays}

    def files(self) -> dict[str, bytes]:
        """No native files."""
        return {}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], _seed: int) -> RidgePoint:
    """Ridge of (value − profile) / profile, least absolute error for readings; rows weigh as their profile does.

    ``without``: beginnings of the names of columns to leave out.
    """
    base_name = str(params.get("base", _base_name(frame)))
    base = _base(frame, base_name)
    is_known = np.isfinite(base) & (base > 0)
    frame, base = frame.filter(pl.Series(is_known)), base[is_known]
    names = _input_names(frame, {base_name, *NOT_INPUTS}, tuple(params.get("without", ())))
    x = _inputs(frame, names, base)
    is_given = np.isfinite(x)
    count = np.maximum(is_given.sum(0), 1)
    centre = np.where(is_given, x, 0).sum(0, dtype=np.float64) / count
    spread = np.where(is_given, x - centre.astype(np.float32), 0)
    scale = np.sqrt((spread * spread).sum(0, dtype=np.float64) / count)
    scale = np.where(scale > 1e-6, scale, 1.0)
    weight = base * frame["weight"].to_numpy()
    target = (frame["value"].to_numpy() - base) / base
    z = spread / scale.astype(np.float32)
    ridge = float(params.get("ridge", RIDGE))
    passes = int(params.get("passes", 1 if base_name.startswith("rule_shrunk") else PASSES))
    least = float(params.get("least_miss", small(base, LEAST_MISS)))
    coefficients = _solved(z, target, weight, ridge)
    for _ in range(passes - 1):
        miss = np.abs(target - z @ coefficients[1:] - coefficients[0]) * base
        # Weights of least absolute error in the measure's unit, floored so that no row rules alone.
        coefficients = _solved(z, target, weight * base / np.maximum(miss, least), ridge)
    return RidgePoint(base_name, names, centre, scale, coefficients)


def _input_names(frame: pl.DataFrame, never: set[str], without: tuple[str, ...]) -> tuple[str, ...]:
    chosen = (name for name in sorted(frame.columns) if name.startswith((*SCALED, *PLAIN)) and name not in never)
    kept = (name for name in chosen if not (without and name.startswith(without)))
    return tuple(name for name in kept if frame[name].null_count() < frame.height)


def small(size: Array, most: float) -> float:
    """What is small beside forecasts of this size, in the measure's unit; at most ``most``, as for counts of many."""
    return min(most, SMALL * float(size.mean())) if len(size) else most


def _solved(z: Any, target: Array, weight: Array, ridge: float) -> Array:
    """Coefficients, intercept first; the intercept is not shrunk."""
    # A Gram matrix of some forty columns: a second thread waits more than it works.
    with threadpool_limits(limits=1, user_api="blas"):
        gram, right = _normal_equations(z, target, weight / weight.sum())
        inner = np.arange(1, len(gram))
        gram[inner, inner] += ridge
        return np.asarray(linalg.solve(gram, right, assume_a="pos"))


def _normal_equations(x: Any, target: Array, weight: Array) -> tuple[Array, Array]:
    """Weighted Gram matrix with an intercept first, and its right side, summed in parts of bounded memory."""
    size = x.shape[1] + 1
    gram, right = np.zeros((size, size)), np.zeros(size)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        z = np.concatenate([np.ones((len(x[part]), 1)), x[part]], axis=1)
        weighted = z * weight[part, None]
        gram += weighted.T @ z
        right += weighted.T @ target[part]
    return gram, right


def read(state: Mapping[str, Any], _files: Mapping[str, bytes]) -> RidgePoint:
    """Coefficients from their JSON."""
    arrays = {name: np.asarray(state[name]) for name in ("centre", "scale", "coefficients")}
    return RidgePoint(state["base"], tuple(state["names"]), **arrays)


def _base_name(frame: pl.DataFrame) -> str:
    return "profile" if "profile" in frame.columns else "rule_shrunk_500_104w"


def _base(frame: pl.DataFrame, name: str) -> Array:
    """Values of the base; several columns joined by ``+`` are their mean, as far as they are known."""
    parts = [pl.col(part).cast(pl.Float64) for part in name.split("+")]
    return frame.select(base=pl.mean_horizontal(parts).fill_null(float("nan")))["base"].to_numpy()


def _inputs(frame: pl.DataFrame, names: tuple[str, ...], base: Array) -> Any:
    """Inputs as ratios to the base where they carry the measure's unit; float32 (rows, names)."""
    x = np.empty((frame.height, len(names)), dtype=np.float32)
    safe = np.where(base > 0, base + 1e-9, np.nan)
    for i, name in enumerate(names):
        values = frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        x[:, i] = np.clip(values / safe, 0, 6) if name.startswith(SCALED) else values
    return x
