from __future__ import annotations

import math
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.monitoring import shares

START = date(2026, 3, 1)
Days = list[tuple[int, int]]
DAYS = st.lists(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=60
)


def frame(days: Days) -> pl.DataFrame:
    rows = [{"all": 0, "day": START + timedelta(days=i), "h": float(h), "n": float(n)} for i, (h, n) in enumerate(days)]
    return pl.DataFrame(rows)


def told(days: Days) -> dict[str, float]:
    return shares.shares(frame(days), ["all"]).to_dicts()[0]


@given(DAYS)
def test_an_effective_n_is_never_more_than_what_was_counted(days: Days) -> None:
    found = told(days)
    assert found["n"] == sum(n for _, n in days)
    assert found["share"] == pytest.approx(sum(h for h, _ in days) / found["n"])
    if len(days) == 1:
        assert found["effective_n"] is None
        assert found["plus_minus"] is None
    else:
        assert 0 < found["effective_n"] <= found["n"]


@given(DAYS, st.integers(2, 5))
def test_rows_told_twice_within_a_day_are_not_more_evidence(days: Days, times: int) -> None:
    one, more = told(days), told([(h * times, n * times) for h, n in days])
    if len(days) > 1 and 0 < one["share"] < 1 and one["effective_n"] < one["n"]:
        assert more["effective_n"] == pytest.approx(one["effective_n"], rel=1e-6)


def test_independent_values_count_in_full_and_days_that_move_together_do_not() -> None:
    even = [(8, 10)] * 30
    together = [(10, 10)] * 24 + [(0, 10)] * 6
    assert told(even)["effective_n"] == 300
    assert told(together)["effective_n"] == pytest.approx(30, rel=0.05)
    assert told([(10, 10)] * 30)["effective_n"] == 30  # always so far: as many days


@given(st.floats(0, 1), st.floats(0.5, 1e6))
def test_wilsons_interval_holds_the_share_and_stays_a_share(share: float, n: float) -> None:
    low, high = shares.wilson(pl.lit(share), pl.lit(n))
    found = pl.select(low=low, high=high).to_dicts()[0]
    assert 0 <= found["low"] <= share + 1e-9
    assert share - 1e-9 <= found["high"] <= 1
    assert found["high"] - found["low"] > 0
    wider_low, wider_high = shares.wilson(pl.lit(share), pl.lit(n / 2))
    wider = pl.select(w=wider_high - wider_low).item()
    assert wider >= found["high"] - found["low"] - 1e-12


def test_wilson_of_half_in_a_hundred() -> None:
    low, high = shares.wilson(pl.lit(0.5), pl.lit(100.0))
    assert pl.select(low, high.alias("high")).row(0) == pytest.approx((0.4038, 0.5962), abs=1e-4)


@given(DAYS, st.integers(1, 40))
def test_a_rolling_window_holds_its_days_and_no_other(days: Days, gap: int) -> None:
    rows = [
        {"day": START + timedelta(days=i * gap), "h": float(h), "n": float(n), "loss": float(i)}
        for i, (h, n) in enumerate(days)
    ]
    found = shares.rolling(pl.DataFrame(rows))
    assert found["day"].to_list() == [row["day"] for row in rows]
    for row in found.iter_rows(named=True):
        inside = [each for each in rows if row["day"] - timedelta(days=30) < each["day"] <= row["day"]]
        assert row["n"] == sum(each["n"] for each in inside)
        assert row["loss"] == sum(each["loss"] for each in inside)
        assert row["share"] == pytest.approx(sum(each["h"] for each in inside) / row["n"])
        if len(inside) > 1:
            assert row["low"] <= row["share"] + 1e-9
            assert row["share"] - 1e-9 <= row["high"]
            assert not math.isnan(row["low"])
        else:
            assert row["low"] is None
