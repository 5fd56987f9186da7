from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from urbancast import products
from urbancast.core.errors import ContractError
from urbancast.core.product import Observed
from urbancast.core.time import HOUR
from urbancast.evaluation import backtest
from urbancast.features import frame
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan

CUT = datetime(2022, 6, 25, tzinfo=UTC)


@pytest.fixture
def panel(see: Callable[..., Observed], areas: pl.DataFrame) -> Panel:
    """Forty trips of one hour from Near North Side to the Loop."""
    product = products.get("chicago_taxi")
    return Panel(
        observations=see(*([{}] * 40)).observations, places=areas, tz=product.tz, grain=HOUR,
        measures=product.measures, country="US", pairs=product.pairs,
    )  # fmt: skip


def test_a_pair_with_thirty_trips_is_forecast_and_every_band(panel: Panel) -> None:
    rows = frame.forecast_rows(panel, CUT, 2 * HOUR, measure="minutes")
    pairs = rows.filter(~pl.col("place").str.starts_with("band:"))
    assert set(pairs["place"]) == {"8>32"}
    assert rows["place"].n_unique() == 1 + 17
    early = frame.forecast_rows(panel, datetime(2022, 6, 22, 10, tzinfo=UTC), 2 * HOUR, measure="minutes")
    assert early["place"].str.starts_with("band:").all()  # nothing was published yet


def test_a_day_is_too_little_to_train_on_and_says_so(panel: Panel) -> None:
    recipe = products.recipe("chicago_taxi")
    with pytest.raises(ContractError, match="give a longer history"):
        backtest.fit(panel, Plan.of(recipe, products.get("chicago_taxi")), "minutes", recipe.rules[0], CUT)
