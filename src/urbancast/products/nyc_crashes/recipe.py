"""The making: injury crashes counted on the full grid of zones and hours, reported some days later."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from urbancast.core.product import Candidate, Feature, Folds, Layout, Recipe, Retraining, Source
from urbancast.products import weather
from urbancast.products.nyc_crashes.layouts import LAYOUTS, PLACES_LAYOUTS, PLACES_SCHEMA, SCHEMA
from urbancast.products.nyc_crashes.observe import events, observe, published
from urbancast.products.nyc_crashes.product import (
    CRASHES_LICENCE,
    PLACES_LICENCE,
    PRODUCT,
    ROADS_LICENCE,
    TABLES_LICENCE,
    TZ,
    VOLUMES_LICENCE,
    WEATHER_LICENCE,
)
from urbancast.products.nyc_crashes.road_layouts import (
    EDGES_LAYOUTS,
    EDGES_SCHEMA,
    NODES_LAYOUTS,
    NODES_SCHEMA,
    ROADS_LAYOUTS,
    ROADS_SCHEMA,
    TIMES_SCHEMA,
    VOLUMES_LAYOUTS,
    VOLUMES_SCHEMA,
    Schema,
    times_layouts,
)


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


def _of_roads(name: str, layouts: tuple[Layout, ...], schema: Schema, *, url: str = "") -> Source:
    """Source of the roads: without a URL it is read from a file that is named, or from the sample."""
    licence = {"roads": ROADS_LICENCE, "volumes": VOLUMES_LICENCE}.get(name, TABLES_LICENCE)
    return Source(
        name=name,
        portal="files",
        url=url,
        dataset="" if url else f"roads_{name}",
        layouts=layouts,
        schema=schema,
        licence=licence,
        role="network",
        is_required=False,
    )


ROADS = (
    _of_roads("nodes", NODES_LAYOUTS, NODES_SCHEMA),
    _of_roads("edges", EDGES_LAYOUTS, EDGES_SCHEMA),
    _of_roads("times_week", times_layouts("weekday"), TIMES_SCHEMA),
    _of_roads("times_sat", times_layouts("saturday"), TIMES_SCHEMA),
    _of_roads("times_sun", times_layouts("sunday"), TIMES_SCHEMA),
    _of_roads(
        "roads", ROADS_LAYOUTS, ROADS_SCHEMA, url="https://download.bbbike.org/osm/bbbike/NewYork/NewYork.osm.pbf"
    ),
    _of_roads("volumes", VOLUMES_LAYOUTS, VOLUMES_SCHEMA),
)

RECIPE = Recipe(
    product=PRODUCT.id,
    sources=(
        CRASHES,
        PLACES,
        *ROADS,
        *weather.sources(
            latitude=PRODUCT.centre[1], longitude=PRODUCT.centre[0], licence=WEATHER_LICENCE, lead_days=(1, 3, 5, 7)
        ),
    ),
    observe=observe,
    events=events,
    history=timedelta(days=761),
    context=timedelta(days=190),
    train_window=timedelta(days=3 * 366),
    calibration=timedelta(days=92),
    folds=Folds(count=2, every=timedelta(days=42), step=timedelta(days=7)),
    fit_rows=600_000,
    primary="poisson_deviance",
    baseline="climatology",
    # Gains are small and crashes few: a season tells what a month cannot.
    retraining=Retraining(
        least_history=timedelta(days=365),
        every=timedelta(days=56),
        floor=-0.005,
        window=timedelta(days=92),
        rest=timedelta(days=28),
        probation=timedelta(days=28),
    ),
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
