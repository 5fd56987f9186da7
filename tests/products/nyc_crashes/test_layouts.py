from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.portals import layouts
from urbancast.products.nyc_crashes.recipe import CRASHES

FULL = {
    "crash_date": "2021-09-11T00:00:00.000",
    "crash_time": "2:39",
    "latitude": "40.5",
    "longitude": "-73.5",
    "number_of_persons_injured": "2",
    "number_of_persons_killed": "0",
    "collision_id": "4455765",
}


def test_a_page_of_json_may_lack_whole_columns() -> None:
    bare = {name: FULL[name] for name in ("crash_date", "crash_time", "collision_id")}
    parsed = layouts.parse_frame(CRASHES, pl.DataFrame([bare]))
    assert parsed.row(0)[:3] == ("4455765", datetime(2021, 9, 11, 2, 39), datetime(2021, 9, 11, 6, 39, tzinfo=UTC))
    assert parsed.row(0)[3:] == (None, None, None, None)


def test_text_and_numbers_read_the_same() -> None:
    typed = {**FULL, "latitude": 40.5, "longitude": -73.5, "number_of_persons_injured": 2, "collision_id": 4455765}
    texts, numbers = (layouts.parse_frame(CRASHES, pl.DataFrame([row])) for row in (FULL, typed))
    assert texts.row(0)[3:] == (40.5, -73.5, 2, 0)
    assert texts.equals(numbers)


def test_a_time_that_cannot_be_read_is_null_and_drops_no_row() -> None:
    rows = [FULL] * 8 + [{**FULL, "crash_time": "noon"}]
    assert layouts.parse_frame(CRASHES, pl.DataFrame(rows))["time"].null_count() == 1


def test_rows_of_an_extract_that_say_the_same_keep_ids_of_their_own() -> None:
    native = pl.DataFrame(
        {
            "ts": [datetime(2022, 1, 1), datetime(2022, 1, 1), datetime(2022, 1, 2)],
            "latitude": 40.5,
            "longitude": -73.5,
            "people_injured": 1,
            "people_killed": 0,
        }
    )
    ids = layouts.parse_frame(CRASHES, native)["id"].to_list()
    assert len(set(ids)) == 3
    assert layouts.parse_frame(CRASHES, native[[2]])["id"].to_list() == ids[2:]


def test_a_renamed_column_is_refused_by_both_names() -> None:
    with pytest.raises(ContractError, match=r"crash_time.*crash_tyme"):
        layouts.match(CRASHES, pl.DataFrame([FULL]).rename({"crash_time": "crash_tyme"}))
