"""Try a table: guess what its columns mean, backtest it beside the simple rules, say whether it is worth using."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.core.time import DAY, as_grain, local_day, local_midnight
from urbancast.flows import backtest, forecast, promote, pull, scaffold, train
from urbancast.flows.guess import Ask, Given, Guess, guess, numbers, refuse
from urbancast.flows.job import Job
from urbancast.flows.summary import Summary, summarise
from urbancast.lake import forecasts, observations
from urbancast.portals import media, read
from urbancast.products import instants

LEAST = timedelta(days=28)
MOST_PLACES = 2_000
FIT_ROWS = 60_000


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A product folder made of a table. ``end``: when its last interval had ended; ``has_map``: positions known."""

    product: str
    folder: Path
    table: Path
    guess: Guess
    end: datetime
    places: int
    rows: int
    days: int
    has_map: bool


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a trial found: scores beside the simple rules on unseen days, one sentence, and rows for a chart."""

    prepared: Prepared
    scores: tuple[Summary, ...]
    is_worth_it: bool
    sentence: str
    past: pl.DataFrame
    ahead: pl.DataFrame


def prepare(table: Path, given: Given, *, into: Path, ask: Ask = refuse) -> Prepared:
    """Product folder for a table; refuses what is too short, too wide or not clear, by name."""
    rows = _table(table)
    found = guess(rows, given, ask=ask)
    at = instants.read(rows[found.time], found.form, found.tz)
    facts = pl.DataFrame({"at": at, "place": _names(rows, found), "value": numbers(rows[found.value])}).drop_nulls("at")
    first, last = facts["at"].min(), facts["at"].max()
    span: timedelta = last - first  # type: ignore[operator,assignment]
    _require(facts, span)
    places = _places(rows, found)
    product = f"try_{hashlib.sha256(table.stem.encode()).hexdigest()[:8]}"
    outline = scaffold.Outline(
        id=product,
        city=table.stem.replace("_", " ").replace('"', ""),
        tz=found.tz,
        lat=float(places["lat"].mean()),  # type: ignore[arg-type]
        lon=float(places["lon"].mean()),  # type: ignore[arg-type]
        facts={**_facts(found, span, table), "also": _others(rows, found)},
    )
    return Prepared(
        product=product,
        folder=scaffold.write(into, outline, places),
        table=table,
        guess=found,
        end=_end(last, found),  # type: ignore[arg-type]
        places=places.height,
        rows=rows.height,
        days=span.days,
        has_map=found.lat is not None,
    )


def run(job: Job, prepared: Prepared) -> Trial:
    """Pull the table, backtest every candidate on unseen days, promote what wins, forecast from the table's end."""
    pull.run(job)
    train.baselines(job)
    evidence = backtest.run(job)
    verdicts = promote.run(job, train.run(job, evidence), evidence)
    forecast.run(job)
    measure = job.product.measure.id
    scores = tuple(s for s in summarise(job, evidence[measure].losses) if s.lead == "all")
    verdict = verdicts[measure]
    is_worth_it = verdict.action == "promoted"
    return Trial(
        prepared=prepared,
        scores=scores,
        is_worth_it=is_worth_it,
        sentence=_sentence(scores, is_worth_it=is_worth_it, reason=verdict.reason),
        past=observations.known_at(job.lake, job.product.id, job.now, since=job.now - 14 * DAY),
        ahead=_served(job),
    )


def _served(job: Job) -> pl.DataFrame:
    names = [release.name for release in forecast.serving_releases(job).values()]
    rows = forecasts.read(job.lake, job.product.id, origin=job.now)
    return rows.filter(pl.col("release").is_in(names))


def _sentence(scores: tuple[Summary, ...], *, is_worth_it: bool, reason: str) -> str:
    """Whether a trained forecast is worth using, with the numbers that say so."""
    trained = [s for s in scores if not s.forecaster.startswith(("seasonal", "climatology"))]
    best = min(trained or scores, key=lambda s: s.value)
    rule = next((s for s in scores if s.forecaster == best.rule), best)
    if is_worth_it:
        return (
            f"Worth using: on days it had not seen, the error of {best.forecaster} was {best.skill:.0%} below the best "
            f"simple rule ({best.rule}), and its 80 % range held {best.held_80:.0%} of the time."
        )
    return (
        f"Not worth a model: {best.forecaster} is no better than the simple rule {best.rule} ({reason}); "
        f"use the rule, whose 80 % range held {rule.held_80:.0%} of the time."
    )


