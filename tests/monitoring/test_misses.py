from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest

from urbancast.core.product import COVERED, Measure
from urbancast.features.panel import COVARIATES_SCHEMA, Panel
from urbancast.monitoring import misses

WORDS = {"en": "", "es": "", "fr": ""}
ORIGIN = datetime(2026, 4, 1, 6, tzinfo=UTC)  # a Wednesday, three days after the clocks changed
TIME = datetime(2026, 4, 2, 15, tzinfo=UTC)  # 17:00 in Paris
HOUR = timedelta(hours=1)
UTC_US = pl.Datetime("us", "UTC")


def panel(rows: list[tuple[str, str, datetime, float | None, datetime]], **more: Any) -> Panel:
    """Panel of (place, measure, time, value, available_at) rows."""
    schema = {"place": pl.String, "measure": pl.String, "time": UTC_US, "value": pl.Float64, "available_at": UTC_US}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(draw=pl.lit(0, pl.Int64))
    measures = (
        Measure(id="bikes", label=WORDS, unit=WORDS),
        Measure(id="crashes", label=WORDS, unit=WORDS, sparse=True),
    )
    places = pl.DataFrame({"place": ["a"]})
    return Panel(observations=frame, places=places, tz="Europe/Paris", grain=HOUR, measures=measures, **more)


def missed(measure: str = "bikes", time: datetime = TIME) -> pl.DataFrame:
    row = {"place": "a", "measure": measure, "origin": ORIGIN, "time": time, "lead_h": 33.0, "reach_h": 40.0}
    return pl.DataFrame([row]).cast({"origin": UTC_US, "time": UTC_US})


def known(panel_: Panel, measure: str = "bikes", time: datetime = TIME) -> dict[str, Any]:
    return orjson.loads(misses.with_known(missed(measure, time), panel_, measure)["known"][0])


WEEK_BEFORE = datetime(2026, 3, 26, 16, tzinfo=UTC)  # 17:00 in Paris, an hour more than a week before in UTC
TOLD = [
    ("a", "bikes", WEEK_BEFORE, 310.0, WEEK_BEFORE + HOUR),
    ("a", "bikes", ORIGIN - 8 * HOUR, 40.0, ORIGIN - 7 * HOUR),
    ("a", "bikes", ORIGIN - 7 * HOUR, 55.0, ORIGIN - 6 * HOUR),
    ("b", "bikes", ORIGIN - 2 * HOUR, 7.0, ORIGIN - HOUR),
]


def test_the_same_local_hour_a_week_before_is_told_across_a_change_of_the_clocks() -> None:
    assert known(panel(TOLD))["week_before"] == {"time": "2026-03-26T16:00:00Z", "value": 310.0}


def test_the_newest_value_is_the_places_own() -> None:
    assert known(panel(TOLD))["newest"] == {"time": "2026-03-31T23:00:00Z", "value": 55.0}


def test_nothing_that_came_after_the_origin_is_told() -> None:
    late = [
        ("a", "bikes", ORIGIN - 3 * HOUR, 1e9, ORIGIN + HOUR),
        ("a", "bikes", ORIGIN - 7 * HOUR, 1e9, ORIGIN + timedelta(days=90)),
        ("a", "bikes", WEEK_BEFORE, 1e9, ORIGIN + timedelta(seconds=1)),
    ]
    assert known(panel(TOLD + late)) == known(panel(TOLD))


def test_a_value_not_yet_published_then_is_null_and_not_zero() -> None:
    late = [(place, measure, time, value, ORIGIN + HOUR) for place, measure, time, value, _ in TOLD]
    found = known(panel(late))
    assert (found["newest"], found["week_before"]) == (None, None)


def test_of_a_sparse_measure_a_covered_hour_without_a_row_is_zero() -> None:
    covered = [("", COVERED, time, 1.0, time + HOUR) for time in (WEEK_BEFORE, ORIGIN - 5 * HOUR)]
    found = known(panel(covered), "crashes")
    assert found["week_before"]["value"] == 0.0
    assert found["newest"] == {"time": "2026-04-01T01:00:00Z", "value": 0.0}
    crash = [("a", "crashes", WEEK_BEFORE, 2.0, WEEK_BEFORE + HOUR)]
    assert known(panel(covered + crash), "crashes")["week_before"]["value"] == 2.0


def test_weather_is_told_as_it_was_forecast_then() -> None:
    issued = [
        ("", "temperature_2m", TIME, 11.5, ORIGIN - 3 * HOUR, ORIGIN - 3 * HOUR, "issued"),
        ("", "temperature_2m", TIME, 19.0, ORIGIN + HOUR, ORIGIN + HOUR, "issued"),
        ("", "temperature_2m", TIME, 21.0, TIME + HOUR, TIME + HOUR, "observed"),
    ]
    weather = pl.DataFrame(issued, schema=COVARIATES_SCHEMA, orient="row")
    assert known(panel(TOLD, covariates=weather))["weather"] == {"temperature_2m": 11.5}


def test_a_holiday_is_named() -> None:
    easter = datetime(2026, 4, 6, 8, tzinfo=UTC)
    assert known(panel(TOLD, country="FR"), time=easter)["holiday"] == "Easter Monday"
    assert known(panel(TOLD, country="FR"))["holiday"] is None


def test_a_value_is_one_miss_however_often_it_was_forecast() -> None:
    def row(origin: datetime, place: str, crps: float, release: str = "own") -> dict[str, Any]:
        keys = {"place": place, "measure": "bikes", "origin": origin, "time": TIME, "draw": 0}
        return {**keys, "release": release, "kind": "live", "day": TIME.date(), "crps": crps}

    rows = [row(ORIGIN - i * HOUR, "a", float(i)) for i in range(5)]
    rows += [row(ORIGIN, f"p{i}", i / 10) for i in range(30)] + [row(ORIGIN, "a", 99.0, "shadow")]
    found = misses.worst(pl.DataFrame(rows), ["own"])
    assert found.height == misses.COUNT
    assert set(found["release"]) == {"own"}
    first = found.row(0, named=True)
    assert (first["place"], first["origin"]) == ("a", ORIGIN - 4 * HOUR)
    assert found["crps"].min() == pytest.approx(1.1)  # nineteen of the thirty places beside
