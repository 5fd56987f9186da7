"""Birmingham, real car parks, by the example product: share of spaces taken 1, 24 and 168 hours ahead, three weeks.

    python benchmarks/accuracy/birmingham_parking.py

Pulls the extract into a temporary lake; then every reading of 2016-11-29 to 2016-12-19 is forecast from the origin at
which the newest reading is so many hours old, refitted weekly on what was known then, and once for all three weeks.

The forecaster measured is the candidate `by_reach`, whether `urbancast run` would promote it or not: a verdict pools
all leads to a week on two folds, and its day-block interval is wide.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import _official as official
import polars as pl
from _find import EXAMPLES, shared

from urbancast.core.time import parse_instant
from urbancast.evaluation import backtest, metrics
from urbancast.evaluation.compare import compare
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import backtest as flow, opening, panel as panels, pull
from urbancast.lake.store import Lake

PRODUCT, MEASURE = "birmingham_parking", "share"
START, END = parse_instant("2016-11-29T00:00Z"), parse_instant("2016-12-20T00:00Z")
PERIOD = f"{START:%Y-%m-%d} to {END - timedelta(days=1):%Y-%m-%d}"
LEADS_H, HALF_HOUR, WEEK = (1, 24, 168), timedelta(minutes=30), timedelta(days=7)
RULES = {
    "seasonal_naive": "week before",
    "climatology": "4-week mean of the half hour of week",
    "climatology_scaled": "that mean, scaled by the last known day",
}


def main() -> None:
    """Pull, fit, forecast, print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    readings = shared("parking/birmingham_2016-10_12.parquet")
    os.environ["URBANCAST_PRODUCTS"] = str(EXAMPLES)
    with tempfile.TemporaryDirectory() as name:
        origin = opening.Origin(links={"readings": str(readings)})
        with opening.jobs([PRODUCT], Lake.open(str(Path(name) / "lake")), origin, now=END) as jobs:
            job = jobs[0]
            print(pull.run(job))
            known, plan = panels.panel(job, until=END), Plan.of(job.recipe, job.product)
            chosen = [one for one in flow.candidates(job.recipe) if one.name != "linear"]
            rows = []
            for every, words in ((WEEK, "refitted weekly"), (END - START, "fitted once")):
                losses = _losses(known, plan, chosen, every)
                _show(losses, words)
                rows.append(_row(losses, words))
    official.keep(__file__, rows)


def _losses(known: Panel, plan: Plan, chosen: Sequence[official.Any], every: timedelta) -> pl.DataFrame:
    """Losses by candidate and hours ahead of every reading that all of them forecast."""
    parts, cut = [], START
    while cut < END:
        fitted = backtest.fit_all(known, plan, MEASURE, chosen, cut)
        targets = _targets(known, cut, min(cut + every, END))
        frame = frames.build(known, features=plan.features, measure=MEASURE, rows=targets)
        beside = frame.select("place", "origin", "time", "ahead_h", "lead_h", "reach_h")
        truth = frame.select("place", "time", "value").unique(["place", "time"])
        for name, one in fitted.items():
            said = one.predict(frame).with_columns(measure=pl.lit(MEASURE), candidate=pl.lit(name))
            rows = said.join(beside, on=["place", "origin", "time"])
            parts.append(metrics.losses(rows, truth, tz=known.tz))
        cut += every
    every_one = pl.concat(parts)
    return every_one.filter(pl.len().over("place", "origin", "time") == len(chosen))


def _targets(known: Panel, start: datetime, end: datetime) -> pl.DataFrame:
    """Readings of [start, end) with the origin from which the newest reading is so many hours old.

    A reading is known half an hour after its time, so that origin is half an hour later than the reading.
    """
    truth = known.truth(MEASURE, start=start, end=end)
    ahead = [
        truth.with_columns(origin=pl.col("time") - timedelta(hours=hours) + HALF_HOUR, ahead_h=pl.lit(hours))
        for hours in LEADS_H
    ]
    return pl.concat(ahead).with_columns(pl.col("origin").cast(pl.Datetime("us", "UTC")))


def _show(losses: pl.DataFrame, words: str) -> None:
    columns = ["rows", "absolute_error", "absolute_error_se", "pinball", "crps", "hits_80", "hits_80_se", "width_80"]
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=180):
        print(words)
        print(metrics.means(losses, by=["candidate"]).select("candidate", *columns))
        print(metrics.means(losses, by=["ahead_h", "candidate"]).select("ahead_h", "candidate", *columns[:6]))
        own = metrics.with_decile(losses.filter(pl.col("candidate") == "by_reach"))
        print(metrics.means(own, by=["decile"]).select("decile", "rows", "absolute_error", "hits_80"), flush=True)


def _row(losses: pl.DataFrame, words: str) -> official.Row:
    """What the product serves beside the strongest rule, with the error by hours ahead."""
    means = metrics.means(losses, by=["candidate"]).sort("absolute_error")
    rule = means.filter(pl.col("candidate").is_in(list(RULES)))["candidate"][0]
    own, base = (losses.filter(pl.col("candidate") == name) for name in ("by_reach", rule))
    verdict = compare(own, base, "mae")
    held = metrics.means(own).row(0, named=True)
    ahead = metrics.means(own, by=["ahead_h"])["absolute_error"].to_list()
    told = {
        "forecaster": "by_reach", "rule": rule, "n": verdict.rows, "score": "absolute_error", "skill": verdict.skill,
        "low": verdict.low, "high": verdict.high, "baseline": verdict.champion_score,
        "value": verdict.challenger_score, "held_80": held["hits_80"], "held_80_error": 1.96 * held["hits_80_se"],
    }  # fmt: skip
    by_lead = " / ".join(f"{error:.4f}" for error in ahead)
    return official.row(
        told,
        question="How full will this car park be, 1, 24 and 168 hours ahead?",
        measured_on=f"Birmingham car parks, {PERIOD}, {words}, promoted or not; {by_lead} at 1 / 24 / 168 h",
        unit="share of spaces",
        rules=RULES,
    )


if __name__ == "__main__":
    main()
