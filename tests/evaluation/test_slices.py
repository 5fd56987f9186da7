"""A slice's rows are the rows of its key, beside the baseline's on the same place, origin and time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from urbancast.evaluation import slices
from urbancast.evaluation.metrics import BASELINES

ORIGIN = datetime(2024, 3, 30, 22, tzinfo=UTC)  # a Saturday evening; Paris loses an hour in the night
LEADS = range(0, 48, 6)


def losses() -> pl.DataFrame:
    rows = []
    for candidate, error in (("naive", 4.0), ("gbm", 1.0)):
        for place in ("a", "b"):
            if candidate == "naive" and place == "b":
                continue
            for lead in LEADS:
                time = ORIGIN + timedelta(hours=lead)
                local = pl.Series([time]).dt.convert_time_zone("Europe/Paris")
                row = {"place": place, "measure": "m", "origin": ORIGIN, "time": time, "draw": 0}
                row |= {"candidate": candidate, "cut": ORIGIN, "lead_h": float(lead), "value": 2.0, "hits_80": 1.0}
                row |= {"day": local.dt.date()[0], "how": (local.dt.weekday()[0] - 1) * 24 + local.dt.hour()[0]}
                rows.append(row | dict.fromkeys(BASELINES, error * (1 + (lead >= 24))))
    return pl.DataFrame(rows)


@pytest.fixture
def sliced() -> pl.DataFrame:
    pairs = slices.paired(losses(), "gbm", "naive")
    return slices.of(pairs, {date(2024, 4, 1)}, column="absolute_error")


def test_only_rows_that_the_baseline_has_too_are_compared(sliced: pl.DataFrame) -> None:
    assert sliced.filter(pl.col("slice") == "place")["key"].to_list() == ["a"]
    assert sliced.group_by("slice").agg(pl.col("n").sum())["n"].unique().to_list() == [len(LEADS)]


def test_clock_and_calendar_are_the_places_own(sliced: pl.DataFrame) -> None:
    keys = {name: sliced.filter(pl.col("slice") == name)["key"].to_list() for name in ("hour", "weekday", "holiday")}
    assert keys["hour"] == ["00:00", "06:00", "12:00", "18:00", "23:00"]
    assert keys["weekday"] == ["Monday", "Saturday", "Sunday"]
    assert keys["holiday"] == ["other day", slices.HOLIDAY]


def test_skill_and_loss_are_means_of_the_slice(sliced: pl.DataFrame) -> None:
    by_lead = sliced.filter(pl.col("slice") == "lead")
    assert by_lead.select("key", "loss", "baseline_loss", "skill").rows() == [
        ("day 01", 1.0, 4.0, 0.75),
        ("day 02", 2.0, 8.0, 0.75),
    ]