def _table(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise QueryError("no-file", expected="a CSV, Parquet or JSON file", found=path.name, action="check the path")
    payload = path.read_bytes()
    try:
        return read.frame(payload, media.of("", path.name, payload))
    except (ValueError, TypeError, OSError, pl.exceptions.PolarsError) as error:
        raise QueryError("unreadable-table", expected="a CSV, Parquet or JSON table with a header",
                         found=str(error)[:200], action="mend the file") from error  # fmt: skip


def _names(rows: pl.DataFrame, found: Guess) -> pl.Series:
    if found.place is None:
        return pl.Series(["all"] * rows.height)
    return rows[found.place].cast(pl.String).str.strip_chars()


def _places(rows: pl.DataFrame, found: Guess) -> pl.DataFrame:
    """Place, name, lat, lon; without coordinates a row of places that no map is drawn of."""
    named = pl.DataFrame({"place": _names(rows, found)})
    if found.lat and found.lon:
        named = named.with_columns(lat=numbers(rows[found.lat]), lon=numbers(rows[found.lon]))
        where = named.group_by("place").agg(pl.col("lat", "lon").median().round(5)).drop_nulls()
    else:
        where = named.unique().sort("place").with_row_index("n")
        where = where.with_columns(lat=pl.lit(0.0), lon=(pl.col("n") * 0.01).round(4))
    return where.drop_nulls("place").sort("place").select("place", "lat", "lon", name="place")


def _require(facts: pl.DataFrame, span: timedelta) -> None:
    count = facts["place"].n_unique()
    if span < LEAST:
        raise QueryError("too-short", expected=f"at least {LEAST.days} days to learn from and to be judged by",
                         found=f"{span.days} days", action="give a longer table")  # fmt: skip
    if count > MOST_PLACES:
        raise QueryError("too-many-places", expected=f"at most {MOST_PLACES} places in a trial", found=f"{count}",
                         action="name the column of places with --place, or give fewer of them")  # fmt: skip
    if facts["value"].is_finite().sum() == 0:
        raise QueryError("no-numbers", expected="numbers", found="none in the column of values",
                         action="name the column with --value")  # fmt: skip


def _end(last: datetime, found: Guess) -> datetime:
    """When the last interval had ended: the moment the forecast is made."""
    grain = as_grain(found.grain)
    if grain >= DAY:
        return local_midnight(local_day(last, found.tz) + DAY, found.tz)
    epoch = last.replace(hour=0, minute=0, second=0, microsecond=0)
    return epoch + ((last - epoch) // grain + 1) * grain


def _facts(found: Guess, span: timedelta, table: Path) -> Mapping[str, Any]:
    """Words of the templates for this table: columns, windows that fit its length, publication at once."""
    grain = as_grain(found.grain)
    per = {"15m": "15 min", "30m": "30 min", "1h": "h", "1d": "day"}[found.grain]
    folds, every = (3, 7) if span >= timedelta(days=84) else (2, max(2, span.days // 9))
    columns = [name for name in (found.place, found.time, found.value) if name]
    return {
        "grain": found.grain,
        "horizon_h": 72 if grain < DAY else 168,
        "unit": f"{_plain(found.value)}/{per}" if found.kind == "count" else _plain(found.value),
        "label": _plain(found.value),
        "kind": found.kind,
        "place_column": repr(found.place),
        "time_column": repr(found.time),
        "value_column": repr(found.value),
        "form": repr(found.form),
        "columns": ", ".join(f"`{name}`" for name in columns),
        "history_days": span.days + 2,
        "train_days": min(span.days + 1, 366),
        "calibration_days": 28 if span >= timedelta(days=84) else max(7, span.days // 4),
        "folds": folds,
        "fold_days": every,
        "fit_rows": FIT_ROWS,
        "published": "counts.at_once(TZ, as_grain(PRODUCT.grain))",
        "published_words": ", each interval known once it has ended",
        "published_card": "Nothing is known of it: each interval is taken as readable once it has ended.",
        "is_mean": found.is_mean,
        "observe_imports": "from urbancast.core.time import as_grain\n",
        "observe_words": "averaged over intervals" if found.is_mean else "summed into intervals",
        "observe_card": f"Rows of one interval are {'averaged' if found.is_mean else 'summed'}.",
        "attribution": f"the table {table.name}",
    }


def _others(rows: pl.DataFrame, found: Guess) -> str:
    meant = {found.place, found.time, found.value}
    return repr(tuple(name for name in rows.columns if name not in meant))


def _plain(text: str) -> str:
    return text.replace('"', "").replace("\\", "").strip() or "value"
