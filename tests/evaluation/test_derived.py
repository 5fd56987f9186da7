"""Derived measures: truth by hand, joint paths that know no future, costs that are those of the newsvendor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast.core.product import Derived, Measure
from urbancast.core.tables import QUANTILE_COLUMNS, Scores
from urbancast.core.time import local_midnight
from urbancast.evaluation import derived, stock
from urbancast.features.panel import Panel

TZ = "America/Chicago"
WORD = {"en": "x", "es": "x", "fr": "x"}
FIRST = date(2025, 9, 1)
ORIGIN = datetime(2025, 11, 10, 15, tzinfo=UTC)
DAYS = 90
NEED = Derived(
    measure="need",
    parts=("starts", "net"),
    intervals=3,
    combine=lambda days: np.maximum(days[..., 0].max(axis=-1) + days[..., 1].sum(axis=-1), 0),
)
MEASURES = (
    Measure(id="starts", label=WORD, unit=WORD),
    Measure(id="net", label=WORD, unit=WORD, signed=True),
    Measure(id="need", label=WORD, unit=WORD, derived_from="starts"),
)


def midnight(day: date) -> datetime:
    return local_midnight(day, TZ)


@pytest.fixture
def panel() -> Panel:
    """Three places over ninety days, clocks set back on the way; a day is known the next one at six."""
    rng = np.random.default_rng(7)
    shock = rng.normal(size=DAYS)
    rows = []
    for place in "abc":
        for back in range(DAYS):
            day = FIRST + timedelta(days=back)
            level = 20 + 5 * (day.weekday() >= 5) + 4 * shock[back] + rng.normal()
            values = {"starts": max(round(level), 0), "net": round(rng.normal() * 3)}
            known = midnight(day + timedelta(days=1)) + timedelta(hours=6)
            rows += [
                {"place": place, "measure": name, "time": midnight(day), "draw": 0, "value": float(value),
                 "available_at": known}
                for name, value in values.items()
            ]  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(pl.col("time", "available_at").cast(pl.Datetime("us", "UTC")))
    places = pl.DataFrame({"place": ["a", "b", "c"]})
    return Panel(observations=frame, places=places, tz=TZ, grain=timedelta(days=1), measures=MEASURES)


def marginals(days: int = 7) -> pl.DataFrame:
    rows = [
        {"place": place, "measure": measure, "origin": ORIGIN, "time": midnight(date(2025, 11, 11 + i)), "mean": 1.0}
        | {name: level + 10.0 * (measure == "starts") + j for j, name in enumerate(QUANTILE_COLUMNS)}
        for place in "abc"
        for measure, level in (("starts", 0), ("net", -3))
        for i in range(days)
    ]
    return pl.DataFrame(rows).with_columns(pl.col("time", "origin").cast(pl.Datetime("us", "UTC")))


def forecast(panel: Panel, said: pl.DataFrame) -> pl.DataFrame:
    past = next(derived.pasts(panel, ["starts", "net"], [ORIGIN]))
    return derived.forecasts(panel, [NEED], said, past, seed=5)


def test_truth_is_the_same_function_of_what_was_observed(panel: Panel) -> None:
    start, end = midnight(date(2025, 10, 31)), midnight(date(2025, 11, 4))  # 2 November has 25 hours
    found = derived.truth(panel, NEED, start=start, end=end)
    for place in "abc":
        for i in range(4):
            days = [midnight(date(2025, 10, 31) + timedelta(days=i + k)) for k in range(3)]
            own = panel.observations.filter(pl.col("place") == place, pl.col("time").is_in(days))
            values = {name: own.filter(pl.col("measure") == name)["value"] for name in ("starts", "net")}
            by_hand = max(values["starts"].max() + values["net"].sum(), 0)  # type: ignore[operator]
            mine = found.filter(pl.col("place") == place, pl.col("time") == days[0])
            assert mine["value"].to_list() == [by_hand]
    city = found.filter(pl.col("place") == derived.CITY).sort("time")["value"]
    assert (
        city.to_list()
        == found.filter(pl.col("place") != "")
        .group_by("time")
        .agg(pl.col("value").sum())
        .sort("time")["value"]
        .to_list()
    )


def test_a_window_that_is_not_over_has_no_truth(panel: Panel) -> None:
    last = FIRST + timedelta(days=DAYS - 1)
    found = derived.truth(panel, NEED, start=midnight(last - timedelta(days=3)), end=midnight(last))
    assert found["time"].max() == midnight(last - timedelta(days=2))


def test_a_place_that_lacks_a_day_has_no_truth_and_the_city_none_that_day(panel: Panel) -> None:
    hole = (pl.col("place") == "b") & (pl.col("time") == midnight(date(2025, 10, 22)))
    holed = replace(panel, observations=panel.observations.filter(~hole))
    found = derived.truth(holed, NEED, start=midnight(date(2025, 10, 19)), end=midnight(date(2025, 10, 25)))
    assert found.filter(pl.col("place") == "b")["time"].dt.convert_time_zone(TZ).dt.day().to_list() == [19, 23, 24]
    assert found.filter(pl.col("place") == "")["time"].dt.convert_time_zone(TZ).dt.day().to_list() == [19, 23, 24]


def test_forecasts_stand_at_the_first_day_for_every_place_and_the_city(panel: Panel) -> None:
    found = forecast(panel, marginals())
    assert found["place"].to_list() == ["a", "b", "c", derived.CITY]
    assert found["time"].unique().to_list() == [midnight(date(2025, 11, 11))]
    quantiles = found.select(QUANTILE_COLUMNS).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert found["mean"][3] == pytest.approx(found["mean"][:3].sum())
    # Shocks are shared, so the city is nearly as uncertain as its places together.
    apart, together = found["q90"][:3].sum() - found["q10"][:3].sum(), found["q90"][3] - found["q10"][3]
    assert 0.5 * apart < together < apart


def test_a_place_without_a_day_of_forecasts_has_no_path(panel: Panel) -> None:
    said = marginals().filter(~((pl.col("place") == "b") & (pl.col("time") == midnight(date(2025, 11, 12)))))
    assert forecast(panel, said)["place"].to_list() == ["a", "c", derived.CITY]
    assert forecast(panel, marginals(days=2)).is_empty()


def test_what_was_not_known_yet_changes_no_path(panel: Panel) -> None:
    late = pl.col("available_at") > ORIGIN
    poisoned = panel.observations.with_columns(value=pl.when(late).then(1e9).otherwise("value"))
    assert poisoned.filter(pl.col("value") == 1e9).height > 0
    assert_frame_equal(forecast(replace(panel, observations=poisoned), marginals()),
                       forecast(panel, marginals()))  # fmt: skip


def test_last_weeks_need_is_of_the_same_weekdays_and_wholly_known(panel: Panel) -> None:
    past = next(derived.pasts(panel, ["starts", "net"], [ORIGIN]))
    for ahead, back in ((0, 7), (6, 14)):  # of the second, last week's window has not ended yet
        first = date(2025, 11, 11) + timedelta(days=ahead)
        found = past.before(derived.cell_of(panel, midnight(first)), NEED)
        before = midnight(first - timedelta(days=back))
        truth = derived.truth(panel, NEED, start=before, end=before + timedelta(hours=1))
        assert found.tolist() == truth.filter(pl.col("place") != "")["value"].to_list()


def plans(value: list[float], last_week: list[float]) -> pl.DataFrame:
    n = len(value)
    rows: dict[str, Any] = {"place": [f"p{i}" for i in range(n)], "measure": ["need"] * n, "value": value}
    rows |= {"last_week": last_week, "origin": [ORIGIN] * n, "time": [midnight(date(2025, 11, 11))] * n}
    quantiles = dict(zip(QUANTILE_COLUMNS, ([float(q)] * n for q in (2, 4, 6, 10, 14, 18, 20)), strict=True))
    return pl.DataFrame(rows | quantiles).with_columns(pl.col("origin", "time").cast(pl.Datetime("us", "UTC")))


def test_cost_is_of_units_short_and_idle() -> None:
    sums = stock.costs(plans([20.0, 10.0], [15.0, 15.0]), kind="replay", tz=TZ)
    row = sums.filter(pl.col("release") == "stock:0.90").row(0, named=True)
    assert row["n"] == 2
    assert row["mean"] == 36.0  # the 90 % quantile, 18, at both
    assert row["pinball"] == pytest.approx(0.9 * 2 + 0.1 * 8)
    assert row["baseline_pinball"] == pytest.approx(0.9 * 5 + 0.1 * 5)
    assert row["hits_80"] == 1.0
    assert sums["release"].to_list() == [stock.release_of(level) for level in stock.LEVELS]
    whole = sums.with_columns(product=pl.lit("p"), run=pl.lit("r"))
    assert Scores.validate(whole.select(Scores.column_names()), cast=True).height == len(stock.LEVELS)


def test_a_window_without_a_last_week_is_not_compared() -> None:
    assert stock.costs(plans([20.0], [float("nan")]), kind="replay", tz=TZ).is_empty()


def test_the_cheapest_constant_stock_is_the_quantile_at_the_level() -> None:
    need = np.arange(1001.0)
    tried = np.arange(0, 1001, 10.0)
    cost = [stock.pinball_at(need, np.full(len(need), held), 0.9).mean() for held in tried]
    assert tried[int(np.argmin(cost))] == pytest.approx(900, abs=10)
