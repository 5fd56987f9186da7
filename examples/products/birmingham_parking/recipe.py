"""The making: readings of car parks, half-hourly by day, forecast every hour for a week."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Recipe, Source

from .layouts import LAYOUTS, SCHEMA  # noqa: TID252 - a folder outside a package knows no absolute name of its own
from .observe import observe  # noqa: TID252
from .product import PRODUCT, READINGS_LICENCE  # noqa: TID252


def publication(time: pl.Expr) -> pl.Expr:
    """A reading is known when its half hour ends."""
    return time + pl.duration(minutes=30)


READINGS = Source(
    name="readings",
    portal="files",
    url="https://archive.ics.uci.edu/static/public/482",
    dataset="birmingham_readings.csv",
    layouts=LAYOUTS,
    schema=SCHEMA,
    licence=READINGS_LICENCE,
    time="time",
    publication=publication,
    look_back=timedelta(days=2),
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(READINGS,),
    observe=observe,
    history=timedelta(days=84),
    context=timedelta(days=2),
    train_window=timedelta(days=84),
    calibration=timedelta(days=14),
    folds=Folds(count=2, every=timedelta(days=7), step=timedelta(hours=3)),
    replay=timedelta(days=3),
    issue_step=timedelta(hours=1),
    primary="mae",
    baseline="seasonal_naive",
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive"),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled"}),
    ),
    features=(
        Feature(name="calendar"),
        Feature(name="lag"),
        Feature(name="rolling"),
        Feature(name="profile"),
        Feature(name="place"),
        Feature(name="rules"),
    ),
    candidates=(
        Candidate(name="linear", model="linear"),
        Candidate(name="gbm", model="gbm"),
    ),
)
