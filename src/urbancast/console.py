"""What the command line shows: progress on standard error, results on standard output."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from urbancast import products as catalogue
from urbancast.core.errors import QueryError
from urbancast.core.time import iso, parse_instant
from urbancast.evaluation.backtest import Backtest
from urbancast.flows import opening, standing
from urbancast.flows.cycle import Lived
from urbancast.flows.job import Job
from urbancast.flows.proof import Proof
from urbancast.flows.summary import Summary, summarise
from urbancast.flows.tally import Tally
from urbancast.flows.trial import Trial
from urbancast.lake.store import Lake
from urbancast.registry.record import Decision
from urbancast.registry.release import Release
from urbancast.settings import settings

out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)


def lake(url: str | None) -> Lake:
    """Open the lake named on the command line or in the environment."""
    return Lake.open(url or settings().lake)


def instant(text: str | None) -> datetime | None:
    """UTC instant of an option's text, or None."""
    return None if text is None else parse_instant(text)


@contextmanager
def job(
    product: str,
    lake_url: str | None,
    *,
    sample: bool = False,
    live: bool = False,
    source: list[str] | None = None,
    as_of: str | None = None,
) -> Iterator[Job]:
    """Open the job that a verb works on, with its progress told on standard error."""
    origin = opening.Origin(is_sample=sample, is_live=live, links=_links(source or []))
    with watched([product], lake(lake_url), origin, now=instant(as_of)) as opened:
        yield opened


@contextmanager
def reading(product: str, lake_url: str | None) -> Iterator[Job]:
    """Open a job that writes nothing: beside whatever runs."""
    with watched([product], lake(lake_url), opening.Origin(), now=None, is_writing=False) as opened:
        yield opened


@contextmanager
def watched(
    ids: list[str], where: Lake, origin: opening.Origin, *, now: datetime | None, is_writing: bool = True
) -> Iterator[Job]:
    """First job of products in an open lake, with its progress told on standard error."""
    with (
        err.status("…") as status,
        opening.jobs(ids, where, origin, now=now, teller=_Progress(status).tell, is_writing=is_writing) as opened,
    ):
        yield opened[0]


