"""Trips as the portal's API and its export write them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.portals import layouts
from urbancast.products.chicago_scooters.recipe import TRIPS, need, outflow, peak

API = {
    "trip_id": "8b5d",
    "start_time": "2020-09-04T17:00:00.000",
    "end_time": "2020-09-04T18:00:00.000",
    "trip_distance": "1532",
    "trip_duration": "1204",
    "vendor": "spin",
    "start_community_area_number": "6",
    "end_community_area_number": "8",
}
EXPORT = {
    "Trip ID": "8b5d",
    "Start Time": "09/04/2020 05:00:00 PM",
    "End Time": "09/04/2020 06:00:00 PM",
    "Trip Distance": "1,532",
    "Trip Duration": "1,204",
    "Vendor": "spin",
    "Start Community Area Number": "6",
    "End Community Area Number": "8",
    "Start Community Area Name": "LAKE VIEW",
    "End Community Area Name": "NEAR NORTH SIDE",
    "Start Centroid Latitude": "41.94",
    "Start Centroid Longitude": "-87.65",
    "Start Centroid Location": "POINT (-87.65 41.94)",
    "End Centroid Latitude": "41.9",
    "End Centroid Longitude": "-87.63",
    "End Centroid Location": "POINT (-87.63 41.9)",
}
SAID = ("8b5d", datetime(2020, 9, 4, 22, tzinfo=UTC), datetime(2020, 9, 4, 23, tzinfo=UTC), 1532.0, 1204.0, "spin")


def parsed(*rows: dict[str, object]) -> pl.DataFrame:
    return layouts.parse_frame(TRIPS, pl.DataFrame(list(rows)))


def test_api_and_export_say_the_same() -> None:
    assert parsed(API).row(0) == parsed(EXPORT).row(0) == (*SAID, "6", "8")


def test_values_may_come_as_numbers() -> None:
    typed = {**API, "trip_distance": 1532, "start_community_area_number": 6.0, "end_community_area_number": 8}
    assert parsed(typed).row(0) == (*SAID, "6", "8")


def test_a_page_of_json_may_lack_whole_columns_and_2019_names_no_vendor() -> None:
    bare = {name: value for name, value in API.items() if "area" not in name and name != "vendor"}
    assert parsed(bare).row(0)[-3:] == (None, None, None)


def test_a_renamed_column_is_refused_by_both_names() -> None:
    with pytest.raises(ContractError, match=r"start_time.*started_time"):
        layouts.match(TRIPS, pl.DataFrame([API]).rename({"start_time": "started_time"}))


def test_need_is_the_busiest_day_and_what_leaves_for_good_never_below_nothing() -> None:
    days = np.array([[[10.0, 4.0], [20.0, -1.0], [5.0, 2.0]], [[1.0, -9.0], [2.0, -9.0], [3.0, -9.0]]])
    assert need(days).tolist() == [25.0, 0.0]
    assert peak(days[..., :1]).tolist() == [20.0, 3.0]
    assert outflow(days[..., 1:]).tolist() == [5.0, -27.0]
    assert need(np.zeros((7, 2, 3, 2))).shape == (7, 2)
