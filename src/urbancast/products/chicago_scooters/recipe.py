"""The making: daily trips by area with weather, and what three days together need, from joint paths."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Candidate, Derived, Feature, Folds, Recipe, Retraining, Source
from urbancast.products import weather
from urbancast.products.chicago_scooters.layouts import LAYOUTS, PLACES_LAYOUTS, PLACES_SCHEMA, SCHEMA
from urbancast.products.chicago_scooters.observe import observe, published
from urbancast.products.chicago_scooters.product import (
    DAYS,
    PLACES_LICENCE,
    PRODUCT,
    TRIPS_LICENCE,
    TZ,
    WEATHER_LICENCE,
)


def publication(time: pl.Expr) -> pl.Expr:
    """Trips that start on a local day can be read the next day at six."""
    return published(time)


def need(days: Any) -> Any:
    """Trips of the busiest day plus net outflow of all days, never below zero; (…, days, (starts, net)) → (…)."""
    return np.maximum(days[..., 0].max(axis=-1) + days[..., 1].sum(axis=-1), 0)


def peak(days: Any) -> Any:
    """Trips of the busiest day; (…, days, (starts,)) → (…)."""
    return days[..., 0].max(axis=-1)


def outflow(days: Any) -> Any:
    """Net outflow of all days; (…, days, (net,)) → (…)."""
    return days[..., 0].sum(axis=-1)


TRIPS = Source(
    name="trips",
    portal="socrata",
    url="https://data.cityofchicago.org",
    dataset="2i5w-ykuw",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=TRIPS_LICENCE,
    time="time",
    publication=publication,
    query={
        "format": "json",
        "select": (
            "trip_id,start_time,end_time,trip_distance,trip_duration,vendor,"
            "start_community_area_number,end_community_area_number"
        ),
        "order": "start_time,trip_id",
        "time_field": "start_time",
        "tz": TZ,
    },
    chunk=timedelta(days=92),
    look_back=timedelta(days=10),
)
PLACES = Source(
    name="places",
    portal="files",
    url="https://data.cityofchicago.org/api/geospatial/cauq-8yn6?method=export&format=GeoJSON",
    dataset="cauq-8yn6",
    layouts=PLACES_LAYOUTS,
    schema=PLACES_SCHEMA,
    licence=PLACES_LICENCE,
    role="places",
    is_required=False,
)
# Half a year knows no season, and its few days must not be learnt by heart: a stiff ridge, shallow trees.
RIDGE = {"ridge": 0.1, "without": ["season_"]}
SHALLOW = {"num_leaves": 6, "rounds": 40, "min_data_in_leaf": 60}
COUNTED, SIGNED = ("starts",), ("net_outflow",)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(
        TRIPS,
        PLACES,
        *weather.sources(
            latitude=PRODUCT.centre[1], longitude=PRODUCT.centre[0], licence=WEATHER_LICENCE, lead_days=(1, 3, 5, 7)
        ),
    ),
    observe=observe,
    history=timedelta(days=182),
    context=timedelta(days=3),
    train_window=timedelta(days=400),
    calibration=timedelta(days=42),
    folds=Folds(count=2, every=timedelta(days=14)),
    replay=timedelta(days=14),
    primary="mae",
    baseline="climatology",
    retraining=Retraining(least_history=timedelta(days=120), window=timedelta(days=42), probation=timedelta(days=14)),
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive"),
        Candidate(name="mean8w", model="climatology", params={"rule": "mean8w"}),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled"}, measures=COUNTED),
    ),
    features=(
        Feature(name="calendar"),
        Feature(name="lag"),
        Feature(name="rolling"),
        Feature(name="profile"),
        Feature(name="weather"),
        Feature(name="place"),
        Feature(name="rules", params={"weeks": (8,)}),
    ),
    candidates=(
        Candidate(name="linear", model="linear", params=RIDGE, measures=COUNTED),
        Candidate(name="gbm", model="gbm", params={"linear": RIDGE, **SHALLOW}, measures=COUNTED),
        Candidate(name="additive", model="additive", measures=SIGNED),
    ),
    derived=(
        Derived(measure="need", parts=("starts", "net_outflow"), intervals=DAYS, combine=need),
        Derived(measure="peak_starts", parts=("starts",), intervals=DAYS, combine=peak),
        Derived(measure="outflow_3d", parts=("net_outflow",), intervals=DAYS, combine=outflow),
    ),
)
