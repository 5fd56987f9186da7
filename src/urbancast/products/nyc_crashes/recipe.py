"""The making: injury crashes counted on the full grid of zones and hours, reported some days later."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Recipe, Source
from urbancast.products import weather
from urbancast.products.nyc_crashes.layouts import LAYOUTS, PLACES_LAYOUTS, PLACES_SCHEMA, SCHEMA
from urbancast.products.nyc_crashes.observe import observe, published
from urbancast.products.nyc_crashes.product import CRASHES_LICENCE, PLACES_LICENCE, PRODUCT, TZ, WEATHER_LICENCE


def publication(time: pl.Expr) -> pl.Expr:
    """Reports of a local day can be read three days after the next one, at six."""
    return published(time)


CRASHES = Source(
    name="crashes",
    portal="socrata",
    url="https://data.cityofnewyork.us",
    dataset="h9gi-nx95",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=CRASHES_LICENCE,
    time="time",
    publication=publication,
    query={
        "format": "json",
        "select": (
            "collision_id,crash_date,crash_time,latitude,longitude,number_of_persons_injured,number_of_persons_killed"
        ),
        "where": "number_of_persons_injured > 0 OR number_of_persons_killed > 0",
        "order": "crash_date,crash_time,collision_id",
        "time_field": "crash_date",
        "tz": TZ,
    },
    chunk=timedelta(days=366),
    look_back=timedelta(days=30),
)
PLACES = Source(
    name="places",
    portal="files",
    url="https://data.cityofnewyork.us/api/geospatial/8meu-9t5y?method=export&format=GeoJSON",
    dataset="8meu-9t5y",
    layouts=PLACES_LAYOUTS,
    schema=PLACES_SCHEMA,
    licence=PLACES_LICENCE,
    role="places",
    is_required=False,
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(
        CRASHES,
        PLACES,
        *weather.sources(
            latitude=PRODUCT.centre[1], longitude=PRODUCT.centre[0], licence=WEATHER_LICENCE, lead_days=(1, 3, 5, 7)
        ),
    ),
    observe=observe,
    history=timedelta(days=761),
    context=timedelta(days=190),
    train_window=timedelta(days=3 * 366),
    calibration=timedelta(days=92),
    folds=Folds(count=2, every=timedelta(days=42), step=timedelta(days=7)),
    fit_rows=600_000,
    primary="poisson_deviance",
    baseline="climatology",
    # k and window of the shrunk profile are chosen on the calibration days before the cut
    rules=(Candidate(name="climatology", model="climatology"),),
    features=(
        Feature(name="calendar"),
        Feature(name="rate"),
        Feature(name="weather"),
        Feature(name="place"),
    ),
    candidates=(
        Candidate(name="linear", model="linear"),
        Candidate(name="gbm", model="gbm"),
    ),
)