class _Progress:
    """A line for each finished step, a spinner for the present one."""

    def __init__(self, status: Any) -> None:
        self._status = status

    def tell(self, product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
        if state == "started":
            self._status.update(f"{product}  {step}")
        elif state == "done":
            rest = ", ".join(f"{k} {_short(v)}" for k, v in facts.items() if k != "seconds")
            seconds = f"{facts['seconds']:.1f} s"
            err.print(f"[green]✓[/] {product}  {escape(step)}  [dim]{seconds}  {escape(rest)}[/]", soft_wrap=True)
        else:
            err.print(f"[red]✗[/] {product}  {escape(step)}")


def products(*, as_json: bool) -> None:
    """List the products, as a table or JSON."""
    rows = [_promise(product) for product in catalogue.discover().values()]
    if as_json:
        _json(rows)
        return
    table = Table("id", "question", "unit", "grain", "horizon", "lenses")
    for row in rows:
        table.add_row(row["id"], row["question"], row["unit"], row["grain"], row["horizon"], ", ".join(row["lenses"]))
    out.print(table)


def made(folder: Path, *, as_json: bool) -> None:
    """Print where a new product's folder is and what to do next."""
    if as_json:
        _json({"product": folder.name, "folder": str(folder), "files": sorted(p.name for p in folder.iterdir())})
        return
    out.print(f"[bold green]made[/] {escape(str(folder))}", soft_wrap=True)
    out.print("It runs on a simulation of its own. Next:", highlight=False)
    for line in (
        f"URBANCAST_PRODUCTS={folder.parent} urbancast run {folder.name}",
        f"URBANCAST_PRODUCTS={folder.parent} urbancast up --only {folder.name}",
    ):
        out.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
    out.print("Then put your places into places.csv, your columns into recipe.py, your words into product.py, card.md.")


def trial(found: Trial, report: Path, *, as_json: bool) -> None:
    """Print what a trial found: the guess, the scores beside the simple rules, and one sentence."""
    if as_json:
        scores = [dataclasses.asdict(score) for score in found.scores]
        guessed = dataclasses.asdict(found.prepared.guess)
        _json(
            {
                "sentence": found.sentence,
                "is_worth_it": found.is_worth_it,
                "guess": guessed,
                "scores": scores,
                "product": found.prepared.product,
                "folder": str(found.prepared.folder),
                "report": str(report),
                "has_map": found.prepared.has_map,
            }
        )
        return
    for note in found.prepared.guess.notes:
        out.print(f"[dim]{escape(note)}[/]", soft_wrap=True)
    _summaries(list(found.scores))
    out.print(f"[bold]{escape(found.sentence)}[/]", soft_wrap=True)
    out.print(f"chart: {report}", soft_wrap=True, highlight=False)


def lived(job: Job, lived: Lived, *, as_json: bool) -> None:
    """Print verdicts and scores beside the baseline of the days lived."""
    summaries = summarise(job, lived.losses)
    if as_json:
        decisions = {measure: dataclasses.asdict(d) for measure, d in lived.verdicts.items()}
        classes = {name: frame.to_dicts() for name, frame in lived.losses.reliability().items()}
        scores = [dataclasses.asdict(summary) for summary in summaries]
        _json({"product": job.product.id, "verdicts": decisions, "scores": scores, "reliability": classes})
        return
    decisions_table(lived.verdicts)
    _summaries(summaries)
    for name, frame in lived.losses.reliability().items():
        _classes(name, frame)


def losses(job: Job, tally: Tally, *, as_json: bool) -> None:
    """Print scores beside the baseline of verified rows."""
    summaries = summarise(job, tally)
    if as_json:
        _json([dataclasses.asdict(summary) for summary in summaries])
    else:
        _summaries(summaries)


def evidence(job: Job, found: Mapping[str, Backtest], *, as_json: bool) -> None:
    """Print a backtest's scores: every candidate beside the simple rules, on the same rows."""
    losses(job, Tally.of(job, [result.losses for result in found.values()]), as_json=as_json)


def proof(found: Proof, *, as_json: bool) -> None:
    """Print whether a ledger fits its tables; where it does not, its first entry that does not fit."""
    if as_json:
        _json(dataclasses.asdict(found))
        return
    misfit = found.misfit
    if misfit is None:
        out.print(f"[green]whole[/] {found.product}: {found.entries:,} entries, head {found.head}", soft_wrap=True)
    else:
        out.print(f"[red]broken[/] {found.product} at entry {misfit.number} of {found.entries:,}", soft_wrap=True)
        out.print(escape(f"{misfit.kind} {misfit.subject}: {misfit.reason}"), soft_wrap=True, highlight=False)
    for count, what in ((found.pending, "days await their scoring"), (found.unentered, "sets await their entry")):
        if count:
            out.print(f"[dim]{count:,} {what}: run `urbancast verify {found.product}`[/]", soft_wrap=True)


def decisions(made: Mapping[str, Decision], *, as_json: bool) -> None:
    """Print verdicts with their numbers and reasons."""
    if as_json:
        _json({measure: dataclasses.asdict(decision) for measure, decision in made.items()})
    else:
        decisions_table(made)


def decisions_table(made: Mapping[str, Decision]) -> None:
    """Print a table of verdicts."""
    table = Table("measure", "verdict", "challenger", "champion", "skill", "difference (95 %)", "reason")
    for measure, d in made.items():
        bounds = "" if d.low is None or d.high is None else f"{d.low:+.4g} … {d.high:+.4g}"
        skill = "" if d.skill is None else f"{d.skill:+.2%}"
        table.add_row(measure, d.action, d.challenger, d.champion, skill, bounds, d.reason)
    out.print(table)


def releases(made: Mapping[str, Release], *, as_json: bool) -> None:
    """Print releases by measure."""
    facts({measure: release.name for measure, release in made.items()}, as_json=as_json)


def facts(result: Any, *, as_json: bool) -> None:
    """Print a flow's result."""
    values = dataclasses.asdict(result) if dataclasses.is_dataclass(result) else dict(result)  # type: ignore[arg-type]
    if as_json:
        _json(values)
        return
    for key, value in values.items():
        out.print(f"{key:>12}  {_short(value)}", highlight=False)


def status(lake: Lake, *, as_json: bool) -> None:
    """Print how each product stands, the worst first."""
    rows = standing.read(lake)
    if as_json:
        _json(rows)
        return
    for table in standing.tables(rows):
        out.print(table)
        out.print()


def _summaries(summaries: list[Summary]) -> None:
    names = ("measure", "kind", "lead", "forecaster", "n", "score", "value", "strongest rule", "skill", "gain (95 %)")
    table = Table(*names, "80 % held")
    for s in summaries:
        table.add_row(
            s.measure,
            s.kind,
            s.lead,
            s.forecaster,
            f"{s.n:,}",
            s.score,
            f"{s.value:.4g}",
            f"{s.baseline:.4g} {s.rule}",
            f"{s.skill:+.2%}",
            f"{s.low:+.3g} … {s.high:+.3g}",
            f"{s.held_80:.1%} ±{s.held_80_error:.1%}",
        )
    out.print(table)


def _classes(name: str, frame: pl.DataFrame) -> None:
    table = Table("tenth of the forecast", "rows", "forecast", "observed", "observed / forecast", title=name)
    for row in frame.iter_rows(named=True):
        ratio = f"{row['ratio']:.3f} ±{1.96 * row['ratio_se']:.3f}"
        table.add_row(str(row["decile"]), f"{row['rows']:,}", f"{row['forecast']:.1f}", f"{row['observed']:.1f}", ratio)
    out.print(table)


def _promise(product: Any) -> dict[str, Any]:
    return {
        "id": product.id,
        "question": product.question["en"],
        "unit": product.measure.unit["en"],
        "grain": product.grain,
        "horizon": f"{product.horizon.total_seconds() / 3600:.0f}h",
        "lenses": list(product.lenses),
        "city": product.city,
        "tz": product.tz,
        "measures": [measure.id for measure in product.measures],
        "place_kind": str(product.place_kind),
    }


def _links(options: list[str]) -> dict[str, str]:
    links: dict[str, str] = {}
    for option in options:
        name, sign, link = option.partition("=")
        if not (name and sign and link):
            raise QueryError(
                "malformed-source",
                expected="--source NAME=PATH_OR_URL",
                found=option,
                action="write the source's name, an equals sign and a path or URL",
            )
        links[name] = link
    return links


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_short(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(_short(item) for item in value)
    return "" if value is None else str(value)


def _json(value: Any) -> None:
    out.file.write(json.dumps(value, indent=1, default=lambda v: iso(v) if isinstance(v, datetime) else str(v)) + "\n")
