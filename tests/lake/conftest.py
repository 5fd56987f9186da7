"""A new lake for each test and small true frames for its tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from urbancast.core.product import Window
from urbancast.lake import Lake
from urbancast.lake.raw import RawPage

MONDAY = datetime(2021, 7, 12, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", now=MONDAY)


@pytest.fixture
def at() -> Callable[..., datetime]:
    """Instant some days and hours after a Monday, UTC."""
    return lambda days=0.0, hours=0.0: MONDAY + timedelta(days=days, hours=hours)


@pytest.fixture
def told() -> Callable[..., pl.DataFrame]:
    """Frame for observations.add from (place, hour, value, available after days[, measure]) tuples."""

    def frame(*rows: tuple[Any, ...]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "place": [row[0] for row in rows],
                "measure": [row[4] if len(row) > 4 else "bikes" for row in rows],
                "time": [MONDAY + timedelta(hours=row[1]) for row in rows],
                "draw": [0 for _ in rows],
                "value": [row[2] for row in rows],
                "available_at": [MONDAY + timedelta(days=row[3]) for row in rows],
            },
            schema={
                "place": pl.String,
                "measure": pl.String,
                "time": UTC_US,
                "draw": pl.Int64,
                "value": pl.Float64,
                "available_at": UTC_US,
            },
        )

    return frame


@pytest.fixture
def promised() -> Callable[..., pl.DataFrame]:
    """Forecasts of some places and hours from one origin, without product, run and issued_at."""

    def frame(origin: datetime, *, release: str = "r0", places: int = 3, hours: int = 24) -> pl.DataFrame:
        times = [origin + timedelta(hours=h) for h in range(hours)]
        rows = pl.DataFrame({"place": [f"c{i}" for i in range(places)]}).join(
            pl.DataFrame({"time": times}, schema={"time": UTC_US}), how="cross"
        )
        levels = {q: pl.lit(float(i)) for i, q in enumerate(("q05", "q10", "q25", "q50", "q75", "q90", "q95"))}
        return rows.with_columns(
            measure=pl.lit("bikes"),
            origin=pl.lit(origin).cast(UTC_US),
            mean=pl.lit(3.0),
            release=pl.lit(release),
            **levels,
        )

    return frame


@pytest.fixture
def page() -> Callable[..., RawPage]:
    """A page as a portal hands it over."""

    def make(payload: bytes = b"a;b\n1;2\n", *, days: float = 0.0, window: Window | None = None) -> RawPage:
        manifest = {
            "url": "http://127.0.0.1/counts",
            "query": '{"where": "x > 1"}',
            "media": "text/csv; charset=windows-1252",
            "fetched_at": MONDAY + timedelta(days=days),
            "rows_claimed": 1,
            "rows_received": 1,
            "window_start": window.start if window else None,
            "window_end": window.end if window else None,
        }
        return RawPage(manifest=manifest, payload=payload)

    return make


@pytest.fixture
def kept() -> dict[str, Any]:
    """What raw.keep is told beside the page."""
    return {
        "product": "paris_bikes",
        "source": "counts",
        "layout": "export",
        "provenance": "sample",
        "licence": "ODbL",
        "run": "run-1",
    }
