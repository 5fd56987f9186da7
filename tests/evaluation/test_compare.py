"""A champion is lost when the loss is beyond luck and worth acting on; looked at every night, luck must not do it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.evaluation.compare import ENOUGH_DAYS, lost

FIRST = date(2026, 3, 2)


def hours(days: int, *, worse: float = 1.0, seed: int = 0, hang_together: float = 0.0) -> pl.DataFrame:
    """Hourly sums of two forecasters of ten places; the first makes ``worse`` times the loss of the second.

    ``hang_together``: how much of the difference between them is the day's, not the hour's.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for day in range(days):
        base = rng.gamma(4, 5, size=24)
        of_day, of_hour = rng.normal(0, 0.1), rng.normal(0, 0.1, size=24)
        tilt = hang_together * of_day + (1 - hang_together) * of_hour
        at = FIRST + timedelta(days=day)
        frames.append(
            pl.DataFrame({"day": at, "how": np.arange(24, dtype=np.int16), "n": 10, "a": base * worse * (1 + tilt)})
            .with_columns(b=pl.Series(base))
        )  # fmt: skip
    return pl.concat(frames)


def test_a_champion_twice_as_bad_is_lost_within_a_day() -> None:
    loss = lost(hours(1, worse=2.0))
    assert loss is not None
    assert (loss.is_lost, loss.by, loss.level, loss.blocks, loss.rows) == (True, "hour", 0.999, 24, 240)
    assert loss.share == pytest.approx(1.0, abs=0.1)
    assert loss.low > 0


def test_a_few_hours_say_nothing_yet() -> None:
    loss = lost(hours(1, worse=3.0).head(7))
    assert loss is not None
    assert not loss.is_lost


def test_a_tenth_worse_is_lost_only_once_there_are_days_enough() -> None:
    verdicts = [lost(hours(days, worse=1.1)) for days in range(1, 8)]
    assert [loss.is_lost for loss in verdicts if loss] == [days >= ENOUGH_DAYS for days in range(1, 8)]
    assert [loss.by for loss in verdicts if loss] == ["hour"] * 4 + ["day"] * 3


def test_a_loss_too_small_to_matter_is_none_however_sure() -> None:
    loss = lost(hours(60, worse=1.01).with_columns(a=pl.col("b") * 1.01))
    assert loss is not None
    assert loss.low > 0
    assert not loss.is_lost


def test_equals_are_not_told_apart_by_luck_in_weeks_of_nightly_looks() -> None:
    """60 champions as good as the one before, their days hanging together, looked at each of 7 nights."""
    false = sum(
        any(loss.is_lost for night in range(1, 8) if (loss := lost(sums.filter(pl.col("day") < FIRST + night * DAY))))
        for sums in (hours(7, seed=seed, hang_together=0.8) for seed in range(60))
    )
    assert false <= 1


def test_nothing_in_common_is_no_loss() -> None:
    assert lost(hours(1).clear()) is None


def test_a_rival_without_any_error_is_infinitely_better() -> None:
    loss = lost(hours(6).with_columns(b=0.0))
    assert loss is not None
    assert loss.is_lost
    assert loss.share == float("inf")


@given(days=st.integers(1, 9), seed=st.integers(0, 99), worse=st.floats(0.2, 5))
def test_the_order_of_rows_changes_nothing_and_only_one_of_two_can_lose(days: int, seed: int, worse: float) -> None:
    sums = hours(days, worse=worse, seed=seed)
    loss, mirrored = lost(sums), lost(sums.rename({"a": "b", "b": "a"}))
    assert loss == lost(sums.sample(fraction=1, shuffle=True, seed=seed))
    assert loss is not None
    assert mirrored is not None
    assert not (loss.is_lost and mirrored.is_lost)
    assert (loss.low, loss.high) == pytest.approx((-mirrored.high, -mirrored.low))


DAY = timedelta(days=1)
