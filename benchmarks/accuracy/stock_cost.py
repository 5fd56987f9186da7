"""Stock of a real bike-share by the scooters' recipe: what holding a quantile of the need cost, windows of June.

    python benchmarks/accuracy/stock_cost.py

Jersey City trips, January to June 2016, by station and local day, published the next day at six. Forecast daily from
the first of May as known then, refitted every two weeks; windows that begin in June are scored. No weather: none was
kept as it was forecast. The need of a window is the trips of its busiest day plus the net outflow of its three.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _find import shared

from urbancast.api.costs import paired
from urbancast.core.product import Derived, Recipe
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import from_local, local_clock, local_midnight
from urbancast.evaluation import backtest, derived, metrics, stock
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows.backtest import candidates
from urbancast.products.chicago_scooters.product import MEASURES, PRODUCT
from urbancast.products.chicago_scooters.recipe import RECIPE

TZ = "America/New_York"
CUTS = [datetime(2016, 5, day, 10, tzinfo=UTC) for day in (1, 15, 29)] + [datetime(2016, 6, 12, 10, tzinfo=UTC)]
END = datetime(2016, 6, 27, 10, tzinfo=UTC)
FIRST_SCORED = local_midnight(date(2016, 6, 1), TZ)
QUESTION = "How many bicycles must a station hold for three days? Cost of its stock at a service level of {level:.0%}"
MEASURED = (
    "Jersey City bike-share, {places} stations, refitted every 2 weeks, {windows} overlapping windows of June 2016; "
    "saving {saving:.2f} ({low:.2f} to {high:.2f}, blocks of 3 days) a window and station; last week's stock cost "
    "{before:.2f}; served {served:.1%}"
)
PART = {"linear": "additive"}  # which forecaster of net outflow goes with one of starts


def main() -> None:
    """Measure, print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    panel, recipe = _panel(), RECIPE
    plan = Plan.of(recipe, PRODUCT)
    found = {
        measure: backtest.run(panel, plan, measure, candidates(recipe, measure), CUTS, until=END)
        for measure in ("starts", "net_outflow")
    }
    for measure, result in found.items():
        june = result.losses.filter(pl.col("time") >= FIRST_SCORED, pl.col("lead_h") < 72)
        means = metrics.means(june, by=["candidate"]).select(
            "candidate", "absolute_error", "pinball", "hits_80", "rows"
        )
        print(measure, "1 to 3 days ahead, June", means.sort("absolute_error"))
    need = next(one for one in recipe.derived if one.measure == "need")
    plans = {name: _plans(panel, recipe, need, found, name) for name in ("linear", "climatology")}
    for name, rows in plans.items():
        own = rows.filter(pl.col("place") != derived.CITY)
        city = rows.filter(pl.col("place") == derived.CITY)
        print(f"need, {name}: MAE {own['absolute_error'].mean():.2f}, pinball {own['pinball'].mean():.3f}, "
              f"80 % held {own['hits_80'].mean():.3f} (n {own.height}); all stations together "
              f"{city['hits_80'].mean():.3f} (n {city.height})")  # fmt: skip
    out = [_row(plans, level) for level in (0.5, 0.8, 0.9)]
    for row in out:
        print(json.dumps(row, ensure_ascii=False))
    path = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
    path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plans(panel: Panel, recipe: Recipe, need: Derived, found: dict[str, Any], name: str) -> pl.DataFrame:
    """Forecasts of the need with what came and what the same days of last week needed; windows that begin in June."""
    starts = found["starts"].forecasts.filter(pl.col("candidate") == name)
    net = found["net_outflow"].forecasts.filter(pl.col("candidate") == PART.get(name, name))
    both = pl.concat([starts, net]).select("place", "measure", "origin", "time", "mean", *QUANTILE_COLUMNS)
    said = []
    for past in derived.pasts(panel, derived.parts_of([need]), both["origin"].unique().to_list()):
        rows = derived.forecasts(panel, [need], both.filter(pl.col("origin") == past.origin), past, seed=recipe.seed)
        before = past.before(derived.cell_of(panel, rows["time"][0]), need)
        known = pl.DataFrame({"place": list(past.places), "last_week": before})
        said.append(rows.join(known, on="place", how="left"))
    rows = pl.concat(said).filter(pl.col("time") >= FIRST_SCORED)
    truth = derived.truth(panel, need, start=FIRST_SCORED, end=END)
    return metrics.losses(rows, truth, tz=TZ)


