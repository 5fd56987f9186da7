"""Reports and zones small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import shapely

from urbancast.core.product import ObserveContext, Observed, Provenance
from urbancast.core.time import HOUR, from_local
from urbancast.products.nyc_crashes.layouts import SCHEMA
from urbancast.products.nyc_crashes.observe import observe
from urbancast.products.nyc_crashes.product import TZ

FETCHED = datetime(2023, 1, 1, tzinfo=UTC)
See = Callable[..., Observed]


@pytest.fixture
def zones() -> pl.DataFrame:
    """Two squares of 0.1 degree side by side: `west` from -74.0, `east` to -73.8."""
    shapes = [shapely.box(-74.0, 40.6, -73.9, 40.7), shapely.box(-73.9, 40.6, -73.8, 40.7)]
    return pl.DataFrame({"place": ["west", "east"], "geometry": [shapely.to_wkb(shape) for shape in shapes]})


@pytest.fixture
def reports() -> Callable[..., pl.DataFrame]:
    """Canonical rows from dicts; what is not named is an ordinary report in `west`."""

    def rows(*given: dict[str, Any]) -> pl.DataFrame:
        usual = {"lat": 40.65, "lon": -73.95, "injured": 1, "killed": 0, "fetched_at": FETCHED}
        named = [{"id": str(n), **usual, **row} for n, row in enumerate(given)]
        frame = pl.DataFrame(named, schema={**SCHEMA, "fetched_at": pl.Datetime("us", "UTC")})
        return frame.with_columns(time=from_local(pl.col("local"), TZ))

    return rows


@pytest.fixture
def see(zones: pl.DataFrame, reports: Callable[..., pl.DataFrame]) -> See:
    """Observe reports given as dicts or as a frame."""

    def seen(*given: Any, is_schematic: bool = False, provenance: Provenance = "extract") -> Observed:
        rows = given[0] if isinstance(given[0], pl.DataFrame) else reports(*given)
        context = ObserveContext(tz=TZ, grain=HOUR, places=zones, is_schematic=is_schematic, provenance=provenance)
        return observe({"crashes": rows}, context)

    return seen
