"""Chicago, one real day of taxi trips: learnt from those that left in even hours, scored on those of odd hours.

    python benchmarks/accuracy/chicago_taxi.py

A smoke test, not evidence: one Tuesday says nothing of other days. Trips of odd hours are moved a week on, so that
the engine forecasts them with its own functions from what the even hours told; nothing of them is known before.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import _official as official
import polars as pl
from _find import shared

from urbancast import products
from urbancast.core.place import PlaceKind
from urbancast.core.product import Candidate, ObserveContext, Observed
from urbancast.core.time import DAY, HOUR, UTC_US, as_grain, parse_instant
from urbancast.evaluation import backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.geo import places
from urbancast.portals import layouts, media, read

PRODUCT, MEASURE, UNIT = "chicago_taxi", "minutes", "minutes"
DAY_START = parse_instant("2022-03-01T06:00Z")
WEEK = timedelta(days=7)
CUT = DAY_START + WEEK
SEED_MIN = (1.0, 60.0)
EVENING = timedelta(hours=8)  # the last of the even hours say how far trips lie from what was expected
# A day is 6,500 trips: boosters of a tenth of the usual size.
SMALL = {"rounds": 60, "spread_rounds": 30, "min_data_in_leaf": 100, "num_leaves": 15}


def main() -> None:
    """Observe the day, forecast its odd hours, print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    seen = observed()
    print({name: share for name, share in seen.notes.items() if "removed" in name or "censored" in name})
    rows = []
    for name, panel in (("long trips kept", panel_of(seen)), ("60 to 3600 s alone", panel_of(seen, within=SEED_MIN))):
        found = errors(scored(panel))
        print(name, {who: {key: round(value, 4) for key, value in sums.items()} for who, sums in found.items()})
        rows += [row(found, name, by) for by in ("absolute_error", "pinball")]
    official.keep(__file__, rows)


def observed() -> Observed:
    """The day through the product's own layouts and rules, between real community areas."""
    product, recipe = products.get(PRODUCT), products.recipe(PRODUCT)
    sources = {source.name: source for source in recipe.sources}
    boundaries = read.frame(shared("chicago/community_areas.geojson").read_bytes(), media.GEOJSON)
    named = layouts.parse_frame(sources["places"], boundaries)
    areas = places.from_features(named, {name: name for name in ("place", "name", "part_of")}, kind=PlaceKind.ZONE)
    trips = read.frame(shared("chicago/taxi_trips_2022-03-01.parquet").read_bytes(), media.PARQUET)
    context = ObserveContext(
        tz=product.tz, grain=as_grain(product.grain), places=areas.places, is_schematic=False, provenance="extract"
    )
    return recipe.observe({"trips": layouts.parse_frame(sources["trips"], trips)}, context)


def panel_of(seen: Observed, *, within: tuple[float, float] | None = None) -> Panel:
    """Even hours known as each ends, odd hours a week later and known when that day is over."""
    product = products.get(PRODUCT)
    rows = seen.observations
    if within is not None:
        rows = rows.filter(pl.col("value").is_between(*within))
    is_odd = pl.col("time").dt.convert_time_zone(product.tz).dt.hour() % 2 == 1
    moved = pl.col("time") + pl.when(is_odd).then(WEEK).otherwise(timedelta(0))
    late = pl.when(is_odd).then(pl.lit(CUT + 2 * DAY, dtype=UTC_US)).otherwise(pl.col("time") + HOUR)
    return Panel(
        observations=rows.with_columns(time=moved, available_at=late),
        places=places.schematic(product),
        tz=product.tz,
        grain=as_grain(product.grain),
        measures=product.measures,
        country=product.country,
        subdivision=product.subdivision,
        pairs=product.pairs,
    )


def scored(panel: Panel) -> pl.DataFrame:
    """Losses of the odd hours by candidate, all from one origin."""
    product, recipe = products.get(PRODUCT), products.recipe(PRODUCT)
    plan = replace(
        Plan.of(recipe, product),
        features=tuple(feature for feature in recipe.features if feature.name != "weather"),
        horizon=DAY,
        issue_step=HOUR,
        train_window=WEEK + DAY,
        calibration=WEEK - DAY + EVENING,
    )
    small = [replace(each, params={**each.params, **SMALL}) for each in recipe.candidates]
    chosen: list[Candidate] = [*recipe.rules, *small]
    origins: dict[datetime, list[datetime]] = {CUT: [CUT]}
    return backtest.run(panel, plan, MEASURE, chosen, origins, keeps_forecasts=False).losses


def errors(losses: pl.DataFrame) -> Mapping[str, Mapping[str, float]]:
    """Mean losses, RMSE and share held by candidate."""
    table = losses.group_by("candidate").agg(
        pl.col("absolute_error", "pinball", "hits_80").mean(),
        pl.col("squared_error").mean().sqrt().alias("rmse"),
        pl.len().alias("trips"),
    )
    return {found.pop("candidate"): found for found in table.sort("candidate").iter_rows(named=True)}


def row(found: Mapping[str, Mapping[str, float]], protocol: str, by: str) -> official.Row:
    """Benchmark row: the best candidate beside the shrunk pair mean; a day is too short for an interval of the gain."""
    recipe = products.recipe(PRODUCT)
    rule = found[recipe.baseline]
    best = min((name for name in found if name != recipe.baseline), key=lambda name: found[name][by])
    own = found[best]
    rmse = f"RMSE {own['rmse']:.2f} beside {rule['rmse']:.2f}"
    return {
        "question": f"How long will a taxi take from here to there? {protocol}",
        "measured_on": f"Chicago, 1 March 2022, even hours → odd hours; {int(own['trips']):,} trips; {best}; {rmse}",
        "score": official.WORDS[by],
        "unit": UNIT,
        "rule": "pair's mean, shrunk to its band",
        "rule_score": rule[by],
        "ours": own[by],
        "held": own["hits_80"],
    }


if __name__ == "__main__":
    main()
