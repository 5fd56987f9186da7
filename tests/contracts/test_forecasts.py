"""What every product's lake and forecasts keep to, whatever it counts."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from polars.testing import assert_frame_equal

from urbancast.core.product import Measure
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import UTC_US, as_grain, floor, local_days, local_midnight
from urbancast.evaluation import backtest
from urbancast.features import frame
from urbancast.features.panel import Panel
from urbancast.features.rows import places_at
from urbancast.flows import forecast, pull
from urbancast.lake import forecasts, serving
from urbancast.lake.store import Lake

if TYPE_CHECKING:
    from conftest import Tiny

POISON = 1e9
TABLES = ("raw", "places", "observations", "quarantine", "covariates")


def contents(lake: Lake) -> dict[str, pl.DataFrame]:
    return {table: lake.scan(table).collect().sort(pl.all()) for table in TABLES if lake.version(table) >= 0}


def copy_of(lake: Lake, folder: Path) -> Lake:
    shutil.copytree(lake.url, folder)
    return Lake.open(str(folder))


def test_a_second_pull_changes_nothing(tiny: Tiny, tmp_path: Path) -> None:
    lake = copy_of(tiny.lake, tmp_path / "lake")
    before = contents(lake)
    assert before["raw"].height > 0
    assert before["observations"].height > 0
    with tiny.city.at_portal(lake) as job:
        again = pull.run(job)
        at_once = contents(lake)
        soon = pull.run(job.at(job.now + timedelta(minutes=1)))  # asks its portal for the look-back once more
    after = contents(lake)
    assert (again.new_pages, again.added, soon.added) == (0, 0, 0)
    for table in before:
        assert_frame_equal(at_once[table], before[table])
    for table in ("places", "observations", "quarantine"):
        assert_frame_equal(after[table], before[table])


def poisoned(frame: pl.DataFrame, origin: datetime) -> pl.DataFrame:
    """The same rows, all values that became available after the origin absurd."""
    is_later = pl.col("available_at") > origin
    return frame.with_columns(value=pl.when(is_later).then(POISON).otherwise("value"))


def before_the_newest(tiny: Tiny) -> datetime:
    """A whole hour two days before the newest observation came."""
    newest = tiny.panel.observations["available_at"].max()
    assert isinstance(newest, datetime)
    return floor(newest - timedelta(days=2), timedelta(hours=1))


def panel_with(panel: Panel, observations: pl.DataFrame, covariates: pl.DataFrame) -> Panel:
    facts = {name: value for name, value in vars(panel).items() if name != "memo"}
    return Panel(**facts | {"observations": observations, "covariates": covariates})


def test_what_came_after_an_origin_moves_no_frame_no_fit_and_no_forecast(tiny: Tiny) -> None:
    origin, clean = before_the_newest(tiny), tiny.panel
    later = [poisoned(rows, origin) for rows in (clean.observations, clean.covariates)]
    assert (later[0]["value"] == POISON).any()
    assert clean.covariates.is_empty() or (later[1]["value"] == POISON).any()
    for measure in tiny.product.modelled:
        said = [seen_from(tiny, panel, measure, origin) for panel in (clean, panel_with(clean, later[0], later[1]))]
        assert said[0][2].height > 0
        for one, other in zip(*said, strict=True):
            assert_frame_equal(one, other, check_exact=True)


def seen_from(tiny: Tiny, panel: Panel, measure: Measure, origin: datetime) -> list[pl.DataFrame]:
    """Frame to learn from, frame to forecast from, and what every simple rule forecasts."""
    plan = tiny.plan
    rows = frame.training_rows(panel, origin, plan, measure=measure.id)
    learnt = frame.build(panel, features=plan.features, measure=measure.id, rows=rows)
    ahead = frame.forecast_rows(panel, origin, plan.horizon, measure=measure.id)
    asked = frame.build(panel, features=plan.features, measure=measure.id, rows=ahead)
    rules = [rule for rule in tiny.job.recipe.rules if not rule.measures or measure.id in rule.measures]
    fitted = backtest.fit_all(panel, plan, measure.id, rules, origin)
    return [learnt, asked, *(one.predict(asked) for one in fitted.values())]


def served(tiny: Tiny, measure: Measure) -> pl.DataFrame:
    """Forecasts of the served release from the served origin."""
    row = serving.current(tiny.lake)[tiny.product.id]
    rows = forecasts.read(tiny.lake, tiny.product.id, origin=row["origin"], release=row["releases"][measure.id])
    return rows.filter(pl.col("measure") == measure.id)


def promised_times(tiny: Tiny) -> list[datetime]:
    """Open interval starts of [origin, origin + horizon), from the promise alone."""
    start, product = tiny.job.now, tiny.product
    end, grain = start + product.horizon, as_grain(product.grain)
    if grain < timedelta(days=1):
        first = floor(start, grain)
        steps = range(int((end - first) / grain) + 1)
        every = [first + grain * n for n in steps]
    else:
        every = [local_midnight(day, product.tz) for day in local_days(start, end + timedelta(days=1), product.tz)]
    times = pl.Series("time", [time for time in every if start <= time < end], dtype=UTC_US)
    return (times if product.is_open is None else times.filter(product.is_open(times))).to_list()


def test_forecasts_cover_every_open_interval_of_the_horizon_for_every_place(tiny: Tiny) -> None:
    times = promised_times(tiny)
    assert len(times) > 0
    for measure in tiny.product.modelled:
        seen = tiny.panel.observations.filter(pl.col("measure") == measure.id)
        expected = set(places_at(tiny.panel, measure.id, tiny.job.now) if measure.draws else tiny.panel.places["place"])
        never = expected - set(seen["place"]) if not (measure.sparse or measure.draws) else set()
        rows = served(tiny, measure)
        assert set(rows["place"]) == expected - never
        assert len(never) < 0.1 * len(expected)
        assert rows.select("place", "time").is_unique().all()
        assert rows.height == len(expected - never) * len(times)
        assert sorted(rows["time"].unique()) == times


def test_forecasts_are_finite_ordered_and_never_below_zero_where_nothing_can_be(tiny: Tiny) -> None:
    rows = forecasts.read(tiny.lake, tiny.product.id)
    assert set(rows["measure"]) == {measure.id for measure in tiny.product.measures}
    numbers = ["mean", *QUANTILE_COLUMNS]
    assert rows.select((pl.col(numbers).is_finite() & pl.col(numbers).is_not_null()).all()).row(0) == (True,) * 8
    for low, high in pairwise(QUANTILE_COLUMNS):
        assert (rows[low] <= rows[high]).all()
    plain = [measure.id for measure in tiny.product.measures if not measure.signed]
    least = rows.filter(pl.col("measure").is_in(plain)).select(pl.min_horizontal(pl.col(numbers).min())).item()
    assert least >= 0


def test_the_first_release_that_serves_is_the_simple_rule(tiny: Tiny) -> None:
    found = forecast.serving_releases(tiny.job)
    assert set(found) == {measure.id for measure in tiny.product.modelled}
    assert {release.candidate for release in found.values()} == {tiny.job.recipe.baseline}
