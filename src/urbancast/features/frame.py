"""The one builder of frames: training, backtest and serving cannot disagree."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Feature
from urbancast.core.time import local_hour_of_week
from urbancast.features.draws import Draws
from urbancast.features.known import History, Ints, Known, Targets
from urbancast.features.panel import Panel
from urbancast.features.rows import forecast_rows, training_rows

__all__ = ["FEATURES", "build", "columns", "forecast_rows", "training_rows", "with_reach"]

FEATURES = ("calendar", "lag", "rolling", "recent", "profile", "weather", "place", "rules", "rate", "pair", "annual")
HOUR_US = 3_600_000_000
Chosen = Sequence[tuple[ModuleType, dict[str, Any]]]


def build(panel: Panel, *, features: Sequence[Feature], measure: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (place, origin, time, …) with lead_h, reach_h and the columns of each feature, as known at each origin."""
    chosen = [(module(feature.name), dict(feature.params)) for feature in features]
    frame = (_of_draws if panel.measure(measure).draws else _of_cells)(panel, measure, rows, chosen)
    for part, params in chosen:
        if hasattr(part, "add"):
            frame = part.add(frame, panel, params)
    return frame.with_columns(signed=pl.lit(value=True)) if panel.measure(measure).signed else frame


def with_reach(panel: Panel, measure: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (place, origin, time, …) with lead_h and reach_h: hours from the place's newest value known at origin.

    Of a measure with draws, from the newest of any place.
    """
    return build(panel, features=(), measure=measure, rows=rows)


def columns(features: Sequence[Feature]) -> list[str]:
    """Names of the columns that these features add."""
    return [name for feature in features for name in module(feature.name).columns(dict(feature.params))]


def module(name: str) -> ModuleType:
    """Module of a feature by its name: ``columns(params)`` with ``at``, ``of_draws`` or ``add``, which give them."""
    if name not in FEATURES:
        raise ContractError(f"feature: expected one of {', '.join(FEATURES)}, found {name!r}; name one in the recipe")
    return importlib.import_module(f"urbancast.features.{name}")


def _of_cells(panel: Panel, measure: str, rows: pl.DataFrame, chosen: Chosen) -> pl.DataFrame:
    """Rows with lead_h, reach_h and the columns of what was known on the wall-clock axis."""
    frame, parts, history = _located(panel, measure, rows)
    at_origin = [(part, params) for part, params in chosen if hasattr(part, "at")]
    names = [name for part, params in at_origin for name in part.columns(params)]
    out = {name: np.full(frame.height, np.nan, dtype=np.float32) for name in names}
    reach = np.full(frame.height, np.nan, dtype=np.float32)
    origins, codes, cells, times = parts
    for known, where in _each_origin(history, origins):
        targets = Targets(codes[where], cells[where])
        reach[where] = _reach_h(known, targets, times[where])
        for part, params in at_origin:
            for name, values in part.at(known, targets, params).items():
                out[name][where] = values
    return _with_columns(frame, reach, out)


def _of_draws(panel: Panel, measure: str, rows: pl.DataFrame, chosen: Chosen) -> pl.DataFrame:
    """Rows with lead_h, reach_h (from the newest interval known of any place) and the columns of pairs."""
    history = Draws.of(panel, measure, also=rows["place"])
    code, how = history.numbered(rows["place"]), rows.select(local_hour_of_week("time", panel.tz)).to_series()
    hours, times = how.to_numpy().astype(np.int64), rows["time"].dt.epoch("us").to_numpy()
    at_origin = [(part, params) for part, params in chosen if hasattr(part, "of_draws")]
    names = [name for part, params in at_origin for name in part.columns(params)]
    out = {name: np.full(rows.height, np.nan, dtype=np.float32) for name in names}
    reach = np.full(rows.height, np.nan, dtype=np.float32)
    for known, where in _each_origin(history, rows["origin"].dt.epoch("us").to_numpy()):
        if known.newest_us >= 0:
            reach[where] = (times[where] - known.newest_us) / HOUR_US
        for part, params in at_origin:
            for name, values in part.of_draws(known, code[where], hours[where], params).items():
                out[name][where] = values
    return _with_columns(rows, reach, out)


def _with_columns(rows: pl.DataFrame, reach: Any, columns: dict[str, Any]) -> pl.DataFrame:
    return rows.with_columns(
        lead_h=((pl.col("time") - pl.col("origin")).dt.total_seconds() / 3600).cast(pl.Float32),
        reach_h=pl.Series(reach).fill_nan(None),
        **{name: pl.Series(values).fill_nan(None) for name, values in columns.items()},
    )


def _located(
    panel: Panel, measure: str, rows: pl.DataFrame
) -> tuple[pl.DataFrame, tuple[Ints, Ints, Ints, Ints], History]:
    history = History(panel, measure)
    codes = pl.DataFrame({"place": history.places, "_code": np.arange(len(history.places))})
    located = rows.join(codes, on="place", how="left", maintain_order="left")
    if located["_code"].null_count():
        strange = located.filter(pl.col("_code").is_null())["place"][0]
        raise ContractError(f"rows.place: expected a place of the panel, found {strange!r}; add it to places")
    arrays = (
        located["origin"].dt.epoch("us").to_numpy(),
        located["_code"].to_numpy(),
        history.axis.cells(located["time"]),
        located["time"].dt.epoch("us").to_numpy(),
    )
    return rows, arrays, history


def _each_origin(history: Any, origins: Ints) -> Iterator[tuple[Any, Ints]]:
    if not len(origins):
        return
    order = np.argsort(origins, kind="stable")
    starts, first = np.unique(origins[order], return_index=True)
    parts = np.split(order, first[1:])
    yield from zip(history.at(starts), parts, strict=True)


def _reach_h(known: Known, targets: Targets, times: Ints) -> Any:
    newest = known.last_us[targets.code]
    hours = (times - np.where(newest > 0, newest, 0)) / HOUR_US
    return np.where(known.last[targets.code] >= 0, hours, np.nan)
