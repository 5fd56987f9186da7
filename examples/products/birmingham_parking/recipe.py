"""The making: readings of car parks, half-hourly by day, forecast every hour for a week."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Recipe, Retraining, Source

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

MOST = {"most": 1.0}  # a share
USUAL = "rule_seasonal_naive+profile"  # the mean of last week and of the last weeks
HALF_LIFE = {"half_life_weeks": 2.0}
DAYS = ["season_", "is_", "city_"]  # ten weeks have too few days to learn what is special about one
NEAR = {"base": USUAL, "least_miss": 0.02, "ridge": 0.05, "without": DAYS}
DAY = {"base": USUAL, "least_miss": 0.02, "ridge": 0.02, "without": [*DAYS, "level_"]}
LAST_WEEK = {"base": "rule_seasonal_naive", "least_miss": 0.02, "ridge": 0.3, "without": DAYS}
WEEK = {"base": "rule_seasonal_naive+rule_mean4w", "least_miss": 0.02, "ridge": 5.0, "without": [*DAYS, "level_"]}
TREES = {"without": ["season_", "city_", "level_", "place_lat", "place_lon"], "num_leaves": 24, "min_data_in_leaf": 50}
NEXT_DAY = [
    {"model": "gbm", "params": {**TREES, "linear": DAY, "rounds": 60, "num_leaves": 12}},
    {"model": "linear", "params": LAST_WEEK},
    {"model": "climatology", "params": {"rule": "mean4w_scaled"}},
]
BY_REACH = {
    "calibration_blocks": 3,
    **MOST,
    "of": [
        {"to_h": 4, "model": "gbm", "params": {**TREES, "linear": NEAR, "rounds": 150, "share": 0.9, "seeds": 3}},
        {"to_h": 36, "model": "blend", "params": {"of": NEXT_DAY}},
        {"model": "linear", "params": WEEK},
    ],
}

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(READINGS,),
    observe=observe,
    history=timedelta(days=84),
    context=timedelta(days=2),
    train_window=timedelta(days=84),
    calibration=timedelta(days=21),
    folds=Folds(count=2, every=timedelta(days=7), step=timedelta(hours=5)),
    replay=timedelta(days=3),
    issue_step=timedelta(hours=1),
    leads_each=3,
    lead_power=3.0,
    primary="mae",
    baseline="seasonal_naive",
    retraining=Retraining(least_history=timedelta(days=56), every=timedelta(days=7), window=timedelta(days=14)),
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive", params=MOST),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w", **MOST}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled", **MOST}),
    ),
    features=(
        Feature(name="calendar"),
        Feature(name="lag"),
        Feature(name="rolling"),
        Feature(name="recent", params=HALF_LIFE),
        Feature(name="profile", params=HALF_LIFE),
        Feature(name="place"),
        Feature(name="rules"),
    ),
    candidates=(
        Candidate(name="linear", model="linear", params={**DAY, **MOST}),
        Candidate(name="by_reach", model="reach", params=BY_REACH),
    ),
)
