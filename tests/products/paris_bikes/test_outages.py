from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st
from polars.testing import assert_frame_equal

from urbancast.core.time import local_clock
from urbancast.products.paris_bikes.outages import masked
from urbancast.products.paris_bikes.recipe import RECIPE

TZ = "Europe/Paris"
START = datetime(2025, 3, 3, tzinfo=UTC)
DAY = [0, 0, 0, 0, 1, 4, 15, 40, 50, 30, 25, 25, 28, 30, 30, 35, 45, 60, 50, 30, 15, 8, 4, 1]


def counts(days: int, *, dead: tuple[int, int] = (0, 0), scale: float = 1.0, place: str = "a") -> pl.DataFrame:
    """Whole days of one counter; hours of [dead) after the start are zero."""
    hours = range(24 * days)
    values = [0.0 if dead[0] <= h < dead[1] else float(round(DAY[h % 24] * scale)) for h in hours]
    return pl.DataFrame(
        {"place": place, "time": [START + timedelta(hours=h) for h in hours], "value": values},
        schema={"place": pl.String, "time": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )


def morning_after(hour: int) -> datetime:
    """When the count of an hour after the start is published."""
    frame = pl.DataFrame({"t": [START + timedelta(hours=hour)]}).with_columns(pl.col("t").dt.cast_time_unit("us"))
    return frame.select(local_clock(pl.col("t"), TZ, days=1, hour=9)).item()


def test_a_counter_that_counts_is_never_masked() -> None:
    assert masked(counts(60), TZ).height == 0


def test_a_quiet_night_is_not_an_outage() -> None:
    assert masked(counts(30, dead=(20 * 24 + 22, 20 * 24 + 29)), TZ).height == 0


def test_an_outage_is_withdrawn_from_its_first_hour_when_it_became_implausible() -> None:
    dead = (20 * 24 + 6, 22 * 24 + 14)
    found = masked(counts(30, dead=dead), TZ).sort("time")
    assert found["time"].to_list() == [START + timedelta(hours=h) for h in range(*dead)]
    assert found["available_at"].min() == morning_after(dead[0] + 5)
    assert found.filter(pl.col("time") >= START + timedelta(days=21))["available_at"].min() == morning_after(21 * 24)


def test_recovery_rewrites_nothing() -> None:
    dead = (20 * 24 + 6, 22 * 24 + 14)
    during, after = counts(22, dead=dead), counts(60, dead=dead)
    until = START + timedelta(days=22)
    assert_frame_equal(masked(during, TZ), masked(after, TZ).filter(pl.col("time") < until), check_row_order=False)


def test_a_counter_without_a_past_is_an_outage_after_three_days_only() -> None:
    found = masked(counts(10, dead=(0, 24 * 8)), TZ)
    assert found["available_at"].min() == morning_after(71)
    assert found.height == 24 * 8 + 4  # and the quiet hours before it counts again


def test_a_counter_of_few_bicycles_is_left_alone_longer() -> None:
    busy, quiet = (masked(counts(30, dead=(20 * 24, 22 * 24), scale=scale), TZ) for scale in (1.0, 0.04))
    assert busy.height > 0
    assert quiet.height == 0


def test_an_outage_is_not_taken_for_the_past_of_the_next() -> None:
    twice = counts(40, dead=(20 * 24, 30 * 24)).with_columns(
        value=pl.when(pl.col("time").is_between(START + timedelta(days=31), START + timedelta(days=33)))
        .then(0.0)
        .otherwise("value")
    )
    second = masked(twice, TZ).filter(pl.col("time") >= START + timedelta(days=31))
    assert second["available_at"].min() <= morning_after(31 * 24 + 12)


def test_a_counter_does_not_judge_another() -> None:
    both = pl.concat([counts(30, dead=(480, 520)), counts(30, place="b")])
    assert set(masked(both, TZ)["place"]) == {"a"}


@given(
    dead=st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(1, 150)), max_size=3),
    cut=st.integers(1, 40),
    missing=st.sets(st.integers(0, 40 * 24), max_size=30),
)
def test_no_hour_is_masked_with_hindsight(dead: list[tuple[int, int]], cut: int, missing: set[int]) -> None:
    whole = counts(40)
    for start, length in dead:
        inside = pl.col("time").is_between(START + timedelta(hours=start), START + timedelta(hours=start + length))
        whole = whole.with_columns(value=pl.when(inside).then(0.0).otherwise("value"))
    whole = whole.filter(~pl.col("time").is_in([START + timedelta(hours=h) for h in missing]))
    at = morning_after(cut * 24)
    published = local_clock(pl.col("time"), TZ, days=1, hour=9)
    then = masked(whole.filter(published <= at), TZ)
    now = masked(whole, TZ).filter(pl.col("available_at") <= at)
    assert_frame_equal(then.sort("time"), now.sort("time"))


def test_the_detecting_hour_dates_the_withdrawal_of_the_hours_before_it() -> None:
    night = (20 * 24 + 19, 21 * 24 + 9)  # few are missed before midnight and by six
    found = masked(counts(30, dead=night, scale=0.5), TZ).sort("time")
    assert found["time"].min() == START + timedelta(hours=night[0])
    assert found["available_at"].unique().to_list() == [morning_after(night[1] - 1)]


@pytest.mark.parametrize("days", [35, 60])
def test_the_context_of_the_recipe_suffices_to_decide(days: int) -> None:
    whole = counts(80, dead=(24 * days + 7, 24 * (days + 4)))
    start = START + timedelta(days=days - 1)
    part = whole.filter(pl.col("time") >= start - RECIPE.context)
    window = pl.col("time") >= start
    assert masked(part, TZ).filter(window).height > 0
    assert_frame_equal(masked(part, TZ).filter(window), masked(whole, TZ).filter(window), check_row_order=False)
