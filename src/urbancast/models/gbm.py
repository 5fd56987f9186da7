"""LightGBM on what the ridge misses (readings), or on the log rate over the baseline (rare events)."""

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

from urbancast.models import linear
from urbancast.models.climatology import best_rate
from urbancast.models.fitted import is_sparse
from urbancast.models.linear import RidgePoint

Array = np.ndarray[Any, np.dtype[np.float64]]
IN_UNIT = ("lag_", "rule_", "profile")
KEYS = {"place", "origin", "time", "value", "weight", "is_calibration"}
CATEGORIES = ("place_code",)
THREADS = min(2, os.cpu_count() or 1)
FIXED = {"deterministic": True, "force_row_wise": True, "num_threads": THREADS}
DAILY = ("season_", "place_lat", "place_lon")  # a year of these names its days: trees would learn days by heart
CITY_BINS = 16  # for the same reason, the level of a day is told coarsely
FLOOR = 3.0  # in the measure's unit, less for small ones: below it a ratio is mostly noise

READINGS = {
    "objective": "l1",
    "linear": {},
    "rounds": 80,
    "rows": 150_000,
    "share": 0.5,
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 50.0,
    "max_bin": 63,
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
    "rows": 2_000_000,
    "share": 1.0,
}


@dataclass(frozen=True)
class BoosterPoint:
    """Mean over boosters of ``base · exp(score)``, or, over a ``ridge``, of its forecast and the ratio to it.

    ``share``: how much of the correction is believed.
    """

    boosters: tuple[lgb.Booster, ...]
    names: tuple[str, ...]
    base: str
    share: float
    ridge: RidgePoint | None
    floor: float = FLOOR

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast, never negative; NaN where the base is not known."""
        base = self.ridge.predict(frame) + self.floor if self.ridge else _rate(frame, self.base)
        x = _inputs(frame, self.names, base, is_log=self.ridge is None)
        scores = [np.asarray(one.predict(x, raw_score=True, num_threads=THREADS)) for one in self.boosters]
        score = np.mean(scores, axis=0)
        if self.ridge is None:
            return np.asarray(base * np.exp(self.share * score))
        return np.asarray(np.maximum((1 - self.share) * (base - self.floor) + self.share * base * score, 0))

    def state(self) -> dict[str, Any]:
        """JSON beside the boosters."""
        own = {"names": list(self.names), "base": self.base, "share": self.share, "boosters": len(self.boosters)}
        own["floor"] = self.floor
        return {**own, "ridge": self.ridge.state() if self.ridge else None}

    def files(self) -> dict[str, bytes]:
        """One native text file a booster."""
        return {f"booster_{i}.txt": booster.model_to_string().encode() for i, booster in enumerate(self.boosters)}


def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> BoosterPoint:
    """Boosters over the ridge (readings) or the best shrunk rate; equal rows, seed and threads give equal bytes."""
    return _fit_events(frame, params, seed) if is_sparse(frame) else _fit_readings(frame, params, seed)


def _fit_readings(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> BoosterPoint:
    options = {**READINGS, **params}
    ridge = linear.fit(frame, options.pop("linear"), seed)
    said = ridge.predict(frame)
    floor = float(options.pop("floor", linear.small(said[np.isfinite(said)], FLOOR)))
    rows = _sample(frame, said, int(options.pop("rows")), seed)
    base = ridge.predict(rows) + floor
    without = tuple(options.pop("without", DAILY))
    names = tuple(options.pop("inputs", _input_names(rows, without=without)))
    x = _inputs(rows, names, base, is_log=False)
    # L1 of the ratio weighted by its base is the absolute error in the measure's unit.
    weight = rows["weight"].to_numpy() * base / base.mean()
    share = float(options.pop("share"))
    boosters = _boosters(x, rows["value"].to_numpy() / base, weight, names, options=options, seed=seed)
    return BoosterPoint(boosters, names, "ridge", share, ridge, floor)


def _fit_events(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> BoosterPoint:
    options = {**EVENTS, **params}
    rates = sorted(name for name in frame.columns if name.startswith("rule_shrunk_"))
    base_name = str(options.pop("base", "") or best_rate(frame, rates))
    rows = _sample(frame, _rate(frame, base_name), int(options.pop("rows")), seed)
    base = _rate(rows, base_name)
    names = tuple(options.pop("inputs", _input_names(rows, without=())))
    x = _inputs(rows, names, base, is_log=True)
    share = float(options.pop("share"))
    weight = rows["weight"].to_numpy()
    boosters = _boosters(x, rows["value"].to_numpy(), weight, names, options=options, seed=seed, log_base=np.log(base))
    return BoosterPoint(boosters, names, base_name, share, None)


def read(state: Mapping[str, Any], files: Mapping[str, bytes]) -> BoosterPoint:
    """Boosters from their native text."""
    texts = [files[f"booster_{i}.txt"].decode() for i in range(state["boosters"])]
    boosters = tuple(lgb.Booster(model_str=text) for text in texts)
    ridge = linear.read(state["ridge"], files) if state["ridge"] else None
    return BoosterPoint(
        boosters, tuple(state["names"]), state["base"], float(state["share"]), ridge, float(state.get("floor", FLOOR))
    )


def _boosters(  # noqa: PLR0913, one call of the library
    x: Any,
    label: Array,
    weight: Array,
    names: tuple[str, ...],
    *,
    options: dict[str, Any],
    seed: int,
    log_base: Array | None = None,
) -> tuple[lgb.Booster, ...]:
    rounds, seeds, bins = (int(options.pop(name)) for name in ("rounds", "seeds", "max_bin"))
    coarse = [min(bins, CITY_BINS) if name.startswith("city_") else bins for name in names]
    data = lgb.Dataset(
        x,
        label,
        weight=weight,
        init_score=log_base,
        feature_name=list(names),
        categorical_feature=[name for name in CATEGORIES if name in names],
        params={"verbose": -1, "max_bin": bins, "max_bin_by_feature": coarse, **FIXED},
    )
    return tuple(
        lgb.train({**options, **FIXED, "seed": seed + i, "verbose": -1}, data, num_boost_round=rounds)
        for i in range(seeds)
    )


def _sample(frame: pl.DataFrame, base: Array, most: int, seed: int) -> pl.DataFrame:
    """At most ``most`` rows, drawn with the seed, of those whose base is known."""
    known = np.flatnonzero(np.isfinite(base))
    if len(known) > most:
        known = np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
    return frame[known]


def _input_names(frame: pl.DataFrame, *, without: tuple[str, ...]) -> tuple[str, ...]:
    """All numeric columns but keys, those named in ``without``, and those that are wholly null."""
    given = [name for name in frame.columns if name not in KEYS and frame[name].dtype.is_numeric()]
    kept = [name for name in given if not (without and name.startswith(without))]
    return tuple(name for name in kept if frame[name].null_count() < frame.height)


def _rate(frame: pl.DataFrame, name: str) -> Array:
    return np.asarray(np.maximum(frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy(), 1e-6))


def _inputs(frame: pl.DataFrame, names: tuple[str, ...], base: Array, *, is_log: bool) -> Any:
    """Inputs, those in the measure's unit as ratios to the base; float32 (rows, names)."""
    x = np.empty((frame.height, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        values = frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        is_ratio = name.startswith(IN_UNIT) and not name.endswith("_spread")
        x[:, i] = (
            np.log(np.maximum(values, 1e-6) / base) if is_log and is_ratio else values / base if is_ratio else values
        )
    return x
