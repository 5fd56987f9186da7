"""Backtest counts of your own: a panel in, forecasts and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate, Feature, Measure, Text
from urbancast.core.time import UTC_US, as_grain, as_utc
from urbancast.evaluation import backtest as replay, folds
from urbancast.features.panel import COVARIATES_SCHEMA, Panel
from urbancast.features.plan import Plan

REFIT = timedelta(days=28)
CANDIDATES: dict[str, Candidate] = {
    "seasonal_naive": Candidate(name="seasonal_naive", model="seasonal_naive"),
    "climatology": Candidate(name="climatology", model="climatology", params={"rule": "profile"}),
    "climatology_scaled": Candidate(name="climatology_scaled", model="climatology", params={"rule": "profile_scaled"}),
    "mean4w": Candidate(name="mean4w", model="climatology", params={"rule": "mean4w"}),
    "mean4w_scaled": Candidate(name="mean4w_scaled", model="climatology", params={"rule": "mean4w_scaled"}),
    "linear": Candidate(name="linear", model="linear"),
    "gbm": Candidate(name="gbm", model="gbm"),
}
FEATURES = ("calendar", "lag", "rolling", "profile", "rules", "place")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def backtest(  # noqa: PLR0913 — the public contract
    panel: pl.DataFrame,
    *,
    grain: str,
    tz: str,
    horizon: str | timedelta,
    origins: Sequence[datetime],
    candidates: Sequence[str | Candidate] = ("seasonal_naive", "climatology", "gbm"),
    covariates: pl.DataFrame | None = None,
) -> replay.Backtest:
    """Rolling-origin backtest as known at each origin; the first candidate is the baseline of the scores.

    ``panel``: place, time (UTC), value [, measure, draw, available_at (default time + grain)].
    ``origins``: aware datetimes; refitted every 28 days of origins, not at each.
    """
    step = as_grain(grain)
    observations = _observations(panel, step)
    names = sorted(observations["measure"].unique().to_list())
    text: Text = {"en": "", "es": "", "fr": ""}
    whole = Panel(
        observations=observations,
        places=observations.select("place").unique().sort("place"),
        tz=tz,
        grain=step,
        measures=tuple(Measure(id=name, label=text, unit=text) for name in names),
        covariates=_covariates(covariates),
    )
    chosen = [_candidate(candidate) for candidate in candidates]
    if not chosen:
        raise ContractError(f"candidates: expected at least one of {', '.join(CANDIDATES)}, found none; name one")
    cuts = folds.by_cut(_origins(origins), REFIT)
    plan = _plan(observations, covariates, span(horizon), min(cuts))
    runs = [replay.run(whole, plan, name, chosen, cuts) for name in names]
    return replay.Backtest(
        forecasts=pl.concat([one.forecasts for one in runs]),
        losses=pl.concat([one.losses for one in runs]),
        baseline=chosen[0].name,
    )


def span(text: str | timedelta) -> timedelta:
    """Length of time such as ``72h``, ``14d`` or ``30m``."""
    if isinstance(text, timedelta):
        length = text
    elif text[-1:] in _SPANS and text[:-1].isdigit():
        length = timedelta(**{_SPANS[text[-1]]: int(text[:-1])})
    else:
        raise ContractError(f"horizon: expected a length such as 72h or 14d, found {text!r}; write it so")
    if length <= timedelta():
        raise ContractError(f"horizon: expected a positive length, found {text!r}; give one, such as 72h")
    return length


def _plan(observations: pl.DataFrame, covariates: pl.DataFrame | None, horizon: timedelta, cut: datetime) -> Plan:
    first: datetime = observations.sort("time")["time"][0]
    history = cut - first
    if history < timedelta(days=14):
        raise ContractError(
            f"origins: expected the first at least 14 days after the panel starts ({first}), found {cut}; "
            "give later origins or a longer history"
        )
    features = [Feature(name=name) for name in FEATURES]
    if covariates is not None and covariates.height:
        variables = tuple(sorted(covariates["variable"].unique().to_list()))
        features.append(Feature(name="weather", params={"variables": variables}))
    calibration = max(timedelta(days=3), min(timedelta(days=28), history / 4))
    return Plan(features=tuple(features), horizon=horizon, calibration=calibration)


def _observations(panel: pl.DataFrame, grain: timedelta) -> pl.DataFrame:
    wanted = {"place", "time", "value"}
    if missing := wanted - set(panel.columns):
        found = ", ".join(panel.columns)
        raise ContractError(
            f"panel: expected columns place, time, value, found {found}; add {', '.join(sorted(missing))}"
        )
    rows = panel.with_columns(time=_utc(panel, "time"), value=_value(panel))
    if "available_at" in rows.columns:
        rows = rows.with_columns(available_at=_utc(panel, "available_at"))
    else:
        rows = rows.with_columns(available_at=pl.col("time") + grain)
    late = rows.filter(pl.col("available_at") <= pl.col("time"))
    if late.height:
        example = late.row(0, named=True)
        raise ContractError(
            f"panel.available_at: expected later than time, found {example['available_at']} for the interval that "
            f"starts at {example['time']}; a value is known after its interval starts"
        )
    if "measure" not in rows.columns:
        rows = rows.with_columns(measure=pl.lit("value"))
    if "draw" not in rows.columns:
        rows = rows.with_columns(draw=pl.lit(0, pl.Int64))
    names = ["place", "measure", "time", "draw", "value", "available_at"]
    rows = rows.select(names).with_columns(pl.col("place", "measure").cast(pl.String), pl.col("draw").cast(pl.Int64))
    return _unique(rows)


def _unique(rows: pl.DataFrame) -> pl.DataFrame:
    key = ["place", "measure", "time", "draw", "available_at"]
    twice = rows.filter(rows.select(key).is_duplicated())
    if twice.height:
        found = twice.row(0, named=True)
        raise ContractError(
            f"panel: expected one row per place, measure, time, draw and available_at, found {twice.height} repeated, "
            f"such as {found['place']} at {found['time']}; sum or drop them"
        )
    return rows


def _value(panel: pl.DataFrame) -> pl.Series:
    column = panel["value"]
    if not column.dtype.is_numeric():
        raise ContractError(f"panel.value: expected numbers, found {column.dtype}; cast it")
    value = column.cast(pl.Float64)
    strange = int(((~value.is_finite()) | (value < 0)).sum() or 0)
    if strange:
        raise ContractError(
            f"panel.value: expected finite numbers ≥ 0, found {strange} NaN, infinite or negative; "
            "leave out what is missing, or use null for a withdrawn value"
        )
    return value


def _utc(panel: pl.DataFrame, name: str) -> pl.Expr:
    dtype = panel.schema[name]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise ContractError(f"panel.{name}: expected Datetime with a time zone, found {dtype}; say which, such as UTC")
    if panel[name].null_count():
        raise ContractError(
            f"panel.{name}: expected a time in every row, found {panel[name].null_count()} null; drop them"
        )
    return pl.col(name).dt.convert_time_zone("UTC").cast(UTC_US)


def _covariates(given: pl.DataFrame | None) -> pl.DataFrame:
    if given is None:
        return pl.DataFrame(schema=COVARIATES_SCHEMA)
    wanted = ("variable", "time", "value", "available_at")
    if missing := [name for name in wanted if name not in given.columns]:
        raise ContractError(
            f"covariates: expected columns {', '.join(wanted)} [, place, issued_at, kind], found "
            f"{', '.join(given.columns)}; add {', '.join(missing)}"
        )
    defaults = {"place": pl.lit(""), "issued_at": pl.col("available_at"), "kind": pl.lit("issued")}
    full = given.with_columns(**{name: value for name, value in defaults.items() if name not in given.columns})
    return full.select(COVARIATES_SCHEMA.keys()).cast(pl.Schema(COVARIATES_SCHEMA))


def _origins(origins: Sequence[datetime]) -> list[datetime]:
    if not origins:
        raise ContractError("origins: expected at least one aware datetime, found none; say when forecasts are made")
    return [as_utc(origin) for origin in origins]


def _candidate(candidate: str | Candidate) -> Candidate:
    if isinstance(candidate, Candidate):
        return candidate
    if candidate not in CANDIDATES:
        raise ContractError(
            f"candidate: expected one of {', '.join(CANDIDATES)}, found {candidate!r}; name one of them"
        )
    return CANDIDATES[candidate]
