"""Durations: ratios spread as trips do, what a fit may not do without."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILES
from urbancast.models import make
from urbancast.models.ratios import Ratios


def frame(value: np.ndarray, spread: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"value": value, "pair_spread": spread})


@pytest.mark.parametrize("own", [False, True])
def test_ranges_hold_for_sure_and_unsure_trips_of_every_length(own: bool) -> None:
    rng = np.random.default_rng(3)
    point, spread = rng.uniform(3, 60, (2, 20_000)), rng.choice([0.1, 0.5], (2, 20_000))
    value = point * np.exp(spread * rng.standard_t(5, (2, 20_000)))
    known = [frame(v, s) for v, s in zip(value, spread, strict=True)]
    if own:  # the model's own say goes before the pair's history
        known = [one.rename({"pair_spread": "spread"}).with_columns(pair_spread=pl.lit(9.0)) for one in known]
    mean, quantiles = Ratios.fit(point[0], known[0]).apply(point[1], known[1])
    for part in (point[1] < 10, point[1] > 40, spread[1] < 0.3, spread[1] > 0.3):
        for i, level in enumerate(QUANTILES):
            assert np.mean(value[1][part] <= quantiles[part, i]) == pytest.approx(level, abs=0.025)
        assert mean[part].mean() == pytest.approx(value[1][part].mean(), rel=0.12)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=30), st.integers(0, 9), st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_quantiles_are_ordered_and_above_zero(points: list[float], seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    past = rng.gamma(2.0, 8.0, rows)
    fitted = Ratios.fit(past, frame(past * rng.gamma(5, 0.2, rows), rng.uniform(0, 1, rows)))
    mean, quantiles = fitted.apply(np.array(points), frame(np.zeros(len(points)), np.full(len(points), np.nan)))
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles > 0).all()
    assert (mean > 0).all()
    again = Ratios.of_state(fitted.state()).apply(np.array(points), frame(np.zeros(len(points)), np.ones(len(points))))
    assert np.isfinite(again[1]).all()


def test_a_duration_needs_what_is_expected_of_the_pair_and_a_rule_a_name() -> None:
    bare = pl.DataFrame({"value": [1.0, 2.0], "weight": [1.0, 1.0], "is_calibration": [True, False]})
    with pytest.raises(ContractError, match="pair_expected"):
        make(Candidate(name="duration", model="duration")).fit(bare, 1)
    with pytest.raises(ContractError, match="astrology"):
        make(Candidate(name="x", model="pair_mean", params={"rule": "astrology"})).fit(bare, 1)
