"""Trips small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from urbancast import products
from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import HOUR
from urbancast.geo import places
from urbancast.portals import layouts
from urbancast.products.chicago_taxi.observe import observe
from urbancast.products.chicago_taxi.recipe import TRIPS

FETCHED = datetime(2022, 7, 1, tzinfo=UTC)
PRODUCT = products.get("chicago_taxi")
Rows = Callable[..., pl.DataFrame]
See = Callable[..., Observed]
USUAL = {
    "trip_start_timestamp": "2022-06-01T17:15:00.000",
    "trip_end_timestamp": "2022-06-01T17:30:00.000",
    "trip_seconds": "900",
    "trip_miles": "2.5",
    "pickup_community_area": "8",
    "dropoff_community_area": "32",
    "fare": "11.25",
    "trip_total": "13.25",
}


@pytest.fixture(scope="session")
def areas() -> pl.DataFrame:
    """The community areas of the folder."""
    return places.read(PRODUCT.folder / "places.csv")


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Canonical rows from dicts of native fields; what is not named is an ordinary trip from 8 to 32."""

    def parsed(*given: dict[str, Any]) -> pl.DataFrame:
        named = [{"trip_id": f"t{n}", **USUAL, **row} for n, row in enumerate(given)]
        fetched = pl.Series("fetched_at", [row.pop("fetched_at", FETCHED) for row in named], pl.Datetime("us", "UTC"))
        native = pl.DataFrame([{name: value for name, value in row.items() if value is not None} for row in named])
        return layouts.parse_frame(TRIPS, native).with_columns(fetched)

    return parsed


@pytest.fixture(scope="session")
def see(rows: Rows, areas: pl.DataFrame) -> See:
    """Observe trips given as dicts or as a frame."""

    def seen(*given: Any) -> Observed:
        frame = given[0] if isinstance(given[0], pl.DataFrame) else rows(*given)
        context = ObserveContext(tz=PRODUCT.tz, grain=HOUR, places=areas, is_schematic=True, provenance="extract")
        return observe({"trips": frame}, context)

    return seen
