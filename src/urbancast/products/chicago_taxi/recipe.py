"""The making: one trip one draw of minutes, published three weeks later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl

from urbancast.core.product import Feature, Folds, Recipe, Retraining, Source
from urbancast.products import trips, weather
from urbancast.products.chicago_taxi.layouts import LAYOUTS, PLACES_LAYOUTS, PLACES_SCHEMA, PORTAL_NAMES, SCHEMA
from urbancast.products.chicago_taxi.observe import observe, published
from urbancast.products.chicago_taxi.product import PLACES_LICENCE, PRODUCT, TRIPS_LICENCE, TZ, WEATHER_LICENCE


def publication(time: pl.Expr) -> pl.Expr:
    """Trips of a local day can be read three weeks later, at six."""
    return published(time)


TRIPS = Source(
    name="trips",
    portal="socrata",
    url="https://data.cityofchicago.org",
    dataset="wrvz-psew",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=TRIPS_LICENCE,
    time="time",
    publication=publication,
    query={
        "format": "csv",  # a third of the bytes of JSON
        "select": ",".join(PORTAL_NAMES.values()),
        "order": "trip_start_timestamp,trip_id",
        "time_field": "trip_start_timestamp",
        "tz": TZ,
    },
    chunk=timedelta(days=62),
    look_back=timedelta(days=32),
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
STEPS = {"rounds": 130, "spread_rounds": 50, "learning_rate": 0.09, "num_leaves": 15, "min_data_in_leaf": 400}

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
    history=timedelta(days=126),
    context=timedelta(days=1),
    train_window=timedelta(days=366),
    calibration=timedelta(days=28),
    folds=Folds(count=1, every=timedelta(days=42), step=timedelta(days=14)),
    # trips are known three weeks later: a replay of 14 days of truth begins 35 days ago
    replay=timedelta(days=35),
    replay_step=timedelta(days=7),
    fit_rows=90_000,
    primary="pinball",
    baseline=trips.BASELINE,
    # trips are known three weeks later: two weeks of truth judge a champion
    retraining=Retraining(
        least_history=timedelta(days=90),
        window=timedelta(days=60),
        rest=timedelta(days=14),
        probation=timedelta(days=35),
    ),
    rules=trips.RULES,
    # rain slows; temperature and wind of a season would only name its days
    features=(*trips.FEATURES, Feature(name="weather", params={"variables": ("precipitation",)})),
    # fewer, larger steps on larger leaves than elsewhere: what is known of a pair has said most of it
    candidates=tuple(replace(each, params={**STEPS, **each.params}) for each in trips.CANDIDATES),
)
