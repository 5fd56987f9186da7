from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.product import ObserveContext, Observed
from urbancast.core.tables import Observations
from urbancast.core.time import UTC_US, as_grain
from urbancast.evaluation import backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.portals import layouts

NOW = datetime(2025, 11, 6, 12, tzinfo=UTC)  # holds the end of summer time of both
Sent = Callable[[datetime], pl.DataFrame]


def observed(name: str, rows: pl.DataFrame, context: ObserveContext) -> Observed:
    recipe = products.recipe(name)
    return recipe.observe({recipe.sources[0].name: rows}, context)


def known_at(found: Observed, at: datetime) -> pl.DataFrame:
    key = ["place", "measure", "time", "draw"]
    rows = found.observations.filter(pl.col("available_at") <= at).sort(*key, "available_at")
    return rows.unique(key, keep="last").sort(key)


def panel(name: str, observations: pl.DataFrame) -> Panel:
    product = products.get(name)
    return Panel(
        observations=observations,
        places=observations.select("place").unique().sort("place"),
        tz=product.tz,
        grain=as_grain(product.grain),
        measures=product.measures,
        country=product.country,
        subdivision=product.subdivision,
        is_open=product.is_open,
    )


def test_an_example_is_found_beside_the_products_of_the_package(name: str) -> None:
    assert {name, "paris_bikes"} <= set(products.discover())
    assert products.failures() == {}
    assert products.recipe(name).product == name


def test_every_row_has_one_fate_and_dirt_is_told_in_the_card(name: str, sent: Sent, context: ObserveContext) -> None:
    rows = sent(NOW)
    found = observed(name, rows, context)
    source = products.recipe(name).sources[0].name
    assert found.used[source] + found.quarantine.height + found.repeated[source] == rows.height
    assert found.used[source] > 10_000
    assert found.repeated[source] > 0
    card = (products.get(name).folder / "card.md").read_text("utf-8")
    rules = set(found.quarantine["rule"])
    assert len(rules) >= 2
    assert all(f"`{rule}`" in card for rule in rules)


def test_observations_are_a_full_grid_of_what_is_promised(name: str, sent: Sent, context: ObserveContext) -> None:
    product, found = products.get(name), observed(name, sent(NOW), context).observations
    whole = found.with_columns(product=pl.lit(name), availability=pl.lit("declared"), run=pl.lit("test"))
    Observations.validate(whole, cast=True)
    assert found.schema["time"] == UTC_US
    local = found["time"].dt.convert_time_zone(product.tz)
    assert (local.dt.truncate(product.grain) == local).all()
    if product.is_open is not None:
        assert product.is_open(found["time"]).all()
        assert found["value"].is_between(0, 1).all()
    places = found.group_by("place").agg(pl.col("time").n_unique())["time"]
    assert places.min() > 0.9 * places.max()


def test_what_is_known_needs_nothing_published_later(name: str, sent: Sent, context: ObserveContext) -> None:
    rows, source = sent(NOW), products.recipe(name).sources[0]
    assert source.time is not None
    assert source.publication is not None
    published = source.publication(pl.col(source.time))
    for cut in (datetime(2025, 10, 14, 3, tzinfo=UTC), datetime(2025, 11, 3, 9, tzinfo=UTC)):
        then, now = (observed(name, part, context) for part in (rows.filter(published <= cut), rows))
        assert known_at(then, cut).height > 500
        assert_frame_equal(known_at(then, cut), known_at(now, cut))


def test_a_later_fetch_revises_and_rewrites_nothing(name: str, sent: Sent, context: ObserveContext) -> None:
    later = NOW + timedelta(days=6)
    first = observed(name, sent(NOW), context)
    both = observed(name, pl.concat([sent(NOW), sent(later)]), context)
    assert_frame_equal(known_at(first, NOW), known_at(both, NOW))
    assert both.observations.filter(pl.col("available_at") == later).height > 0


def test_a_fit_forecasts_every_place_over_the_horizon(name: str, sent: Sent, context: ObserveContext) -> None:
    product, recipe = products.get(name), products.recipe(name)
    whole = observed(name, sent(NOW), context).observations
    some = whole.filter(pl.col("place").is_in(sorted(set(whole["place"]))[:4]))
    window = timedelta(days=24 if product.grain == "30m" else 60)
    known = panel(name, some)
    plan = replace(Plan.of(recipe, product), train_window=window, calibration=window / 3, leads_each=1)
    cut = datetime(2025, 11, 5, 5, tzinfo=UTC)  # midnight in New York, five in the morning in Birmingham
    chosen = [recipe.rules[0], recipe.candidates[-1]]
    fitted = backtest.fit_all(known, plan, product.measure.id, chosen, cut)
    said = backtest.forecasts(known, plan, product.measure.id, fitted, [cut])
    intervals = 3 if product.grain == "1d" else 7 * 18
    assert said.filter(pl.col("candidate") == recipe.candidates[-1].name).height == 4 * intervals
    assert (said["q10"] <= said["q90"]).all()
    assert said["q05"].min() >= 0
    if product.measure.kind == "amount":
        assert said["q95"].max() <= 1


@pytest.mark.real
def test_real_trips_and_their_stations_are_read_from_one_file(shared_data: Callable[[str], Path]) -> None:
    native = pl.read_parquet(shared_data("trips/citibike_jersey_city_2016-01_06.parquet"))
    trips, stations = products.recipe("jersey_city_bikes").sources
    rows = layouts.parse_frame(trips, native)
    found = observed("jersey_city_bikes", rows, _extract("jersey_city_bikes"))
    assert (found.used["trips"], found.quarantine.height, found.repeated["trips"]) == (89_017, 0, 0)
    assert found.observations["value"].sum() == 89_017
    assert found.observations["place"].n_unique() == 35
    points = layouts.parse_frame(stations, native).drop_nulls("geometry")
    assert points["place"].n_unique() == points.height == 35


@pytest.mark.real
def test_every_real_reading_is_used_repeated_or_refused(shared_data: Callable[[str], Path]) -> None:
    native = pl.read_parquet(shared_data("parking/birmingham_2016-10_12.parquet"))
    rows = layouts.parse_frame(products.recipe("birmingham_parking").sources[0], native)
    found = observed("birmingham_parking", rows, _extract("birmingham_parking"))
    refused = dict(found.quarantine["rule"].value_counts().iter_rows())
    assert refused == {"closed": 21, "conflict": 52, "negative": 12}
    assert found.used["readings"] + found.repeated["readings"] + found.quarantine.height == rows.height == 35_717
    assert found.observations.select("place", "time").is_duplicated().sum() == 0
    assert found.observations["value"].is_between(0, 1).all()


def _extract(name: str) -> ObserveContext:
    product = products.get(name)
    grain = as_grain(product.grain)
    return ObserveContext(tz=product.tz, grain=grain, places=pl.DataFrame(), is_schematic=False, provenance="extract")
