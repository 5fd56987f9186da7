"""Profile plus ridge on what the profile misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import linalg

Array = np.ndarray[Any, np.dtype[np.float64]]
RIDGE = 50.0
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
        lift = np.nan_to_num(x) @ self.coefficients[1:] + self.coefficients[0]
        return np.maximum(base * (1 + np.clip(lift, -0.95, 4.0)), 0)

    def state(self) -> dict[str, Any]:
        """JSON of the coefficients."""
        arrays = {name: getattr(self, name).tolist() for name in ("centre", "scale", "coefficients")}
        return {"base": self.base, "names": list(self.names), **arrays}

    def files(self) -> dict[str, bytes]:
        """No native files."""
        return {}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], _seed: int) -> RidgePoint:
    """Weighted ridge of (value − profile) / profile; rows weigh as their profile does."""
    base_name = str(params.get("base", _base_name(frame)))
    base = _base(frame, base_name)
    names = tuple(name for name in sorted(frame.columns) if name.startswith((*SCALED, *PLAIN)) and name not in {base_name, "is_calibration"})
    value = frame["value"].to_numpy()
    is_known = np.isfinite(base) & (base > 0)
    x = _inputs(frame, names, base)[is_known]
    base, value = base[is_known], value[is_known]
    weight = base * frame["weight"].to_numpy()[is_known]
    with np.errstate(invalid="ignore"):
        is_given = np.isfinite(x)
        filled = np.where(is_given, x, 0)
        centre = filled.sum(0) / np.maximum(is_given.sum(0), 1)
        scale = np.sqrt((np.where(is_given, x - centre, 0) ** 2).sum(0) / np.maximum(is_given.sum(0), 1))
    scale = np.where(scale > 1e-6, scale, 1.0)
    z = np.concatenate([np.ones((len(x), 1)), np.nan_to_num((x - centre) / scale)], axis=1)
    gram = (z * weight[:, None]).T @ z / weight.sum() * len(z)
    gram[np.arange(1, len(gram)), np.arange(1, len(gram))] += float(params.get("ridge", RIDGE)) * len(z) / 1e4
    target = (value - base) / base
    right = (z * weight[:, None]).T @ target / weight.sum() * len(z)
    return RidgePoint(base_name, names, centre, scale, linalg.solve(gram, right, assume_a="pos"))


def read(state: Mapping[str, Any], _files: Mapping[str, bytes]) -> RidgePoint:
    """Coefficients from their JSON."""
    arrays = {name: np.asarray(state[name]) for name in ("centre", "scale", "coefficients")}
    return RidgePoint(state["base"], tuple(state["names"]), **arrays)


def _base_name(frame: pl.DataFrame) -> str:
    return "profile" if "profile" in frame.columns else "rule_shrunk_500_104w"


def _base(frame: pl.DataFrame, name: str) -> Array:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _inputs(frame: pl.DataFrame, names: tuple[str, ...], base: Array) -> Array:
    """Inputs as ratios to the base where they carry the measure's unit; shape (rows, names)."""
    x = frame.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names).to_numpy().copy()
    safe = np.where(base > 0, base + 1e-9, np.nan)
    for i, name in enumerate(names):
        if name.startswith(SCALED):
            x[:, i] = np.clip(x[:, i] / safe, 0, 6)
    return x
