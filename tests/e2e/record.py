"""A town whose record is whole: calibration, misses and a ledger beside its scores."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.e2e.conftest import NOW, ORIGIN, REPLAYED_DAYS, SITES, build
from urbancast.core.product import Product
from urbancast.core.time import DAY, HOUR, iso
from urbancast.lake import calibration, contract, ledger, misses
from urbancast.lake.store import Lake

MEASURE, RELEASE = "bikes", "bikes-1"
SUMS = [name for name, dtype in contract.schema("calibration").items() if dtype == pl.Float64]


def kept(folder: Path) -> tuple[Lake, dict[str, Product]]:
    """The town of the map, with 40 replayed days told by lead, decile, PIT and rule, 20 misses, and its ledger."""
    lake, catalog = build(folder)
    bins = pl.concat([
        pl.DataFrame({"dimension": "lead", "bin": list(range(48))}),
        pl.DataFrame({"dimension": "decile", "bin": list(range(1, 11))}),
        pl.DataFrame({"dimension": "pit", "bin": list(range(20))}),
        pl.DataFrame({"dimension": ["rule"], "bin": [0]}),
    ])  # fmt: skip
    days = pl.DataFrame({"day": [(ORIGIN - back * DAY).date() for back in range(1, REPLAYED_DAYS + 1)]})
    dice = (pl.col("bin") * 13 + pl.col("day").dt.ordinal_day() * 29) % 17 / 17
    size = pl.when(pl.col("dimension") == "decile").then(6 * 1.7 ** pl.col("bin")).otherwise(90.0)
    n = pl.when(pl.col("dimension") == "pit").then(40 + 14 * dice + (pl.col("bin") - 9.5).abs()).otherwise(60)
    rows = days.join(bins, how="cross").with_columns(n=n.cast(pl.Int64))
    count = pl.col("n").cast(pl.Float64)
    rows = rows.with_columns(
        **{name: count * (4 + pl.col("bin") / 30) for name in SUMS},
        measure=pl.lit(MEASURE), release=pl.lit(RELEASE), kind=pl.lit("replay"),
        against=pl.when(pl.col("dimension") == "rule").then(pl.lit("seasonal_naive")).otherwise(pl.lit("")),
    )  # fmt: skip
    rows = rows.with_columns(
        mean=count * size, value=count * size * (0.92 + 0.16 * dice), hits_80=count * (0.82 - 0.05 * dice),
        **{name: pl.col(name) * 1.3 for name in SUMS if name.startswith("baseline")},
    )  # fmt: skip
    twice = rows.filter(pl.col("dimension") == "rule").with_columns(
        pl.col(name) / 1.5 for name in SUMS if name.startswith("baseline")
    )
    calibration.put(lake, "ride", pl.concat([rows, twice.with_columns(against=pl.lit("mean4w"))]), run="e2e")
    misses.put(lake, "ride", _misses(), run="e2e")
    ledger.enter_issued(lake, "ride", run="e2e", at=NOW - timedelta(hours=2))
    return lake, catalog


def _misses() -> pl.DataFrame:
    rows = []
    for rank in range(20):
        time = ORIGIN - (rank + 1) * DAY + 13 * HOUR
        week = {"time": iso(time - 7 * DAY), "value": 410.0 - rank}
        known = {
            "lead_h": 13.0, "reach_h": 19.0, "newest": {"time": iso(time - 19 * HOUR), "value": 31.0},
            "week_before": None if rank == 1 else week,
            "weather": {"precipitation": 0.4, "temperature_2m": 9.5, "wind_speed_10m": 21.0},
            "holiday": "Armistice Day" if rank == 0 else None,
        }  # fmt: skip
        rows.append({
            "measure": MEASURE, "release": RELEASE, "kind": "replay", "day": time.date(), "draw": 0,
            "place": sorted(SITES)[rank % 5], "origin": time - 13 * HOUR, "time": time, "value": 912.0 - 20 * rank,
            "mean": 408.5, "q10": 300.0, "q50": 405.0, "q90": 520.0, "crps": 380.0 - rank, "baseline_mean": 431.0,
            "known": json.dumps(known),
        })  # fmt: skip
    return pl.DataFrame(rows)
