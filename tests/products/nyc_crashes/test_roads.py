"""The simulated roads: whole, pure, in the native tables, and neutral between neighbourhoods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.product import Window
from urbancast.geo import outline, pieces, places, shares
from urbancast.geo.network import Network
from urbancast.portals import layouts, media, read
from urbancast.products.nyc_crashes import recipe as making
from urbancast.products.nyc_crashes.observe import events
from urbancast.products.nyc_crashes.road_layouts import HOURS
from urbancast.products.nyc_crashes.roads import Roads, datasets

PRODUCT = products.get("nyc_crashes")
SAMPLE = products.sample("nyc_crashes")
SOURCES = {source.name: source for source in making.ROADS}
ALL = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    """Canonical tables, read from the bytes that the emulator would send."""
    found = {}
    for dataset in datasets(SAMPLE.SEED):
        name = dataset["id"].removeprefix("roads_")
        text = dataset["rows"](ALL).write_csv(include_header=dataset["has_header"])
        found[name] = layouts.parse_frame(SOURCES[name], read.frame(text.encode(), media.CSV))
    return found


@pytest.fixture(scope="module")
def network(tables: dict[str, pl.DataFrame]) -> Network:
    return network_of(tables)


def network_of(tables: dict[str, pl.DataFrame]) -> Network:
    wide = pl.concat([tables[f"times_{day}"] for day in ("week", "sat", "sun")])
    times = wide.unpivot(HOURS, index=["link", "day_type"], variable_name="hour", value_name="seconds")
    times = times.with_columns(hour=pl.col("hour").str.slice(1).cast(pl.Int64))
    return Network.of_tables(tables["nodes"], tables["edges"], times)


def test_every_street_can_be_reached_from_every_other(network: Network, tables: dict[str, pl.DataFrame]) -> None:
    assert 2_000 < tables["nodes"].height < 6_000
    assert network.counts["nodes_used"] == tables["nodes"].height
    assert network.counts["links_used"] == tables["edges"].height
    assert network.counts["times_clipped"] == 0


def test_streets_lie_in_the_served_area_but_for_bridges(network: Network) -> None:
    served = outline.read(PRODUCT.folder).buffer(0.002)
    wet = ~shapely.covers(served, network.lines)
    assert 0 < wet.sum() < 0.01 * network.links
    assert network.length_m[wet].max() < 10_000


def test_roads_are_slower_where_and_when_people_drive(network: Network) -> None:
    speed = network.length_m / network.seconds
    weekday = speed[0].mean(axis=1)
    assert weekday[17] < 0.75 * weekday[3]
    assert speed[2].mean() > speed[0].mean()


def test_the_same_seed_makes_the_same_roads_and_another_others() -> None:
    one, again, other = (Roads(seed).nodes(ALL) for seed in (1, 1, 2))
    assert_frame_equal(one, again)
    assert not one.equals(other)


def test_tables_with_and_without_a_header_read_alike(tables: dict[str, pl.DataFrame]) -> None:
    for dataset in datasets(SAMPLE.SEED):
        name = dataset["id"].removeprefix("roads_")
        frame = dataset["rows"](ALL)
        named = layouts.parse_frame(SOURCES[name], read.frame(frame.write_csv().encode(), media.CSV))
        assert_frame_equal(named, tables[name])


def test_trips_differ_between_zones_by_area_alone(tables: dict[str, pl.DataFrame]) -> None:
    area = places.read(PRODUCT.folder / "places.csv").sort("place")["area_km2"].to_numpy()
    total = tables["volumes"].group_by("place").agg(pl.col("trips").sum()).sort("place")["trips"].to_numpy()
    ratio = total / np.sqrt(area)
    assert ratio.max() / ratio.min() < 1.001
    assert tables["volumes"].group_by("place").len()["len"].unique().to_list() == [168]


def test_simulated_crashes_fall_on_streets_of_their_own_zone(network: Network) -> None:
    zones = places.schematic(PRODUCT)
    city: Any = SAMPLE.City(SAMPLE.SEED)
    native = city.rows(Window(start=ALL.start, end=ALL.start + (ALL.end - ALL.start) / 2))
    canonical = (
        layouts.parse_frame(making.CRASHES, native)
        .with_row_index("_row")
        .with_columns(pl.col("_row").cast(pl.Int64), fetched_at=pl.lit(ALL.end).cast(pl.Datetime("us", "UTC")))
    )
    found = events({"crashes": canonical})
    built = shares.build(network, pieces.cut(network, zones), zones, found)
    assert found.height > 1_000
    assert built.facts["events_on_streets"] > 0.97 * built.facts["events_in_zones"]
    assert (built.share_of_place < 1 + 1e-9).all()


def test_events_are_reports_that_count_once_each_known_when_published() -> None:
    row = {"lat": 40.7, "lon": -73.9, "injured": 1, "killed": 0, "local": datetime(2022, 3, 1, 8),
           "time": datetime(2022, 3, 1, 13, tzinfo=UTC), "fetched_at": datetime(2022, 4, 1, tzinfo=UTC)}  # fmt: skip
    rows = [
        row | {"id": "1"}, row | {"id": "1", "fetched_at": datetime(2022, 5, 1, tzinfo=UTC), "lat": 40.71},
        row | {"id": "2", "injured": 0}, row | {"id": "3", "lat": None, "lon": None},
    ]  # fmt: skip
    schema = {**making.SCHEMA, "fetched_at": pl.Datetime("us", "UTC")}
    found = events({"crashes": pl.DataFrame(rows, schema=schema)})
    assert found.select("lat", "lon").rows() == [(40.7, -73.9)]
    assert found["available_at"][0] == datetime(2022, 3, 5, 11, tzinfo=UTC)  # 06:00 in New York


@pytest.mark.real
def test_manhattan_shares_follow_three_years_of_reports(shared_data: Callable[[str], Path]) -> None:
    read_csv = {"nodes": "points", "edges": "edges", "times_week": "week", "times_sat": "sat", "times_sun": "sun"}
    tables = {
        name: layouts.parse_frame(
            SOURCES[name], read.frame(shared_data(f"network/manhattan_{file}.csv").read_bytes(), media.CSV)
        )
        for name, file in read_csv.items()
    }
    network = network_of(tables)
    assert (network.counts["nodes_used"], network.counts["links_used"]) == (4_091, 9_452)
    native = read.frame(shared_data("nyc/taxi_zones.geojson").read_bytes(), media.GEOJSON)
    columns = {"place": "place", "name": "name", "part_of": "part_of"}
    zones = places.from_features(layouts.parse_frame(making.PLACES, native), columns).places
    path = shared_data("nyc/injury_crashes_2020_2022.parquet")
    crashes = layouts.parse_frame(making.CRASHES, read.frame(path.read_bytes(), media.PARQUET))
    built = shares.build(network, pieces.cut(network, zones), zones, events({"crashes": crashes}))
    assert built.facts["events"] == 97_071
    assert built.facts["events_on_streets"] > 14_000
    assert (built.share_of_place < 1 + 1e-9).all()
    assert built.events.sum() == pytest.approx(built.facts["events_on_streets"])
    scores = built.facts["log_likelihood"]
    assert scores[f"{built.facts['k']:g}"] == max(scores.values())
    assert max(scores.values()) > scores["1"] + 0.05  # shrinking is worth it
