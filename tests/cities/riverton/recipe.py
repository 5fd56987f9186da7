"""The making of Riverton: two months of counts, small models."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Layout, Recipe, Retraining, Source
from urbancast.core.time import UTC_US, local_clock

from .observe import observe  # noqa: TID252 - a folder outside a package knows no absolute name of its own
from .product import LICENCE, PRODUCT  # noqa: TID252

COUNTS = Source(
    name="counts",
    portal="opendatasoft",
    url="https://riverton.example.org",
    dataset="riverton-counts",
    layouts=(
        Layout(
            name="fields",
            columns=("counter", "at", "bikes"),
            parse=lambda native: native.select(
                place=pl.col("counter"), time=pl.col("at").cast(UTC_US), value=pl.col("bikes").cast(pl.Float64)
            ),
        ),
    ),
    schema={"place": pl.String, "time": UTC_US, "value": pl.Float64},
    licence=LICENCE,
    time="time",
    publication=lambda time: local_clock(time, PRODUCT.tz, days=1, hour=9),
    query={"format": "parquet", "order_by": "at,counter", "time_field": "at", "tz": PRODUCT.tz},
    look_back=timedelta(days=3),
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(COUNTS,),
    observe=observe,
    features=tuple(Feature(name=name) for name in ("calendar", "lag", "rolling", "profile", "place", "rules")),
    rules=(
        Candidate(name="climatology", model="climatology"),
        Candidate(name="seasonal_naive", model="seasonal_naive"),
    ),
    candidates=(
        Candidate(name="linear", model="linear"),
        Candidate(name="gbm", model="gbm", params={"rounds": 20, "num_leaves": 7}),
    ),
    baseline="seasonal_naive",
    primary="mae",
    history=timedelta(days=70),
    context=timedelta(days=2),
    train_window=timedelta(days=60),
    calibration=timedelta(days=14),
    folds=Folds(count=2, every=timedelta(days=4)),
    replay=timedelta(days=3),
    retraining=Retraining(least_history=timedelta(days=40)),
)
