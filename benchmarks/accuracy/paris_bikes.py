"""Paris, real counts, by the product itself: day-ahead error beside the simple rules, and ranges over a year's folds.

    python benchmarks/accuracy/paris_bikes.py [--folds 20]

Runs `urbancast run paris_bikes` on the extract in a temporary lake, then refits weekly on the same lake. Publication
is declared: the next local day at nine. No weather: the extract has none as it was forecast.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

import _folds
import _month
import _official as official
import polars as pl
from _find import shared

from urbancast.core.time import parse_instant
from urbancast.flows import opening, verify
from urbancast.flows.job import Job
from urbancast.flows.summary import summarise
from urbancast.lake.store import Lake

PRODUCT, MEASURE, UNIT = "paris_bikes", "bikes", "bicycles/h"
AS_OF, UNTIL = "2021-07-12T00:00Z", "2021-08-09T00:00Z"
MONTH, MONTH_END = "2021-07-08T00:00Z", "2021-08-10T00:00Z"
WEEK = timedelta(days=7)
RULES = {
    "seasonal_naive": "week before",
    "climatology": "4-week hour-of-week mean",
    "climatology_scaled": "4-week hour-of-week mean, scaled by the last known day",
}
DAY_AHEAD = "Paris counters, trained until 2021-07-12, forecast daily, scored to 2021-08-08 at leads below 24 h"


def main() -> None:
    """Run the product, refit over the folds, print and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folds", type=int, default=20, help="weekly folds to 2021-08-09; 0: none")
    asked = parser.parse_args()
    counts = shared("paris/counts_2020-09_2021-08.parquet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [PRODUCT, "--source", f"counts={counts}", "--as-of", AS_OF, "--until", UNTIL]
        told = official.run(words, folder)
        official.show(told)
        rows = [day_ahead(official.score(told, MEASURE, official.DAY_1))]
        candidate = official.served(told, MEASURE)
        with opened(folder / "lake") as job:
            rows.append(beside_week_before(job, candidate))
            if asked.folds:
                rows.append(ranges(job, candidate, asked.folds))
            rows.append(month(job, counts))
    official.keep(__file__, rows)


@contextmanager
def opened(lake: Path) -> Iterator[Job]:
    """The product in the lake that its command filled."""
    with opening.jobs([PRODUCT], Lake.open(str(lake)), opening.Origin()) as jobs:
        yield jobs[0].at(parse_instant(UNTIL))


def day_ahead(found: official.Told) -> official.Row:
    """What is served beside the strongest simple rule."""
    question = "How many cyclists will pass this counter, tomorrow by the hour?"
    return official.row(found, question=question, measured_on=DAY_AHEAD, unit=UNIT, rules=RULES)


def beside_week_before(job: Job, candidate: str) -> official.Row:
    """What is served beside the week before, on the rows that both have."""
    week = tuple(rule for rule in job.recipe.rules if rule.name == "seasonal_naive")
    beside = replace(job, recipe=replace(job.recipe, rules=week, baseline=week[0].name))
    losses = verify.run(job, since=parse_instant(AS_OF))
    found = summarise(beside, losses)
    own = next(one for one in found if one.lead == official.DAY_1 and one.forecaster == candidate)
    question = "The same, beside the count of a week before"
    return official.row(asdict(own), question=question, measured_on=DAY_AHEAD, unit=UNIT, rules=RULES)


def ranges(job: Job, candidate: str, folds: int) -> official.Row:
    """How often the 80 % range held over weekly refits, with CRPS as the loss of the whole distribution."""
    until = parse_instant(UNTIL)
    losses = _folds.losses(job, candidate, until=until, folds=folds, every=WEEK)
    deciles, weeks = _folds.deciles(losses, candidate), _folds.weeks(losses, candidate)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160):
        print(_folds.overall(losses), deciles, weeks, sep="\n", flush=True)
    since = until - folds * WEEK
    return official.row(
        _folds.summary(job, losses, candidate),
        question="How far off may it be, up to 3 days ahead?",
        measured_on=(
            f"Paris counters, {folds} weekly refits {since:%Y-%m-%d} to {until:%Y-%m-%d}, forecast daily, all leads, "
            f"by what was promoted on 2021-07-12, chosen on six of these weeks; {_folds.sentence(deciles)}"
        ),
        unit=UNIT,
        rules=RULES,
    )


def month(job: Job, counts: Path) -> official.Row:
    """A month in one go, every counter-hour of the file scored, outages too."""
    cut, end = parse_instant(MONTH), parse_instant(MONTH_END)
    best, found = _month.errors(job, truth(counts, cut, end), cut=cut, horizon=end - cut)
    rule = min((name for name in found if name != best), key=lambda name: found[name])
    print("month, RMSE of log1p:", found, flush=True)
    measured = (
        f"Paris counters, trained until {cut:%Y-%m-%d}, next 33 days from one origin, outages too; {best} by medians"
    )
    return {
        "question": "A whole month in one go, by the hour?",
        "measured_on": measured,
        "score": "RMSE of log(1 + count)",
        "unit": "",
        "rule": RULES[rule],
        "rule_score": found[rule],
        "ours": found[best],
        "held": None,
    }


def truth(counts: Path, start: datetime, end: datetime) -> pl.DataFrame:
    """Place, time and value of [start, end) as the file has them."""
    time = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raw = pl.read_parquet(counts).select(place="counter_id", time=time, value=pl.col("bike_count").cast(pl.Float64))
    return raw.filter(pl.col("time").is_between(start, end, closed="left"))


if __name__ == "__main__":
    main()
