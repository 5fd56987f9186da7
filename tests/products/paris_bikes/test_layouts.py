from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
import shapely
from polars.testing import assert_frame_equal

from urbancast.core.errors import ContractError
from urbancast.portals import layouts
from urbancast.products.paris_bikes.recipe import COUNTS, RECIPE

ROW = {
    "id_compteur": "100-200",
    "nom_compteur": "1 rue N-S",
    "name": "1 rue",
    "sum_counts": 12,
    "date": datetime(2025, 10, 26, 0, tzinfo=UTC),
}
FORMS: list[object] = [
    {"lon": 2.5, "lat": 48.25},
    "48.25, 2.5",
    '{"lon": 2.5, "lat": 48.25}',
    shapely.to_wkb(shapely.Point(2.5, 48.25)),
]


@pytest.mark.parametrize("coordinates", FORMS, ids=["struct", "text", "json", "wkb"])
def test_coordinates_are_read_in_every_form_the_portal_uses(coordinates: object) -> None:
    parsed = layouts.parse_frame(COUNTS, pl.DataFrame([{**ROW, "coordinates": coordinates}]))
    assert parsed.select("lat", "lon").row(0) == (48.25, 2.5)


@pytest.mark.parametrize(
    "date", ["2025-10-26T02:00:00+02:00", "2025-10-26T01:00:00+01:00", "2025-10-26T00:00:00Z"], ids=["+02", "+01", "Z"]
)
def test_an_offset_tells_the_two_hours_of_autumn_apart(date: str) -> None:
    parsed = layouts.parse_frame(COUNTS, pl.DataFrame([{**ROW, "date": date}]))
    assert parsed["time"].to_list() == [ROW["date"]]


def test_the_extract_is_naive_utc() -> None:
    native = pl.DataFrame(
        {
            "counter_id": "1-2",
            "counter_name": "n",
            "site_id": 1,
            "site_name": "s",
            "bike_count": 3,
            "date": datetime(2021, 3, 28, 1),
            "coordinates": "48.5,2.25",
        }
    )
    parsed = layouts.parse_frame(COUNTS, native)
    assert parsed.row(0) == ("1-2", "n", "s", datetime(2021, 3, 28, 1, tzinfo=UTC), 3.0, 48.5, 2.25)


def test_a_renamed_column_is_refused_by_both_names() -> None:
    with pytest.raises(ContractError, match=r"sum_counts.*total_counts"):
        layouts.match(COUNTS, pl.DataFrame([ROW]).rename({"sum_counts": "total_counts"}))


def test_a_retyped_count_is_refused_by_name() -> None:
    native = pl.DataFrame([ROW] * 9).with_columns(sum_counts=pl.lit("a dozen"))
    with pytest.raises(ContractError, match="sum_counts"):
        layouts.parse_frame(COUNTS, native)


def test_a_synop_file_becomes_hourly_weather_in_plain_units() -> None:
    weather = next(source for source in RECIPE.sources if source.name == "weather")
    orly = next(layout for layout in weather.layouts if layout.name == "synop")
    native = pl.DataFrame(
        {
            "numer_sta": ["7149"] * 3,
            "date": ["2021-01-01 03:00:00", "2021-01-01 00:00:00", "2021-01-01 03:00:00"],
            "t": ["276.15", "273.15", "276.15"],
            "rr3": ["1.5", "-0.1", "1.5"],
            "ff": ["10", "4", "10"],
        }
    )
    hourly = orly.parse(native).pivot("variable", index="time", values="value").sort("time")
    expected = pl.DataFrame(
        {
            "temperature_2m": [0.0, 1.0, 2.0, 3.0],
            "precipitation": [0.5, 0.5, 0.5, None],
            "wind_speed_10m": [14.4, 21.6, 28.8, 36.0],
        }
    )
    assert_frame_equal(hourly.drop("time"), expected, check_column_order=False)
    assert orly.parse(native)["kind"].unique().to_list() == ["oracle"]
