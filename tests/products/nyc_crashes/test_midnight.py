from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast.core.product import Observed
from urbancast.products.nyc_crashes.midnight import day_hours, habits
from urbancast.products.nyc_crashes.observe import published

See = Callable[..., Observed]


def city(days: int, *, default_times: int, seed: int = 3) -> list[dict[str, object]]:
    """Reports of some days: 60 a day by a rough profile, 1 in 10 at a full hour, and default times at 00:00."""
    rng = np.random.default_rng(seed)
    profile = np.array([2.0] * 7 + [5.0] * 12 + [3.0] * 5)
    rows: list[dict[str, object]] = []
    for day in range(days):
        midnight = datetime(2022, 2, 1) + timedelta(days=day)
        hours = rng.choice(24, size=60, p=profile / profile.sum())
        minutes = np.where(rng.random(60) < 0.1, 0, rng.integers(1, 60, 60))
        rows += [
            {"local": midnight + timedelta(hours=int(h), minutes=int(m))} for h, m in zip(hours, minutes, strict=True)
        ]
        rows += [{"local": midnight} for _ in range(default_times)]
    return rows


def values(seen: Observed) -> pl.DataFrame:
    crashes = seen.observations.filter(pl.col("measure") == "crashes")
    local = pl.col("time").dt.convert_time_zone("America/New_York")
    return crashes.with_columns(day=local.dt.date(), hour=local.dt.hour())


def test_the_weight_of_every_day_is_the_number_of_its_reports(see: See) -> None:
    rows = city(60, default_times=4)
    per_day = values(see(*rows)).group_by("day").agg(pl.col("value").sum()).sort("day")
    assert per_day.height == 60
    assert per_day["value"].to_list() == pytest.approx([64.0] * 60, abs=1e-6)


def test_a_day_that_gained_an_hour_keeps_its_weight_too(see: See) -> None:
    rows = city(60, default_times=4)  # holds 13 March, a day of 23 hours
    day = values(see(*rows)).filter(pl.col("day") == date(2022, 3, 13))
    assert day["value"].sum() == pytest.approx(64.0, abs=1e-6)
    assert day["hour"].n_unique() == 23


def test_default_times_leave_hour_0_at_its_natural_level(see: See) -> None:
    with_defaults, without = (see(*city(150, default_times=n)) for n in (4, 0))
    share = [
        values(seen).filter(pl.col("hour") == 0)["value"].sum() / values(seen)["value"].sum()
        for seen in (with_defaults, without)
    ]
    assert share[0] == pytest.approx(share[1], rel=0.12)
    assert with_defaults.notes["reports_with_unknown_hour"] == pytest.approx(4 * 150, rel=0.1)
    assert without.notes["reports_with_unknown_hour"] < 0.3 * 150


def test_the_habits_of_a_day_need_no_later_day(reports: Callable[..., pl.DataFrame]) -> None:
    base = reports(*city(80, default_times=3))
    early = base.filter(pl.col("local") < datetime(2022, 3, 10))
    assert_frame_equal(habits(early), habits(base).filter(pl.col("day") < date(2022, 3, 10)))


def test_the_spread_is_known_without_hindsight(see: See, reports: Callable[..., pl.DataFrame]) -> None:
    rows = reports(*city(80, default_times=3))
    for cut in (datetime(2022, 3, 12, 11), datetime(2022, 3, 20, 9)):
        at = pl.lit(cut).dt.replace_time_zone("UTC")
        then = see(rows.filter(published(pl.col("time")) <= at)).observations
        now = see(rows).observations.filter(pl.col("available_at") <= at)
        assert_frame_equal(then, now)


def test_the_context_of_the_recipe_suffices_to_spread(see: See, reports: Callable[..., pl.DataFrame]) -> None:
    from urbancast.products.nyc_crashes.recipe import RECIPE

    rows = reports(*city(260, default_times=3))
    start = datetime(2022, 9, 1)
    recent = rows.filter(pl.col("local") >= start - RECIPE.context)
    window = pl.col("time") >= pl.lit(start).dt.replace_time_zone("UTC")
    assert recent.height < rows.height
    assert_frame_equal(see(recent).observations.filter(window), see(rows).observations.filter(window))


def test_local_days_have_23_24_and_25_hours() -> None:
    days = day_hours(pl.Series([date(2022, 3, 13), date(2022, 6, 1), date(2022, 11, 6)]))
    assert days.group_by("day").len().sort("day")["len"].to_list() == [23, 24, 25]
    assert days["hour"].is_unique().all()
