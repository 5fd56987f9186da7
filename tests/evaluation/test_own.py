"""The public call: bad input is refused by name, good input gives forecasts and scores, nothing leaks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import urbancast as uc
from tests.features.panels import counts, utc
from urbancast.core.errors import ContractError

ROOT = Path(__file__).parents[2]
ORIGINS = [utc(2021, 6, 1), utc(2021, 6, 2)]


def own() -> pl.DataFrame:
    rows = counts(utc(2021, 4, 10), utc(2021, 6, 8), tz="Europe/Paris", places=2)
    return rows.select("place", "time", "value")


def backtest(panel: pl.DataFrame, **changes: object) -> uc.Backtest:
    given = {
        "grain": "1h",
        "tz": "Europe/Paris",
        "horizon": "48h",
        "origins": ORIGINS,
        "candidates": ["seasonal_naive"],
    }
    return uc.backtest(panel, **{**given, **changes})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": pl.lit(float("nan"))}, "NaN"),
        ({"value": pl.lit(-1.0)}, "negative"),
        ({"value": pl.lit("many")}, "expected numbers"),
        ({"time": pl.col("time").dt.replace_time_zone(None)}, "time zone"),
        ({"place": pl.lit("one")}, "repeated"),
        ({"available_at": pl.col("time")}, "later than time"),
    ],
)
def test_bad_panels_are_refused_by_name(change: dict[str, pl.Expr], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        backtest(own().with_columns(**change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"origins": [datetime(2021, 6, 1)]}, "aware"),
        ({"origins": []}, "at least one"),
        ({"origins": [utc(2021, 4, 12)]}, "14 days"),
        ({"candidates": ["oracle_of_delphi"]}, "oracle_of_delphi"),
        ({"horizon": "soon"}, "72h"),
        ({"grain": "1y"}, "grain"),
    ],
)
def test_bad_arguments_are_refused_by_name(change: dict[str, object], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        backtest(own(), **change)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ContractError, match="add value"):
        backtest(own().drop("value"))


def test_forecasts_do_not_see_what_came_later() -> None:
    """Available an hour after each interval starts, by default: from the last origin on, anything may stand there."""
    honest = backtest(own(), candidates=["seasonal_naive", "climatology", "linear", "gbm"])
    late = pl.col("time") + timedelta(hours=1) > ORIGINS[0]
    wrong = own().with_columns(value=pl.when(late).then(1e9).otherwise(pl.col("value")))
    poisoned = backtest(wrong, candidates=["seasonal_naive", "climatology", "linear", "gbm"])
    first = pl.col("origin") == ORIGINS[0]
    assert_frame_equal(honest.forecasts.filter(first), poisoned.forecasts.filter(first))
    assert honest.forecasts.filter(first).height == 4 * 2 * 48


def test_measures_are_kept_apart() -> None:
    both = pl.concat([own().with_columns(measure=pl.lit("in")), own().with_columns(measure=pl.lit("out"))])
    result = backtest(both)
    assert result.forecasts["measure"].unique().sort().to_list() == ["in", "out"]


def test_days_are_a_grain_too() -> None:
    local = pl.col("time").dt.convert_time_zone("Europe/Paris").dt.truncate("1d").dt.convert_time_zone("UTC")
    long = counts(utc(2021, 1, 1), utc(2021, 6, 20), tz="Europe/Paris", places=2)
    daily = (
        long.group_by("place", local.alias("time")).agg(pl.col("value").sum()).filter(pl.col("time") > utc(2021, 1, 1))
    )
    result = backtest(daily, grain="1d", horizon="7d", candidates=["seasonal_naive", "climatology", "linear"])
    starts = result.forecasts["time"].dt.convert_time_zone("Europe/Paris").dt.hour().unique().to_list()
    assert starts == [0]
    assert result.losses.height == result.forecasts.height == 3 * 2 * 2 * 7


def test_importing_the_package_loads_no_model_library() -> None:
    code = "import sys, urbancast; dir(urbancast); print(sorted({'lightgbm', 'scipy', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_lead_somewhere_and_others_are_refused() -> None:
    for name in uc.__all__:
        assert getattr(uc, name) is not None
    with pytest.raises(AttributeError, match="backtest"):
        _ = uc.bactest
    assert uc.get("paris_bikes").tz == "Europe/Paris"


def test_the_example_runs_and_learning_wins() -> None:
    table = _example().main()
    assert set(table["release"]) == {"seasonal_naive", "climatology", "gbm"}
    assert table.filter(pl.col("release") == "gbm")["skill"][0] > 0.05


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example", ROOT / "examples" / "backtest_your_counts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
