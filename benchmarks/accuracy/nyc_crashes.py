"""New York, real injury crashes: Poisson deviance beside the shrunk baseline, and reliability by decile.

Run it: `python benchmarks/accuracy/nyc_crashes.py [--cut 2022-10-01] [--months 3]`. Refitted monthly, issued daily,
scored at leads below 24 h; reports of a local day are taken to be published three days after the next, at six.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import shapely
from _find import shared

from urbancast.core.product import COVERED, Candidate, Feature, Measure, Text
from urbancast.evaluation import backtest, compare, metrics
from urbancast.evaluation.folds import origins
from urbancast.features.panel import Panel

TZ = "America/New_York"
TEXT: Text = {"en": "crashes", "es": "accidentes", "fr": "accidents"}
FEATURES = tuple(Feature(name=name) for name in ("calendar", "rate", "place"))
CANDIDATES = [Candidate(name=name, model=name) for name in ("climatology", "linear", "gbm")]
PLAN = backtest.Plan(
    features=FEATURES,
    horizon=timedelta(days=7),
    train_window=timedelta(days=3 * 366),
    calibration=timedelta(days=92),
    fit_rows=600_000,
    primary="poisson_deviance",
)


def panel() -> Panel:
    """Crashes of the extract by zone and hour, with hourly coverage; crashes outside every zone are left out."""
    raw = pl.read_parquet(shared("nyc/injury_crashes_2020_2022.parquet"))
    shapes = json.loads(shared("nyc/taxi_zones.geojson").read_text())["features"]
    ids = np.array([_id(shape["properties"]) for shape in shapes])
    tree = shapely.STRtree([shapely.geometry.shape(shape["geometry"]) for shape in shapes])
    points = shapely.points(raw["longitude"].to_numpy(), raw["latitude"].to_numpy())
    at, zone = tree.query(points, predicate="within")
    local = pl.col("ts").dt.truncate("1h").dt.replace_time_zone(TZ, ambiguous="earliest", non_existent="null")
    placed = raw[at].with_columns(place=pl.Series(ids[zone]).cast(pl.String), time=local.dt.convert_time_zone("UTC"))
    counted = placed.drop_nulls("time").group_by("place", "time").agg(value=pl.len().cast(pl.Float64))
    start, end = (datetime(year, 1, 1, tzinfo=ZoneInfo(TZ)) for year in (2020, 2023))
    hours = pl.datetime_range(start, end, "1h", time_unit="us", closed="left", eager=True).dt.convert_time_zone("UTC")
    covered = pl.DataFrame({"place": "", "time": hours, "value": 1.0})
    rows = pl.concat(
        [counted.with_columns(measure=pl.lit("crashes")), covered.with_columns(measure=pl.lit(COVERED))],
        how="diagonal",
    )
    day = pl.col("time").dt.convert_time_zone(TZ).dt.truncate("1d")
    rows = rows.with_columns(
        draw=pl.lit(0, pl.Int64), available_at=day.dt.offset_by("4d6h").dt.convert_time_zone("UTC")
    )
    return Panel(
        observations=rows.select("place", "measure", "time", "draw", "value", "available_at"),
        places=pl.DataFrame({"place": np.unique(ids).astype(str)}),
        tz=TZ,
        grain=timedelta(hours=1),
        measures=(Measure(id="crashes", label=TEXT, unit=TEXT, sparse=True),),
        country="US",
        subdivision="NY",
    )


def _id(properties: dict[str, object]) -> int:
    named = {name.lower(): value for name, value in properties.items()}
    return int(str(named.get("locationid", named.get("location_id"))))


def losses(known: Panel, cut: datetime, months: int) -> pl.DataFrame:
    """Losses of all candidates over the months after the cut, refitted every four weeks and some days."""
    ahead = replace(PLAN, horizon=timedelta(days=1))
    edges = [cut + timedelta(days=i * 91 // 3) for i in range(months + 1)]
    parts = []
    for start, end in pairwise(edges):
        fitted = backtest.fit_all(known, PLAN, "crashes", CANDIDATES, start)
        for name, one in fitted.items():
            base = getattr(one.point, "column", getattr(one.point, "base", ""))
            print(f"{start:%Y-%m-%d} {name}: {base} {one.interval}")
        said = backtest.forecasts(known, ahead, "crashes", fitted, origins(start, end, timedelta(days=1)))
        parts.append(backtest.scored(known, ahead, "crashes", said, fitted=fitted))
    return pl.concat(parts)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cut", default="2022-10-01")
    arguments.add_argument("--months", type=int, default=3)
    given = arguments.parse_args()
    rows = losses(panel(), datetime.fromisoformat(given.cut).replace(tzinfo=ZoneInfo(TZ)), given.months)
    table = metrics.means(rows, by=["candidate"])
    print(table.select("candidate", "rows", pl.col("deviance").round(6), pl.col("hits_80").round(4), "mean_over_value"))
    baseline = rows.filter(pl.col("candidate") == "climatology")
    for candidate in CANDIDATES:
        own = rows.filter(pl.col("candidate") == candidate.name)
        print(candidate.name, compare.compare(own, baseline, "poisson_deviance"))
        ratios = metrics.reliability(own).select(pl.col("ratio", "ratio_se").round(3))
        print(
            " reliability (observed / forecast) by decile:",
            ratios["ratio"].to_list(),
            "±",
            ratios["ratio_se"].to_list(),
        )


if __name__ == "__main__":
    main()
