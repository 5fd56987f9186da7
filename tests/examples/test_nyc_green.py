"""Green taxi trips: what becomes a draw, what is refused, when it is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.product import ObserveContext, Observed, Window
from urbancast.core.time import as_grain
from urbancast.geo import places

NOON = datetime(2023, 3, 8, 12)


def native(**changes: object) -> pl.DataFrame:
    """One plausible trip of 12 minutes, local noon, from zone 74 to 75."""
    told = {
        "VendorID": 2,
        "lpep_pickup_datetime": NOON,
        "lpep_dropoff_datetime": NOON + timedelta(minutes=12),
        "PULocationID": 74,
        "DOLocationID": 75,
        "passenger_count": 1.0,
        "trip_distance": 1.5,
        "fare_amount": 9.0,
        "total_amount": 12.0,
        "source_month": "2023-03",
    }
    return pl.DataFrame([told | changes])


def observed(rows: pl.DataFrame, *, is_native: bool = True) -> Observed:
    product, recipe = products.get("nyc_green"), products.recipe("nyc_green")
    shapes = places.schematic(product)
    context = ObserveContext(
        tz=product.tz, grain=as_grain(product.grain), places=shapes, is_schematic=True, provenance="extract"
    )
    parsed = recipe.sources[0].layouts[0].parse(rows) if is_native else rows
    return recipe.observe({"trips": parsed}, context)


def test_a_trip_is_a_draw_of_its_pair_and_hour_known_as_the_day_ends() -> None:
    row = observed(native()).observations.row(0, named=True)
    assert (row["place"], row["measure"], row["value"]) == ("74>75", "minutes", 12.0)
    assert row["time"] == datetime(2023, 3, 8, 17, tzinfo=UTC)
    assert row["available_at"] == datetime(2023, 3, 9, 5, tzinfo=UTC)
    assert row["draw"] > 0


def test_a_trip_past_midnight_is_known_when_it_has_ended() -> None:
    start = datetime(2023, 3, 8, 23, 50)
    found = observed(
        native(lpep_pickup_datetime=start, lpep_dropoff_datetime=start + timedelta(minutes=55))
    ).observations
    assert found["available_at"].item() == datetime(2023, 3, 9, 5, 45, tzinfo=UTC)


def test_a_trip_across_the_change_of_clocks_has_its_true_length() -> None:
    spring = native(
        lpep_pickup_datetime=datetime(2023, 3, 12, 1, 50), lpep_dropoff_datetime=datetime(2023, 3, 12, 3, 5)
    )
    assert observed(spring).observations["value"].item() == 15.0


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("too_short", {"lpep_dropoff_datetime": NOON + timedelta(seconds=60)}),
        ("refund", {"fare_amount": -9.0}),
        ("too_fast", {"trip_distance": 40.0}),
        ("too_slow", {"lpep_dropoff_datetime": NOON + timedelta(hours=3)}),
        ("too_long", {"lpep_dropoff_datetime": NOON + timedelta(hours=7), "trip_distance": 0.0}),
        ("stray", {"source_month": "2023-02"}),
        ("no_time", {"lpep_dropoff_datetime": None}),
    ],
)
def test_what_tells_no_duration_is_refused_by_name(rule: str, changes: dict[str, object]) -> None:
    found = observed(native(**changes).with_columns(pl.col("lpep_dropoff_datetime").cast(pl.Datetime("us"))))
    assert found.quarantine["rule"].to_list() == [rule]
    assert found.observations.is_empty()
    assert f"`{rule}`" in (products.get("nyc_green").folder / "card.md").read_text("utf-8")


def test_a_long_trip_is_kept_at_its_whole_length() -> None:
    found = observed(native(lpep_dropoff_datetime=NOON + timedelta(minutes=95), trip_distance=22.0))
    assert found.observations["value"].item() == 95.0


@pytest.mark.parametrize(
    ("ends", "pair"), [((57, 105), "56>103"), ((264, 75), ">75"), ((74, 265), "74>"), ((999, 1), ">1")]
)
def test_numbers_that_are_no_zone_of_their_own_are_told_as_what_they_are(ends: tuple[int, int], pair: str) -> None:
    found = observed(native(PULocationID=ends[0], DOLocationID=ends[1]))
    assert found.observations["place"].item() == pair


def test_a_row_said_twice_is_repeated_and_every_row_has_one_fate() -> None:
    rows = pl.concat([native(), native(), native(fare_amount=-1.0), native(PULocationID=80)])
    found = observed(rows)
    assert (found.used["trips"], found.repeated["trips"], found.quarantine.height) == (2, 1, 1)
    assert found.observations["draw"].n_unique() == 2


def test_the_simulation_is_the_same_through_any_window_and_its_dirt_is_refused() -> None:
    rows = products.sample("nyc_green").datasets()[0]["rows"]
    start = datetime(2025, 10, 1, tzinfo=UTC)
    days = [rows(Window(start=start + timedelta(days=i), end=start + timedelta(days=i + 1))) for i in range(5)]
    whole = rows(Window(start=start, end=start + timedelta(days=5)))
    assert_frame_equal(pl.concat(days), whole)
    found = observed(whole)
    assert {"too_short", "refund"} <= set(found.quarantine["rule"])
    assert found.used["trips"] + found.repeated["trips"] + found.quarantine.height == whole.height


def test_the_real_file_is_read_whole(shared_data: Callable[[str], Path]) -> None:
    rows = pl.read_parquet(shared_data("trips/nyc_green_2022-01_02_2023-01_03.parquet"))
    source = products.recipe("nyc_green").sources[0]
    assert set(source.layouts[0].columns) <= set(rows.columns)
    found = observed(rows)
    assert found.used["trips"] + found.repeated["trips"] + found.quarantine.height == rows.height == 336_958
    assert found.used["trips"] == 325_392
    assert found.notes["trips_over_an_hour"] == 2722
