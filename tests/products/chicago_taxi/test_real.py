from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from urbancast import products
from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import HOUR
from urbancast.geo import places
from urbancast.portals import layouts, media, read
from urbancast.products.chicago_taxi.recipe import PLACES, RECIPE, TRIPS

pytestmark = pytest.mark.real
PRODUCT = products.get("chicago_taxi")
Locate = Callable[[str], Path]


@pytest.fixture(scope="module")
def extract(shared_data: Locate) -> pl.DataFrame:
    path = shared_data("chicago/taxi_trips_2022-03-01.parquet")
    native = read.frame(path.read_bytes(), media.PARQUET)
    assert layouts.match(TRIPS, native).name == "extract"
    return layouts.parse_frame(TRIPS, native)


@pytest.fixture(scope="module")
def seen(extract: pl.DataFrame) -> Observed:
    context = ObserveContext(
        tz=PRODUCT.tz, grain=HOUR, places=places.schematic(PRODUCT), is_schematic=True, provenance="extract"
    )
    return RECIPE.observe({"trips": extract}, context)


def test_every_trip_of_a_day_has_one_fate(extract: pl.DataFrame, seen: Observed) -> None:
    assert extract.height == 14_636
    assert seen.used["trips"] + seen.quarantine.height + seen.repeated["trips"] == 14_636
    assert dict(seen.quarantine.group_by("rule").len().iter_rows()) == {
        "no_time": 1, "too_short": 824, "too_fast": 8, "too_slow": 40,
    }  # fmt: skip
    assert seen.observations.height == seen.used["trips"] == seen.observations["draw"].n_unique()


def test_long_trips_of_the_day_are_there(seen: Observed) -> None:
    minutes = seen.observations["value"]
    assert (minutes > 60).sum() == 169
    assert (minutes == 240).sum() == seen.notes["trips_censored"] == 4
    assert minutes.min() > 1  # type: ignore[operator]


def test_what_is_removed_is_told_by_pair_and_is_not_even(seen: Observed) -> None:
    assert seen.notes["share_removed"] == pytest.approx(0.0596, abs=1e-4)
    assert seen.notes["share_removed 32>8"] < 0.01
    assert seen.notes["share_removed 32>32"] > 0.15
    assert seen.notes["share_with_unknown_end"] == pytest.approx(0.1445, abs=1e-4)


def test_the_areas_of_the_file_are_those_of_the_product(shared_data: Locate) -> None:
    native = read.frame(shared_data("chicago/community_areas.geojson").read_bytes(), media.GEOJSON)
    parsed = layouts.parse_frame(PLACES, native)
    facts = places.read(PRODUCT.folder / "places.csv")
    assert parsed.height == 77
    assert (
        parsed.select("place", "name", "part_of")
        .sort("place")
        .equals(facts.select("place", "name", "part_of").sort("place"))
    )
    real = places.from_features(
        parsed, {name: name for name in ("place", "name", "part_of")}, kind=PRODUCT.shape_kind
    ).places.sort("place")
    assert ((real["lat"] - facts.sort("place")["lat"]).abs() < 0.01).all()
    assert set(real["kind"]) == {"zone"}
