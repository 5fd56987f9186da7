"""The making: daily starts by station, from the operator's trip files."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Recipe, Retraining, Source
from urbancast.core.time import local_clock

from .layouts import SCHEMA, STATION_LAYOUTS, STATIONS, TRIP_LAYOUTS  # noqa: TID252
from .observe import observe  # noqa: TID252
from .product import PRODUCT, TRIPS_LICENCE, TZ  # noqa: TID252


def publication(time: pl.Expr) -> pl.Expr:
    """Trips of a local day are known when it ends, as to the operator."""
    return local_clock(time, TZ, days=1, hour=0)


TRIPS = Source(
    name="trips",
    portal="files",
    url="https://s3.amazonaws.com/tripdata",
    dataset="jersey_city_trips.csv",
    layouts=TRIP_LAYOUTS,
    schema=SCHEMA,
    licence=TRIPS_LICENCE,
    time="time",
    publication=publication,
)
PLACES = Source(
    name="stations",
    portal="files",
    url="https://s3.amazonaws.com/tripdata",
    dataset="jersey_city_trips.csv",
    layouts=STATION_LAYOUTS,
    schema=STATIONS,
    licence=TRIPS_LICENCE,
    role="places",
    is_required=False,
)

RIDGE = {"ridge": 0.3, "without": ["season_"]}
SHALLOW = {"num_leaves": 6, "rounds": 40, "min_data_in_leaf": 60}
PROFILE = {"model": "climatology", "params": {"rule": "profile_scaled"}}

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(TRIPS, PLACES),
    observe=observe,
    history=timedelta(days=182),
    context=timedelta(days=60),
    train_window=timedelta(days=366),
    calibration=timedelta(days=28),
    folds=Folds(count=4, every=timedelta(days=7)),
    primary="mae",
    baseline="climatology",
    retraining=Retraining(least_history=timedelta(days=90), probation=timedelta(days=14)),
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive"),
        Candidate(name="mean8w", model="climatology", params={"rule": "mean8w"}),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled"}),
    ),
    features=(
        Feature(name="calendar"),
        Feature(name="lag"),
        Feature(name="rolling"),
        Feature(name="profile"),
        Feature(name="place"),
        Feature(name="rules", params={"weeks": (8,)}),
    ),
    # Half a year knows no season, and its few days must not be learnt by heart: a stiff ridge, shallow trees.
    candidates=(
        Candidate(name="linear", model="linear", params=RIDGE),
        Candidate(name="gbm", model="gbm", params={"linear": RIDGE, **SHALLOW}),
        Candidate(name="blend", model="blend", params={"of": [{"model": "linear", "params": RIDGE}, PROFILE]}),
    ),
)
