"""A fitted forecaster: a point model and the interval around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.models.conformal import Conformal
from urbancast.models.counts import Family
from urbancast.models.ratios import SPREAD, Ratios, is_duration
from urbancast.models.spread import Spread, is_signed

Array = np.ndarray[Any, np.dtype[np.float64]]


class Point(Protocol):
    """What a model module fits: one number a row, never negative, NaN where it cannot say."""

    def predict(self, frame: pl.DataFrame) -> Array:
        """Point forecast in the measure's unit; shape (rows,)."""

    def state(self) -> dict[str, Any]:
        """JSON of everything but native text files."""

    def files(self) -> dict[str, bytes]:
        """Native text files by name."""


Fit = Callable[[pl.DataFrame, Mapping[str, Any], int], Point]


@dataclass(frozen=True)
class Fitted:
    """A forecaster ready to predict frames made with the same features."""

    candidate: Candidate
    point: Point
    interval: Conformal | Family | Spread | Ratios
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> Family | None:
        """Count family of the forecasts, where there is one (sparse measures)."""
        return self.interval if isinstance(self.interval, Family) else None

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Place, origin, time, mean and q05…q95 (ordered; ≥ 0 unless signed); no row where the model says nothing."""
        keys = frame.select("place", "origin", "time")
        frame = _with_spread(self.point, frame)
        mean, quantiles = self.interval.apply(self.point.predict(frame), frame)
        columns = {name: quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)}
        out = keys.with_columns(mean=pl.Series(mean), **{name: pl.Series(q) for name, q in columns.items()})
        return out.filter(pl.col("mean").is_finite())

    def dump(self) -> dict[str, bytes]:
        """Files that ``models.load`` reads: JSON and native text; equal fits give equal bytes."""
        state = {
            "candidate": {
                "name": self.candidate.name,
                "model": self.candidate.model,
                "params": dict(self.candidate.params),
            },
            "point": self.point.state(),
            "interval": self.interval.state(),
            "facts": dict(self.facts),
        }
        text = json.dumps(state, sort_keys=True, indent=1, allow_nan=True)
        return {"model.json": text.encode(), **self.point.files()}

    @classmethod
    def of_state(cls, candidate: Candidate, point: Point, state: Mapping[str, Any]) -> Fitted:
        """Rebuild from the JSON part of a dump."""
        kind = {each.kind: each for each in (Family, Conformal, Spread, Ratios)}[state["interval"]["kind"]]
        return cls(candidate, point, kind.of_state(state["interval"]), state["facts"])


@dataclass(frozen=True)
class Forecaster:
    """A candidate that can be fitted."""

    candidate: Candidate
    fit_point: Fit

    def fit(self, frame: pl.DataFrame, seed: int) -> Fitted:
        """Fit on training rows: the interval on the held-out calibration rows, then the point model on all.

        ``frame``: a built frame with value, weight and is_calibration.
        """
        params = self.candidate.params
        held = frame.filter(pl.col("is_calibration"))
        early = frame.filter(~pl.col("is_calibration"))
        if early.is_empty() or held.is_empty():
            raise ContractError(
                f"training rows: expected rows before and in the calibration window, found {early.height} and "
                f"{held.height}; give a longer history or a shorter calibration"
            )
        held, said = self._held_out(early, held, seed)
        kind = _kind(frame)
        interval = Conformal.fit(said, held, **_limits(params)) if kind is Conformal else kind.fit(said, held)
        facts = {"rows": frame.height, "calibration_rows": held.height, "seed": seed}
        return Fitted(self.candidate, self.fit_point(frame, params, seed), interval, facts)

    def _held_out(self, early: pl.DataFrame, held: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, Array]:
        """Calibration rows and what was said of them by fits on all rows before them, block by block in time.

        ``calibration_blocks``, one by default: with more, a short history's last weeks are judged by fits almost as
        long as the one that serves, not by one that saw half of it.
        """
        params, rows, said = self.candidate.params, [], []
        seen = early
        for part in _blocks(held, int(params.get("calibration_blocks", 1))):
            first = self.fit_point(seen, params, seed)
            seen = pl.concat([seen, part])
            rows.append(_with_spread(first, part))
            said.append(first.predict(rows[-1]))
        return (pl.concat(rows), np.concatenate(said)) if len(rows) > 1 else (rows[0], said[0])


def _blocks(held: pl.DataFrame, count: int) -> list[pl.DataFrame]:
    """Rows in spans of time of equal length, those without rows left out; one block is the frame itself."""
    if count < 2:
        return [held]
    time = held["time"].dt.epoch("us").to_numpy()
    number = np.minimum((time - time.min()) * count // max(1, time.max() - time.min()), count - 1)
    return [held[np.flatnonzero(number == i)] for i in range(count) if (number == i).any()]


def _limits(params: Mapping[str, Any]) -> dict[str, Any]:
    """Bands by reach where the candidate has parts of its own, and the ``most`` that its measure can be."""
    parts = params.get("of", ())
    return {
        "edges_h": [float(part["to_h"]) for part in parts if "to_h" in part],
        "most": float(params.get("most", np.inf)),
    }


def _kind(frame: pl.DataFrame) -> type[Conformal | Family | Spread | Ratios]:
    if is_sparse(frame):
        return Family
    if is_duration(frame):
        return Ratios
    return Spread if is_signed(frame) else Conformal


def _with_spread(point: Point, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with what the point model itself says of how far it may be off, where it does."""
    said = getattr(point, "spread", None)
    return frame.with_columns(pl.Series(SPREAD, said(frame))) if said else frame


def is_sparse(frame: pl.DataFrame) -> bool:
    """Return whether the frame carries the shrunk rates of a sparse measure."""
    return any(name.startswith("rule_shrunk_") for name in frame.columns)
