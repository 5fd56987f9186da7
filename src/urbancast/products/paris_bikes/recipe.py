"""The making: hourly counts with weather, published the next morning."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Recipe, Retraining, Source
from urbancast.core.time import local_clock
from urbancast.products import weather
from urbancast.products.paris_bikes.layouts import LAYOUTS, SCHEMA
from urbancast.products.paris_bikes.observe import observe
from urbancast.products.paris_bikes.product import COUNTS_LICENCE, PRODUCT, TZ, WEATHER_LICENCE
from urbancast.products.paris_bikes.synop import SYNOP


def publication(time: pl.Expr) -> pl.Expr:
    """Counts of a local day can be read the next morning at nine."""
    return local_clock(time, TZ, days=1, hour=9)


COUNTS = Source(
    name="counts",
    portal="opendatasoft",
    url="https://opendata.paris.fr",
    dataset="comptage-velo-donnees-compteurs",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=COUNTS_LICENCE,
    time="time",
    publication=publication,
    query={
        "format": "parquet",
        "select": "id_compteur,nom_compteur,id,name,sum_counts,date,coordinates",
        "order_by": "date,id_compteur",
        "time_field": "date",
        "tz": TZ,
    },
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(
        COUNTS,
        *weather.sources(
            latitude=PRODUCT.centre[1],
            longitude=PRODUCT.centre[0],
            licence=WEATHER_LICENCE,
            lead_days=(1, 2, 3, 4),
            extra=(SYNOP,),
        ),
    ),
    observe=observe,
    history=timedelta(days=396),
    context=timedelta(days=35),
    train_window=timedelta(days=366),
    calibration=timedelta(days=56),
    folds=Folds(count=2, every=timedelta(days=21)),
    fit_rows=200_000,
    primary="mae",
    baseline="climatology_scaled",
    retraining=Retraining(least_history=timedelta(days=180)),
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive"),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled"}),
    ),
    features=(
        Feature(name="calendar", params={"school_zone": "C"}),
        Feature(name="lag"),
        Feature(name="rolling"),
        Feature(name="profile"),
        Feature(name="weather"),
        Feature(name="place"),
        Feature(name="rules"),
    ),
    candidates=(
        Candidate(name="linear", model="linear"),
        Candidate(name="gbm", model="gbm"),
    ),
)
