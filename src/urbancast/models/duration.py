"""Boosted trees on the logarithm of durations, over what is expected of the pair; a second booster says how unsure."""

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

from urbancast.core.errors import ContractError

Array = np.ndarray[Any, np.dtype[np.float64]]
BASE = "pair_expected"
KEYS = {"place", "origin", "time", "value", "weight", "is_calibration"}
# These name days, or how early a winter was in the file: trees would learn days by heart.
LEFT_OUT = ("season_", "pair_level_", "reach_h", "lead_h")
OVER_BASE = ("pair_prior", "pair_log_mean")  # logarithms of a duration
THREADS = min(2, os.cpu_count() or 1)
FIXED = {"deterministic": True, "force_row_wise": True, "num_threads": THREADS, "verbose": -1}
SHORTEST = 0.5
LEAST_LEFT = 0.02
DEFAULTS = {
    "rounds": 160,
    "spread_rounds": 60,
    "rows": 1_000_000,
    "learning_rate": 0.08,
    "num_leaves": 63,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
}


@dataclass(frozen=True)
class DurationPoint:
    """Median ``exp(base + centre)`` and the usual distance ``exp(width)`` of the logarithm from it."""

    centre: lgb.Booster
    width: lgb.Booster
    names: tuple[str, ...]

    def predict(self, frame: pl.DataFrame) -> Array:
        """Middle of what a trip may take; NaN where nothing is expected of the pair."""
        base = _base(frame)
        return np.asarray(np.exp(base + _said(self.centre, _inputs(frame, self.names, base))))

    def spread(self, frame: pl.DataFrame) -> Array:
        """Usual distance of a trip's logarithm from the forecast's; shape (rows,)."""
        return np.asarray(np.exp(_said(self.width, _inputs(frame, self.names, _base(frame)))))

    def state(self) -> dict[str, Any]:
        """JSON beside the boosters."""
        return {"names": list(self.names)}

    def files(self) -> dict[str, bytes]:
        """Boosters as native text."""
        named = {"centre.txt": self.centre, "width.txt": self.width}
        return {name: booster.model_to_string().encode() for name, booster in named.items()}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> DurationPoint:
    """Boosters of the least absolute error in the measure's unit; equal rows, seed and threads give equal bytes."""
    if BASE not in frame.columns:
        raise ContractError(f"frame: expected column {BASE!r}, found none; add the feature pair to the recipe")
    options = {**DEFAULTS, **params}
    rounds, width_rounds, most = (int(options.pop(name)) for name in ("rounds", "spread_rounds", "rows"))
    frame = _sample(frame.filter(pl.col(BASE).is_not_null()), most, seed)
    base = _base(frame)
    names = tuple(options.pop("inputs", _input_names(frame)))
    x = _inputs(frame, names, base)
    left = np.log(np.maximum(frame["value"].to_numpy(), SHORTEST)) - base
    # An error of the logarithm is one of minutes in proportion to the trip.
    weight = frame["weight"].to_numpy() * np.exp(base)
    bins = int(options.pop("max_bin"))
    options = {**options, **FIXED, "seed": seed}
    data = lgb.Dataset(x, left, weight=weight, feature_name=list(names), params={"max_bin": bins, "verbose": -1})
    centre = lgb.train({"objective": "l1", **options}, data, num_boost_round=rounds)
    off = np.maximum(np.abs(left - _said(centre, x)), LEAST_LEFT)
    data = lgb.Dataset(x, off, feature_name=list(names), params={"max_bin": bins, "verbose": -1})
    width = lgb.train({**options, "objective": "gamma"}, data, num_boost_round=width_rounds)
    return DurationPoint(centre, width, names)


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> DurationPoint:
    """Boosters from their native text."""
    centre, width = (lgb.Booster(model_str=files[name].decode()) for name in ("centre.txt", "width.txt"))
    return DurationPoint(centre, width, tuple(state["names"]))


def _said(booster: lgb.Booster, x: Any) -> Array:
    return np.asarray(booster.predict(x, raw_score=True, num_threads=THREADS), dtype=np.float64)


def _sample(frame: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    if frame.height <= most:
        return frame
    return frame[np.sort(np.random.default_rng(seed).choice(frame.height, most, replace=False))]


def _input_names(frame: pl.DataFrame) -> tuple[str, ...]:
    """All numeric columns but keys, and those that are wholly null or name a day."""
    given = [name for name in frame.columns if name not in KEYS and frame[name].dtype.is_numeric()]
    return tuple(name for name in given if frame[name].null_count() < frame.height and not name.startswith(LEFT_OUT))


def _base(frame: pl.DataFrame) -> Array:
    return frame[BASE].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _inputs(frame: pl.DataFrame, names: tuple[str, ...], base: Array) -> Any:
    """Inputs, other logarithms of a duration as differences from the base; float32 (rows, names)."""
    x = np.empty((frame.height, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        values = frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        x[:, i] = values - base if name in OVER_BASE else values
    return x
