"""LightGBM on the ratio to the usual (readings), or on the log rate over the baseline (rare events)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Threads that wait must sleep: spinning ones halt a shared machine. Read when the library loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import lightgbm as lgb
import numpy as np
import polars as pl

from urbancast.models.climatology import best_rate
from urbancast.models.fitted import is_sparse

Array = np.ndarray[Any, np.dtype[np.float64]]
IN_UNIT = ("lag_", "rule_", "profile")
KEYS = {"place", "origin", "time", "value", "weight", "is_calibration"}
CATEGORIES = ("place_code",)
THREADS = min(2, os.cpu_count() or 1)
FLOOR = 3.0  # in the measure's unit: below it a ratio is mostly noise

READINGS = {
    "objective": "l1",
    "rounds": 400,
    "learning_rate": 0.06,
    "num_leaves": 63,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 50.0,
    "max_bin": 127,
    "seeds": 1,
}
EVENTS = {
    "objective": "poisson",
    "rounds": 80,
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_data_in_leaf": 5000,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 100.0,
    "cat_smooth": 100.0,
    "max_bin": 63,
    "seeds": 1,
}


@dataclass(frozen=True)
class BoosterPoint:
    """Mean over boosters of ``base · ratio``, or of ``base · exp(score)`` where ``is_log``."""

    boosters: tuple[lgb.Booster, ...]
    names: tuple[str, ...]
    base: str
    is_log: bool

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast, never negative; NaN where the base is not known."""
        base = _base(frame, self.base, is_log=self.is_log)
        x = _inputs(frame, self.names, base, is_log=self.is_log)
        score = np.mean([booster.predict(x, raw_score=True, num_threads=THREADS) for booster in self.boosters], axis=0)
        return np.asarray(base * np.exp(score)) if self.is_log else np.maximum(base * score, 0)

    def state(self) -> dict[str, Any]:
        """JSON beside the boosters."""
        return {"names": list(self.names), "base": self.base, "is_log": self.is_log, "boosters": len(self.boosters)}

    def files(self) -> dict[str, bytes]:
        """One native text file a booster."""
        return {f"booster_{i}.txt": booster.model_to_string().encode() for i, booster in enumerate(self.boosters)}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> BoosterPoint:
    """Boosters over ``base`` (profile, or the best shrunk rate); same rows, seed and threads give the same bytes."""
    is_log = is_sparse(frame)
    options = {**(EVENTS if is_log else READINGS), **params}
    rates = sorted(name for name in frame.columns if name.startswith("rule_shrunk_"))
    base_name = str(options.pop("base", best_rate(frame, rates) if is_log else "profile"))
    rounds, seeds = int(options.pop("rounds")), int(options.pop("seeds"))
    names = tuple(options.pop("inputs", _input_names(frame)))
    base = _base(frame, base_name, is_log=is_log)
    rows = np.isfinite(base) & (base > 0)
    x = _inputs(frame, names, base, is_log=is_log)[rows]
    value, weight, base = frame["value"].to_numpy()[rows], frame["weight"].to_numpy()[rows], base[rows]
    if is_log:
        data = _dataset(x, value, weight, names, np.log(base))
    else:
        # L1 of the ratio weighted by its base is the absolute error in the measure's unit.
        data = _dataset(x, value / base, weight * base / base.mean(), names, None)
    boosters = tuple(_boost(data, options, rounds, seed + i) for i in range(seeds))
    return BoosterPoint(boosters, names, base_name, is_log)


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> BoosterPoint:
    """Boosters from their native text."""
    texts = [files[f"booster_{i}.txt"].decode() for i in range(state["boosters"])]
    boosters = tuple(lgb.Booster(model_str=text) for text in texts)
    return BoosterPoint(boosters, tuple(state["names"]), state["base"], bool(state["is_log"]))


def _boost(data: lgb.Dataset, options: Mapping[str, Any], rounds: int, seed: int) -> lgb.Booster:
    fixed = {"seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": THREADS, "verbose": -1}
    return lgb.train({**options, **fixed}, data, num_boost_round=rounds)


def _dataset(x: Any, label: Array, weight: Array, names: tuple[str, ...], score: Array | None) -> lgb.Dataset:
    categories = [name for name in CATEGORIES if name in names]
    return lgb.Dataset(
        x,
        label,
        weight=weight,
        init_score=score,
        feature_name=list(names),
        categorical_feature=categories,
        free_raw_data=False,
        params={"verbose": -1, "max_bin": 127, "force_row_wise": True, "num_threads": THREADS},
    )


def _input_names(frame: pl.DataFrame) -> tuple[str, ...]:
    """All numeric columns but keys, and those that are wholly null."""
    given = [name for name in frame.columns if name not in KEYS and frame[name].dtype.is_numeric()]
    return tuple(name for name in given if frame[name].null_count() < frame.height)


def _base(frame: pl.DataFrame, name: str, *, is_log: bool) -> Array:
    base = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.maximum(base, 1e-6) if is_log else base + FLOOR


def _inputs(frame: pl.DataFrame, names: tuple[str, ...], base: Array, *, is_log: bool) -> Any:
    """Inputs, those in the measure's unit as ratios to the base; float32 (rows, names)."""
    x = np.empty((frame.height, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        values = frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        is_ratio = name.startswith(IN_UNIT) and not name.endswith("_spread")
        x[:, i] = np.log(np.maximum(values, 1e-6) / base) if is_log and is_ratio else values / base if is_ratio else values
    return x