def _row(plans: dict[str, pl.DataFrame], level: float) -> dict[str, Any]:
    """Cost at a level beside the better of last week's stock and the same quantile by the simple rule."""
    own, rule = (_by_day(plans[name], level) for name in ("linear", "climatology"))
    rules = {"last week's stock": own["before"], "the same quantile by the mean of 4 weeks": rule["cost"]}
    print({name: round(float(values.mean()), 3) for name, values in rules.items()}, "ours", own["cost"].mean())
    best = min(rules, key=lambda name: float(rules[name].mean()))
    gain = (rules[best] - own["cost"]).to_numpy()
    low, high = paired(gain, 3)
    return {
        "question": QUESTION.format(level=level),
        "measured_on": MEASURED.format(
            places=own["places"].max(),
            windows=own.height,
            saving=gain.mean(),
            low=low,
            high=high,
            before=own["before"].mean(),
            served=own["served"].mean(),
        ),
        "score": "cost",
        "unit": f"{level:g} a bicycle short, {1 - level:g} idle",
        "rule": best,
        "rule_score": round(float(rules[best].mean()), 4),
        "ours": round(float(own["cost"].mean()), 4),
        "held": round(float(plans["linear"].filter(pl.col("place") != derived.CITY)["hits_80"].mean()), 4),  # type: ignore[arg-type]
    }


def _by_day(plans: pl.DataFrame, level: float) -> pl.DataFrame:
    """Mean cost a station, of last week's stock beside, and share served, by the day a window begins."""
    rows = plans.filter((pl.col("place") != derived.CITY) & pl.col("last_week").is_not_nan())
    held = stock.at_level(rows.select(QUANTILE_COLUMNS).to_numpy(), level)
    value, before = rows["value"].to_numpy(), rows["last_week"].to_numpy()
    priced = rows.select("time").with_columns(
        cost=pl.Series(stock.pinball_at(value, held, level)),
        before=pl.Series(stock.pinball_at(value, before, level)),
        served=pl.Series((value <= held).astype(np.float64)),
    )
    return priced.group_by("time").agg(pl.col("cost", "before", "served").mean(), places=pl.len()).sort("time")


def _panel() -> Panel:
    """Starts and net outflow by station and local day, zeros from a station's first trip on."""
    raw = pl.read_parquet(shared("trips/citibike_jersey_city_2016-01_06.parquet"))
    day = {name: pl.col(name).cast(pl.Datetime("us")).dt.truncate("1d") for name in ("Start Time", "Stop Time")}
    trips = raw.select(
        place="Start Station ID", to="End Station ID", day=day["Start Time"], end=day["Stop Time"]
    ).drop_nulls()
    starts = trips.group_by("place", "day").len("starts")
    ends = trips.group_by(place="to", day="end").len("ends")
    first = (
        pl.concat([starts.select("place", "day"), ends.select("place", "day")])
        .group_by("place")
        .agg(first=pl.col("day").min())
    )
    served = starts.group_by("place").agg(pl.col("starts").sum()).select("place")  # bicycles end elsewhere too
    days = trips.select("day").unique()
    grid = first.join(served, on="place", how="semi").join(days, how="cross").filter(pl.col("day") >= pl.col("first"))
    values = (
        grid.join(starts, on=["place", "day"], how="left")
        .join(ends, on=["place", "day"], how="left")
        .with_columns(pl.col("starts", "ends").fill_null(0).cast(pl.Float64))  # in operation and not named: none
        .with_columns(net_outflow=pl.col("starts") - pl.col("ends"), time=from_local(pl.col("day"), TZ))
    )
    rows = values.unpivot(["starts", "net_outflow"], index=["place", "time"], variable_name="measure")
    return Panel(
        observations=rows.with_columns(
            draw=pl.lit(0, pl.Int64), available_at=local_clock(pl.col("time"), TZ, days=1, hour=6)
        ),
        places=values.select("place").unique().sort("place"),
        tz=TZ,
        grain=timedelta(days=1),
        measures=MEASURES,
        country="US",
        subdivision="NJ",
    )


if __name__ == "__main__":
    main()
