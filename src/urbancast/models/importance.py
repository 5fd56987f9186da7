"""What a fitted forecaster goes by: shares of gain of trees, of standardised coefficients of ridges, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl

from urbancast.models.additive import AdditivePoint
from urbancast.models.blend import BlendPoint
from urbancast.models.duration import DurationPoint
from urbancast.models.fitted import Point
from urbancast.models.gbm import BoosterPoint
from urbancast.models.linear import RidgePoint
from urbancast.models.reach import ReachPoint
from urbancast.models.seasonal import ColumnPoint

SCHEMA = {"part": pl.String, "feature": pl.String, "share": pl.Float64}
Part = tuple[str, Sequence[str], Any]  # name, features, weights


def of(point: Point) -> pl.DataFrame:
    """Part, feature and share of each, greatest first within its part (they add up to 1); empty where none is told."""
    frames = [_shares(*part) for part in _parts(point)]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])


def _parts(point: Point, within: str = "") -> Iterator[Part]:
    if isinstance(point, BlendPoint | ReachPoint):
        for i, (model, one) in enumerate(zip(point.models, point.points, strict=True)):
            yield from _parts(one, f"{within}{i + 1} {model} ")
    elif isinstance(point, BoosterPoint):
        yield f"{within}trees", point.names, np.mean([_gain(one) for one in point.boosters], axis=0)
        if point.ridge:
            yield from _parts(point.ridge, within)
    elif isinstance(point, DurationPoint):
        yield f"{within}centre", point.names, _gain(point.centre)
        yield f"{within}width", point.names, _gain(point.width)
    elif isinstance(point, RidgePoint):
        yield f"{within}ridge", point.names, np.abs(point.coefficients[1:])
    elif isinstance(point, AdditivePoint):
        yield f"{within}additive", point.names, np.abs(point.coefficients[-len(point.names) :])
    elif isinstance(point, ColumnPoint):
        yield f"{within}rule", [point.column], np.ones(1)


def _gain(booster: lgb.Booster) -> Any:
    return np.asarray(booster.feature_importance(importance_type="gain"), dtype=np.float64)


def _shares(part: str, names: Sequence[str], weights: Any) -> pl.DataFrame:
    total = float(weights.sum())
    rows = pl.DataFrame({"feature": list(names), "share": weights / total if total > 0 else weights})
    return rows.select(pl.lit(part).alias("part"), "feature", "share").sort(
        "share", "feature", descending=[True, False]
    )
