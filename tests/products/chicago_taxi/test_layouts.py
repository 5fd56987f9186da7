from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast.core.errors import ContractError
from urbancast.portals import layouts
from urbancast.products.chicago_taxi.recipe import TRIPS

FULL = {
    "trip_id": "3f0bf7494f9cd6326e9fa851a8047dc50aec83ae",
    "taxi_id": "b56b31883524426035c290bfdbe4e038",
    "trip_start_timestamp": "2022-03-01T00:15:00.000",
    "trip_end_timestamp": "2022-03-01T00:30:00.000",
    "trip_seconds": "720",
    "trip_miles": "4.16",
    "pickup_community_area": "8",
    "dropoff_community_area": "58",
    "fare": "13",
    "tips": "3.8",
    "tolls": "0",
    "extras": "5.5",
    "trip_total": "22.8",
    "payment_type": "Mobile",
    "company": "Sun Taxi",
    "dropoff_centroid_latitude": "41.817366208",
    "dropoff_centroid_longitude": "-87.698860797",
    "dropoff_centroid_location": "POINT (-87.6988607973 41.8173662079)",
}
EXPORT = {
    "Trip ID": FULL["trip_id"],
    "Taxi ID": FULL["taxi_id"],
    "Trip Start Timestamp": "03/01/2022 12:15:00 AM",
    "Trip End Timestamp": "03/01/2022 12:30:00 AM",
    "Trip Seconds": "720",
    "Trip Miles": "4.16",
    "Pickup Census Tract": None,
    "Dropoff Census Tract": None,
    "Pickup Community Area": "8",
    "Dropoff Community Area": "58",
    "Fare": "$13.00",
    "Tips": "$3.80",
    "Tolls": "$0.00",
    "Extras": "$5.50",
    "Trip Total": "$22.80",
    "Payment Type": "Mobile",
    "Company": "Sun Taxi",
    "Pickup Centroid Latitude": None,
    "Pickup Centroid Longitude": None,
    "Pickup Centroid Location": None,
    "Dropoff Centroid Latitude": "41.817366208",
    "Dropoff Centroid Longitude": "-87.698860797",
    "Dropoff Centroid  Location": "POINT (-87.6988607973 41.8173662079)",
}
CANONICAL = (
    FULL["trip_id"],
    datetime(2022, 3, 1, 6, 15, tzinfo=UTC),
    datetime(2022, 3, 1, 6, 30, tzinfo=UTC),
    720.0,
    4.16,
    "8",
    "58",
    13.0,
    22.8,
)


def frame(row: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))


def test_the_export_says_the_same_as_the_portal() -> None:
    assert layouts.match(TRIPS, frame(EXPORT)).name == "export"
    assert layouts.parse_frame(TRIPS, frame(FULL)).row(0) == CANONICAL
    assert_frame_equal(layouts.parse_frame(TRIPS, frame(EXPORT)), layouts.parse_frame(TRIPS, frame(FULL)))


def test_a_typed_extract_says_the_same_too() -> None:
    typed = frame({**FULL, "dropoff_centroid__location": None}).drop("dropoff_centroid_location")
    typed = typed.with_columns(
        pl.col("trip_start_timestamp", "trip_end_timestamp").str.to_datetime(time_unit="us"),
        pl.col("trip_seconds", "trip_miles", "fare", "trip_total").cast(pl.Float64),
    )
    assert layouts.match(TRIPS, typed).name == "extract"
    assert layouts.parse_frame(TRIPS, typed).row(0) == CANONICAL


def test_a_page_of_json_may_lack_whole_columns() -> None:
    bare = {name: FULL[name] for name in ("trip_id", "trip_start_timestamp")}
    parsed = layouts.parse_frame(TRIPS, frame(bare))
    assert parsed.row(0) == (*CANONICAL[:2], None, None, None, "", "", None, None)


@pytest.mark.parametrize("written", ["8", "8.0", " 8 "])
def test_an_area_is_read_however_its_number_is_written(written: str) -> None:
    assert layouts.parse_frame(TRIPS, frame({**FULL, "pickup_community_area": written}))["from"][0] == "8"


def test_a_renamed_column_is_refused_by_both_names() -> None:
    with pytest.raises(ContractError, match=r"trip_start_timestamp.*trip_start_time"):
        layouts.match(TRIPS, frame(FULL).rename({"trip_start_timestamp": "trip_start_time"}))


def test_seconds_written_as_words_are_refused_as_a_column() -> None:
    rows = pl.concat([frame({**FULL, "trip_seconds": "twelve minutes"})] * 6)
    with pytest.raises(ContractError, match="trip_seconds"):
        layouts.parse_frame(TRIPS, rows)
