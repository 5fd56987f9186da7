"""The making: tickets a quarter, known 60 days after it; spaces by vintage; everything learnt at a reach of months."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Layout, Licence, Recipe, Retraining, Source
from urbancast.products import weather
from urbancast.products.madrid_parking import layouts
from urbancast.products.madrid_parking.attributes import attributes
from urbancast.products.madrid_parking.observe import observe, published
from urbancast.products.madrid_parking.product import (
    PLACES_LICENCE,
    PRODUCT,
    SPACES_LICENCE,
    TICKETS_LICENCE,
    WEATHER_LICENCE,
)
from urbancast.products.madrid_parking.regulated import TZ

PORTAL = "https://datos.madrid.es/egob/catalogo/{name}"
VINTAGES = ("spaces_2020", "spaces_2022_04", "spaces_2023_08")
METER_VINTAGES = ("meters_2020", "meters_2022_04")


def publication(time: pl.Expr) -> pl.Expr:
    """Tickets of a quarter can be read 60 days after its end."""
    return published(time)


TICKETS = Source(
    name="tickets",
    portal="files",
    url=PORTAL,
    dataset="tickets",
    layouts=(layouts.TICKETS,),
    schema=layouts.TICKETS_SCHEMA,
    licence=TICKETS_LICENCE,
    time="time",
    publication=publication,
    query={"every": "quarter", "tz": TZ},
    rhythm=timedelta(days=91),
    look_back=timedelta(days=160),  # the newest quarter that can be known began up to 244 days ago
    is_streamed=True,
)


def _table(
    name: str,
    layout: Layout,
    schema: layouts.Schema,
    licence: Licence,
    *,
    files: tuple[str, ...],
    role: Literal["facts", "places"] = "facts",
) -> Source:
    return Source(
        name=name,
        portal="files",
        url=PORTAL,
        dataset=name,
        layouts=(layout,),
        schema=schema,
        licence=licence,
        role=role,
        query={"files": files},
        rhythm=timedelta(days=7),
        is_required=False,
    )


RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(
        TICKETS,
        _table("spaces", layouts.SPACES, layouts.SPACES_SCHEMA, SPACES_LICENCE, files=VINTAGES),
        _table("meters", layouts.METERS, layouts.METERS_SCHEMA, SPACES_LICENCE, files=METER_VINTAGES),
        _table("limit", layouts.LIMIT, layouts.LIMIT_SCHEMA, PLACES_LICENCE, files=("limit",)),
        _table(
            "places", layouts.PLACES, layouts.PLACES_SCHEMA, PLACES_LICENCE, files=("neighbourhoods",), role="places"
        ),
        *weather.sources(
            latitude=PRODUCT.centre[1], longitude=PRODUCT.centre[0], licence=WEATHER_LICENCE, lead_days=(1, 3, 7)
        ),
    ),
    observe=observe,
    attributes=attributes,
    # With the look-back some 860 days: a cut a year ago knows half a year of calibration and training before it.
    history=timedelta(days=700),
    context=timedelta(days=5),
    train_window=timedelta(days=3 * 366),
    calibration=timedelta(days=212),  # the newest truth is 60 to 152 days old: at least 60 days of it
    folds=Folds(count=2, every=timedelta(days=182), step=timedelta(days=42)),
    replay=timedelta(days=364),
    replay_step=timedelta(days=28),
    fit_rows=30_000,
    primary="mae",
    baseline="climatology",
    # Truth comes a quarter at a time, two to five months late: what a training is worth shows as slowly.
    retraining=Retraining(
        least_history=timedelta(days=560),
        every=timedelta(days=91),
        window=timedelta(days=364),
        rest=timedelta(days=60),
        probation=timedelta(days=182),
    ),
    rules=(
        Candidate(name="seasonal_naive", model="seasonal_naive"),
        Candidate(name="climatology", model="climatology", params={"rule": "mean4w"}),
        Candidate(name="climatology_scaled", model="climatology", params={"rule": "mean4w_scaled"}),
    ),
    features=(
        Feature(name="calendar"),
        Feature(name="lag"),
        Feature(name="profile"),
        Feature(name="annual"),
        Feature(name="weather"),
        Feature(name="place"),
        Feature(name="rules"),
    ),
    candidates=(
        Candidate(name="linear", model="linear"),
        Candidate(name="gbm", model="gbm"),
    ),
)
