from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from urbancast.core.product import ObserveContext, Observed
from urbancast.geo import places
from urbancast.portals import layouts
from urbancast.products.madrid_parking.observe import observe
from urbancast.products.madrid_parking.product import PRODUCT
from urbancast.products.madrid_parking.recipe import TICKETS

FETCHED = datetime(2024, 3, 20, tzinfo=UTC)
Ticket = dict[str, Any]


@pytest.fixture(scope="session")
def context() -> ObserveContext:
    return ObserveContext(
        tz=PRODUCT.tz,
        grain=timedelta(hours=1),
        places=places.schematic(PRODUCT),
        is_schematic=True,
        provenance="sample",
    )


@pytest.fixture
def canonical() -> Callable[..., pl.DataFrame]:
    def read(*rows: Ticket, fetched_at: datetime = FETCHED) -> pl.DataFrame:
        frame = layouts.parse_frame(TICKETS, pl.DataFrame(rows))
        return frame.with_row_index("_row").with_columns(
            pl.col("_row").cast(pl.Int64), fetched_at=pl.lit(fetched_at, dtype=pl.Datetime("us", "UTC"))
        )

    return read


@pytest.fixture
def observed(context: ObserveContext, canonical: Callable[..., pl.DataFrame]) -> Callable[..., Observed]:
    def of(*rows: Ticket, **options: Any) -> Observed:
        return observe({"tickets": iter([canonical(*rows, **options)])}, context)

    return of


@pytest.fixture
def paid() -> Callable[..., dict[str, float]]:
    """Local hour (``YYYY-MM-DD HH``) to value, of one place and measure, zeros left out."""

    def of(seen: Observed, *, place: str = "01-01", measure: str = "paid") -> dict[str, float]:
        local = pl.col("time").dt.convert_time_zone(PRODUCT.tz).dt.strftime("%Y-%m-%d %H")
        rows = seen.observations.filter(
            (pl.col("place") == place) & (pl.col("measure") == measure) & (pl.col("value") != 0)
        )
        return dict(rows.select(local, "value").iter_rows())

    return of
