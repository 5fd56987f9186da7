from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import HOUR
from urbancast.products.paris_bikes.layouts import SCHEMA
from urbancast.products.paris_bikes.observe import observe

NOON = datetime(2025, 6, 3, 12, tzinfo=UTC)
FETCHED = datetime(2025, 6, 10, 12, tzinfo=UTC)
CONTEXT = ObserveContext(tz="Europe/Paris", grain=HOUR, places=pl.DataFrame(), is_schematic=False, provenance="sample")


def see(rows: list[tuple[datetime | None, float | None, datetime]]) -> Observed:
    """Rows of one counter as (time, value, fetched_at)."""
    frame = pl.DataFrame(
        [
            {
                "place": "a",
                "name": "A",
                "site": "S",
                "time": time,
                "value": value,
                "lat": 48.8,
                "lon": 2.3,
                "fetched_at": at,
            }
            for time, value, at in rows
        ],
        schema={**SCHEMA, "fetched_at": pl.Datetime("us", "UTC")},
    )
    return observe({"counts": frame}, CONTEXT)


@pytest.mark.parametrize(
    ("time", "value", "rule"),
    [
        (NOON, 3001.0, "too_many"),
        (NOON, -1.0, "negative"),
        (NOON, float("nan"), "no_number"),
        (NOON, None, "no_number"),
        (None, 5.0, "no_time"),
    ],
)
def test_an_implausible_count_is_kept_out_by_name(time: datetime | None, value: float | None, rule: str) -> None:
    seen = see([(time, value, FETCHED)])
    assert seen.quarantine["rule"].to_list() == [rule]
    assert seen.observations.height == 0
    assert seen.used["counts"] == 0


def test_three_thousand_bicycles_an_hour_are_still_a_count() -> None:
    assert see([(NOON, 3000.0, FETCHED)]).observations["value"].to_list() == [3000.0]


def test_a_count_is_declared_for_the_next_local_morning() -> None:
    late_evening = datetime(2025, 6, 3, 22, 0, tzinfo=UTC)  # midnight in Paris: the next day
    seen = see([(NOON, 5.0, FETCHED), (late_evening, 1.0, FETCHED)])
    assert seen.observations["available_at"].to_list() == [
        datetime(2025, 6, 4, 7, tzinfo=UTC),
        datetime(2025, 6, 5, 7, tzinfo=UTC),
    ]


def test_a_correction_is_known_from_the_fetch_that_brought_it() -> None:
    later = FETCHED + timedelta(days=1)
    seen = see([(NOON, 5.0, FETCHED), (NOON, 9.0, later), (NOON, 9.0, later + timedelta(days=1))])
    assert seen.observations["value"].to_list() == [5.0, 9.0]
    assert seen.observations["available_at"].to_list() == [datetime(2025, 6, 4, 7, tzinfo=UTC), later]
    assert (seen.used["counts"], seen.repeated["counts"]) == (2, 1)


def test_a_corrected_zero_is_not_withdrawn_again() -> None:
    hours = [NOON + timedelta(hours=h) for h in range(-24 * 25, 72)]
    dead = [(time, 0.0 if time >= NOON else 40.0, FETCHED) for time in hours]
    corrected = (NOON, 33.0, FETCHED + timedelta(days=2))
    newest = see([*dead, corrected]).observations.filter(pl.col("time") == NOON).sort("available_at")
    assert newest["value"].to_list() == [0.0, None, 33.0] or newest["value"].to_list() == [None, 33.0]
    following = see([*dead, corrected]).observations.filter(pl.col("time") == NOON + timedelta(hours=1))
    assert following.sort("available_at")["value"].to_list()[-1] is None
