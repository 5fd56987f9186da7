from __future__ import annotations

import numpy as np
import pytest

from urbancast.core.product import Window
from urbancast.core.time import parse_instant
from urbancast.products.climate import Climate, hours_of, weather
from urbancast.products.noise import counts, drift, normal, smooth, uniform

CLIMATE = Climate(mean_c=12.0, yearly_c=8.0, daily_c=3.0, wet_share=0.1, wind_kmh=14.0, solar_offset_h=0.0)
YEAR = hours_of(Window(start=parse_instant("2025-01-01T00:00Z"), end=parse_instant("2026-01-01T00:00Z")))


def test_a_value_depends_on_its_keys_alone() -> None:
    grid = uniform(1, "a", np.arange(50)[:, None], np.arange(7)[None, :])
    assert uniform(1, "a", 31, 5) == grid[31, 5]
    assert len(np.unique(grid)) == grid.size
    for other in (uniform(2, "a", 31, 5), uniform(1, "b", 31, 5), uniform(1, "a", 5, 31)):
        assert other != grid[31, 5]


def test_uniform_and_normal_values_are_what_they_are_called() -> None:
    u, z = uniform(1, "u", np.arange(200_000)), normal(1, "z", np.arange(200_000))
    assert 0 < u.min() < u.max() < 1
    assert (u.mean(), u.std()) == pytest.approx((0.5, 12**-0.5), abs=0.003)
    assert (z.mean(), z.std()) == pytest.approx((0, 1), abs=0.01)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01


def test_smooth_noise_and_drift_have_deviation_one_and_remember() -> None:
    hours = np.arange(60_000)
    kinds = {0.95: lambda at: smooth(1, "s", at, every=24), 0.6: lambda at: drift(1, "d", at, keep=0.7)}
    for memory, kind in kinds.items():
        noise = kind(hours)
        assert noise.std() == pytest.approx(1, abs=0.08)
        assert np.corrcoef(noise[:-1], noise[1:])[0, 1] > memory
        assert np.array_equal(noise[100:200], kind(hours[100:200]))


@pytest.mark.parametrize("mean", [0.02, 0.4, 3.0, 9.9, 10.1, 250.0])
def test_counts_are_whole_and_spread_like_poisson(mean: float) -> None:
    drawn = counts(np.full(100_000, mean), normal(1, "c", np.arange(100_000)))
    assert (drawn >= 0).all()
    assert (drawn == np.rint(drawn)).all()
    assert drawn.mean() == pytest.approx(mean, rel=0.02)
    assert drawn.var() == pytest.approx(mean, rel=0.07)


def test_weather_has_seasons_rain_and_a_storm() -> None:
    came = weather(7, YEAR, CLIMATE)
    winter, summer = came.temperature_2m[: 24 * 31], came.temperature_2m[24 * 181 : 24 * 212]
    assert summer.mean() - winter.mean() > 10
    assert 0.05 < (came.precipitation > 0).mean() < 0.16
    assert came.wind_speed_10m.max() > 45
    assert min(came.precipitation.min(), came.wind_speed_10m.min()) >= 0


def test_a_forecast_errs_more_the_earlier_it_was_made() -> None:
    came = weather(7, YEAR, CLIMATE).temperature_2m
    errors = [np.abs(weather(7, YEAR, CLIMATE, lead_days=days).temperature_2m - came).mean() for days in (1, 3, 7)]
    assert 0.2 < errors[0] < errors[1] < errors[2]
