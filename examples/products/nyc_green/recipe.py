"""The making: the commission's monthly files, one trip one draw of minutes; the same as any city's taxis."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Folds, Recipe, Retraining, Source
from urbancast.products import trips

from .layouts import LAYOUTS, SCHEMA  # noqa: TID252 - a folder outside a package knows no absolute name of its own
from .observe import observe, published  # noqa: TID252
from .product import PRODUCT, TRIPS_LICENCE  # noqa: TID252


def publication(time: pl.Expr) -> pl.Expr:
    """Trips of a local day are taken to be known as it ends."""
    return published(time)


TRIPS = Source(
    name="trips",
    portal="files",
    url="https://d37ci6vzurychx.cloudfront.net/trip-data",
    dataset="green_tripdata.parquet",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=TRIPS_LICENCE,
    time="time",
    publication=publication,
    look_back=timedelta(days=62),
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(TRIPS,),
    observe=observe,
    history=timedelta(days=200),
    context=timedelta(days=0),
    train_window=timedelta(days=430),
    calibration=timedelta(days=28),
    folds=Folds(count=2, every=timedelta(days=14), step=timedelta(days=4)),
    replay=timedelta(days=7),
    fit_rows=1_000_000,
    primary="pinball",
    baseline=trips.BASELINE,
    retraining=Retraining(least_history=timedelta(days=90), probation=timedelta(days=14)),
    rules=trips.RULES,
    features=trips.FEATURES,
    candidates=trips.CANDIDATES,
)
