"""Paris, real counts: day-ahead error beside the simple rules, and coverage over weekly folds of the year.

Run it: `python benchmarks/accuracy/paris_bikes.py [--folds 20] [--candidates linear,gbm]`.
Publication is declared: the next local day at 09:00. Counter-days that are zero throughout are outages, left out.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import polars as pl
from _find import shared

from urbancast.core.product import Feature, Measure, Text
from urbancast.evaluation import backtest, compare, metrics
from urbancast.evaluation.own import CANDIDATES
from urbancast.features.panel import Panel

CUT, UNTIL = datetime(2021, 7, 12, tzinfo=UTC), datetime(2021, 8, 9, tzinfo=UTC)
RULES = ("seasonal_naive", "mean4w", "mean4w_scaled")
FEATURES = tuple(Feature(name=name) for name in ("calendar", "lag", "rolling", "profile", "rules", "place"))
PLAN = backtest.Plan(
    features=FEATURES, horizon=timedelta(days=3), train_window=timedelta(days=366), calibration=timedelta(days=56)
)
TZ = "Europe/Paris"
TEXT: Text = {"en": "bicycles", "es": "bicicletas", "fr": "vélos"}


def panel() -> Panel:
    """Counts of the extract as a panel, with their declared publication."""
    raw = pl.read_parquet(shared("paris/counts_2020-09_2021-08.parquet"))
    rows = raw.select(
        place="counter_id",
        measure=pl.lit("bicycles"),
        time=pl.col("date").dt.replace_time_zone("UTC"),
        draw=pl.lit(0, pl.Int64),
        value=pl.col("bike_count").cast(pl.Float64),
    )
    day = pl.col("time").dt.convert_time_zone(TZ).dt.truncate("1d")
    rows = rows.filter(pl.col("value").sum().over("place", day) > 0)
    rows = rows.with_columns(available_at=day.dt.offset_by("1d9h").dt.convert_time_zone("UTC"))
    places = raw.select(place="counter_id", lat="latitude", lon="longitude").unique("place").sort("place")
    return Panel(
        observations=rows,
        places=places,
        tz=TZ,
        grain=timedelta(hours=1),
        measures=(Measure(id="bicycles", label=TEXT, unit=TEXT),),
        country="FR",
    )


def day_ahead(known: Panel, names: list[str], hour: int) -> None:
    """Print the first Paris row of the numbers to beat, origins daily at this UTC hour."""
    chosen = [CANDIDATES[name] for name in (*RULES, *names)]
    cut = CUT + timedelta(hours=hour)
    result = backtest.run(known, PLAN, "bicycles", chosen, [cut], until=UNTIL + timedelta(hours=hour))
    rows = result.losses.filter((pl.col("lead_h") < 24) & (pl.col("time") < UNTIL + timedelta(hours=hour)))
    # A rule that says nothing at a place is not scored there: all are scored on the rows that all have.
    rows = rows.filter(pl.col("candidate").n_unique().over("place", "origin", "time") == len(chosen))
    table = metrics.means(rows, by=["candidate"])
    base = table.filter(pl.col("candidate") == "seasonal_naive")["absolute_error"][0]
    shown = table.select(
        "candidate",
        "rows",
        mae=pl.col("absolute_error").round(3),
        skill=(1 - pl.col("absolute_error") / base).round(4),
        crps=pl.col("crps").round(3),
        held=pl.col("hits_80").round(4),
        width=pl.col("width_80").round(1),
    )
    print(f"\nday-ahead {CUT:%Y-%m-%d} to {UNTIL:%Y-%m-%d}, origins at {hour:02d}:00Z\n{shown}")
    for name in names:
        for rule in ("seasonal_naive", "mean4w_scaled"):
            ours, theirs = (rows.filter(pl.col("candidate") == one) for one in (name, rule))
            print(f"{name} against {rule}:", compare.compare(ours, theirs, "mae"))


def coverage(known: Panel, names: list[str], folds: int) -> None:
    """Print how often 80 % ranges held over weekly refits, overall and by decile of forecast size."""
    cuts = [UNTIL - timedelta(weeks=back) for back in range(folds, 0, -1)]
    result = backtest.run(known, PLAN, "bicycles", [CANDIDATES[name] for name in names], cuts, until=UNTIL)
    print(f"\ncoverage over {folds} weekly folds to {UNTIL:%Y-%m-%d}")
    for name in names:
        rows = result.losses.filter(pl.col("candidate") == name)
        deciles = metrics.means(metrics.with_decile(rows), by=["decile"])["hits_80"].round(3).to_list()
        overall = metrics.means(rows).select("rows", "hits_80", "hits_80_se")
        weeks = metrics.means(rows, by=["cut"])["hits_80"].round(3).to_list()
        print(
            name,
            overall.row(0),
            "\n deciles",
            deciles,
            "\n weeks",
            weeks,
        )


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--candidates", default="linear,gbm")
    arguments.add_argument("--folds", type=int, default=20)
    arguments.add_argument("--hours", default="0,7")
    given = arguments.parse_args()
    known, names = panel(), given.candidates.split(",")
    for hour in given.hours.split(",") if given.hours else []:
        day_ahead(known, names, int(hour))
    if given.folds:
        coverage(known, names, given.folds)


if __name__ == "__main__":
    main()
