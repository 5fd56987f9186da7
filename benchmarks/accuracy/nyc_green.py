"""New York, real green taxi trips, by an external product of pairs: minutes a day ahead, beside the shrunk pair mean.

    python benchmarks/accuracy/nyc_green.py

Runs `urbancast run nyc_green` on the extract in a temporary lake: trained once on four months of two winters, forecast
daily over March 2023, a trip known as its day ends. Then the same recipe on trips of 60 to 3600 s alone, as others
measure it, with nothing of the scored month known. No weather and no distance driven.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import _official as official
import polars as pl
from _find import EXAMPLES, shared

from urbancast.core.time import UTC_US, parse_instant
from urbancast.evaluation import backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import backtest as flow, opening, panel as panels
from urbancast.flows.job import Job
from urbancast.flows.summary import summarise
from urbancast.lake.store import Lake

PRODUCT, MEASURE, UNIT = "nyc_green", "minutes", "minutes"
AS_OF, UNTIL = "2023-03-01T05:00Z", "2023-04-01T04:00Z"
PROTOCOL_MIN = 60.0
RULES = {"pair_mean": "pair's mean, shrunk to its band", "pair_hour": "shrunk pair mean × the city's hour of week"}
TRAINED = "New York green taxis, trained until 2023-03-01"
LIVED = f"{TRAINED}, forecast daily, scored to 2023-03-31, long trips kept"
PEERS = f"{TRAINED} on trips of 60 to 3600 s, scored on those of 2023-03 with nothing of that month known"


def main() -> None:
    """Run the product, then the protocol of others on the same lake; print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    os.environ["URBANCAST_PRODUCTS"] = str(EXAMPLES)
    trips = shared("trips/nyc_green_2022-01_02_2023-01_03.parquet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = official.run([PRODUCT, "--source", f"trips={trips}", "--as-of", AS_OF, "--until", UNTIL], folder)
        official.show(told)
        question = "How long will a green taxi take from here to there, by the hour, a day ahead?"
        found = official.score(told, MEASURE, official.ALL)
        rows = [official.row(found, question=question, measured_on=LIVED, unit=UNIT, rules=RULES)]
        with opened(folder / "lake") as job:
            lost = protocol(job, official.served(told, MEASURE))
            rows += [_row(job, lost, by) for by in ("mae", "pinball")]
    official.keep(__file__, rows)


@contextmanager
def opened(lake: Path) -> Iterator[Job]:
    """The product in the lake that its command filled."""
    with opening.jobs([PRODUCT], Lake.open(str(lake)), opening.Origin()) as jobs:
        yield jobs[0].at(parse_instant(UNTIL))


def protocol(job: Job, candidate: str) -> pl.DataFrame:
    """Losses of March, daily origins, of the candidate and the simple rules, fitted and scored on trips to an hour."""
    start, end = parse_instant(AS_OF), parse_instant(UNTIL)
    known = frozen(panels.panel(job))
    chosen = [one for one in flow.candidates(job.recipe) if one in job.recipe.rules or one.name == candidate]
    origins = [start + timedelta(days=day) for day in range((end - start).days + 1)]
    plan = Plan.of(job.recipe, job.product)
    result = backtest.run(known, plan, MEASURE, chosen, {start: origins}, keeps_forecasts=False)
    print(errors(result.losses), flush=True)
    return result.losses.filter(pl.col("time") < end)


def frozen(known: Panel) -> Panel:
    """Panel of trips of 60 to 3600 s; those of the scored month become known when it is over."""
    start, end = (pl.lit(parse_instant(at), dtype=UTC_US) for at in (AS_OF, UNTIL))
    rows = known.observations.filter(pl.col("value").is_between(1.0, PROTOCOL_MIN))
    late = pl.when(pl.col("time") >= start).then(pl.max_horizontal("available_at", end)).otherwise("available_at")
    return replace(known, observations=rows.with_columns(available_at=late))


def errors(losses: pl.DataFrame) -> Mapping[str, Mapping[str, float]]:
    """MAE, RMSE, pinball and share held by candidate."""
    table = losses.group_by("candidate").agg(
        pl.col("absolute_error").mean(),
        pl.col("squared_error").mean().sqrt().alias("rmse"),
        pl.col("pinball", "hits_80").mean(),
        pl.len().alias("rows"),
    )
    return {row.pop("candidate"): row for row in table.sort("candidate").iter_rows(named=True)}


def _row(job: Job, losses: pl.DataFrame, by: str) -> official.Row:
    """Row of one score, what is served beside the pair mean; RMSE stands in the words."""
    recipe = replace(job.recipe, primary=by, rules=job.recipe.rules[:1])  # type: ignore[arg-type]
    found = summarise(replace(job, recipe=recipe), losses)
    best = min((one for one in found if one.lead == official.ALL), key=lambda one: one.value)
    squared = errors(losses)
    rmse = f"RMSE {squared[best.forecaster]['rmse']:.2f} beside {squared[best.rule]['rmse']:.2f}"
    question = "The same, as others measure it: trips of 1 to 60 minutes"
    return official.row(asdict(best), question=question, measured_on=f"{PEERS}; {rmse}", unit=UNIT, rules=RULES)


if __name__ == "__main__":
    main()
