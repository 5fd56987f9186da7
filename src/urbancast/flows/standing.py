"""Standing: how every product stands, for the command line; the API's facts, with freshness counted at this moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from urbancast import products
from urbancast.core.errors import ContractError
from urbancast.core.time import iso
from urbancast.lake.kept import Kept, Look
from urbancast.lake.store import Lake
from urbancast.monitoring import freshness, standing

COLOURS = {"ok": "green", "waiting": "dim", "warning": "yellow", "critical": "red"}
SHOWN_RUNS, SHOWN_ALERTS = 3, 5


def read(lake: Lake, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """One object a product, the worst first: the operations payload, and in short what serves.

    ``provenance``, ``origin``, ``data_to``, ``releases`` (by measure), ``last_step`` and ``failures`` (folders that
    hold no readable product) stand beside the parts of ``GET /v1/operations``.
    """
    moment = now or datetime.now(UTC)
    look = Kept(lake).look()
    found = standing.every(look, products.discover(), now=moment)
    return [_with_freshness(look, {**_in_short(look, one, moment), **one}, moment) for one in found]


def tables(rows: list[dict[str, Any]]) -> Iterator[Table]:
    """A table a product, for a terminal of 100 columns."""
    for row in rows:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=9, style="dim", justify="right")
        table.add_column(overflow="fold")
        paused = "  [bold yellow]paused[/]" if row["is_paused"] else ""
        simulated = "  [dim]simulated[/]" if row["provenance"] == "sample" else ""
        state = f"[{COLOURS[row['state']]}]{row['state']}[/]"
        table.add_row("", f"[bold]{escape(row['product'])}[/]  {escape(row['city'])}  {state}{paused}{simulated}")
        for name, text in _lines(row):
            table.add_row(name, text)
        yield table


def _in_short(look: Look, one: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    serving = one["serving"] or {"origin": None, "data_to": None, "provenance": None, "measures": []}
    steps = standing.recent_steps(look, one["product"], now=now).tail(1).to_dicts()
    last = f"{steps[0]['flow']}: {steps[0]['step']} {steps[0]['state']}" if steps else None
    return {
        "provenance": serving["provenance"],
        "origin": serving["origin"],
        "data_to": serving["data_to"],
        "releases": {each["measure"]: each["release"] for each in serving["measures"]},
        "last_step": last,
        "failures": products.failures().get(one["product"]),
    }


def _with_freshness(look: Look, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The row with its sources counted now, by the recipe's rhythms; as watched last where it has none."""
    if row["provenance"] is None:
        return row
    try:
        recipe = products.recipe(row["product"])
    except ContractError:
        return row
    product = products.get(row["product"])
    counted = freshness.of_product(look.lake, product, recipe, provenance=row["provenance"], now=now)
    return {**row, "freshness": [_told(asdict(one)) for one in counted]}


def _told(one: dict[str, Any]) -> dict[str, Any]:
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in one.items()}


def _lines(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if row["doing"]:
        yield "now", _doing(row["doing"])
    serving = row["serving"]
    for number, each in enumerate(serving["measures"] if serving else ()):
        yield "" if number else "serves", _champion(each)
    if serving:
        yield "forecast", f"from {_short(serving['origin'])}, data to {_short(serving['data_to'])}"
    else:
        yield "serves", "[dim]nothing yet[/]"
    if row["freshness"]:
        yield "sources", " · ".join(_source(one) for one in row["freshness"])
    for number, one in enumerate(row["runs"][:SHOWN_RUNS]):
        yield "" if number else "runs", _run(one)
    for number, one in enumerate(row["alerts"][:SHOWN_ALERTS]):
        yield "" if number else "alerts", _alert(one)
    if len(row["alerts"]) > SHOWN_ALERTS:
        yield "", f"[dim]and {len(row['alerts']) - SHOWN_ALERTS} more[/]"
    if row["retraining"]["is_due"] is not None:
        yield "training", _training(row["retraining"])
    for number, one in enumerate(each for each in row["requests"] if each["state"] in ("asked", "taken")):
        yield "" if number else "asked", f"{one['verb']} by {escape(one['by'])}, {one['state']} {_short(one['at'])}"


def _doing(doing: Mapping[str, Any]) -> str:
    what = f"{doing['flow']}: {doing['step']}" if doing["flow"] else "between two steps"
    return f"{escape(what)} since {_short(doing['since'])}, {escape(doing['by'])}"


def _champion(each: Mapping[str, Any]) -> str:
    if each["measure"] is None:
        return f"[red]{escape(each['release'])} is named, but its release is not known[/]"
    words = [f"{each['measure']}: [bold]{escape(each['candidate'])}[/] no. {each['number']}"]
    words += [f"since {_short(each['promoted_at'])}"] if each["promoted_at"] else []
    words += (
        [f"[yellow]on probation until {_short(each['on_probation_until'])}[/]"] if each["on_probation_until"] else []
    )
    words += [f"skill {each['skill']:+.1%}"] if each["skill"] is not None else []
    words += [f"80 % held {each['coverage_80']:.1%} ({each['scored']})"] if each["coverage_80"] is not None else []
    return ", ".join(words)


def _source(one: Mapping[str, Any]) -> str:
    missed = one["missed_updates"]
    told = "unknown" if missed is None else "ended" if one["has_ended"] else f"{missed} missed"
    return f"{escape(one['source'])} [yellow]{told}, late[/]" if one["is_late"] else f"{escape(one['source'])} {told}"


def _run(one: Mapping[str, Any]) -> str:
    colour = {"done": "green", "running": "cyan"}.get(one["state"], "red")
    told = f" {escape(one['message'])}" if one["message"] else ""
    return f"{_short(one['started'])} {escape(one['flow'])} [{colour}]{one['state']}[/] {one['seconds']:.1f} s{told}"


def _alert(one: Mapping[str, Any]) -> str:
    colour = {"critical": "red", "warning": "yellow"}.get(one["severity"], "dim")
    name = f"[{colour}]{one['severity']}[/] {escape(one['alert'])}"
    return f"{name} since {_short(one['since'])}: {escape(one['message'])}"


def _training(one: Mapping[str, Any]) -> str:
    due = "[yellow]due[/]" if one["is_due"] else "not due"
    following = f"; next {_short(one['next_at'])}" if one["next_at"] else ""
    return f"{due}: {escape(str(one['reason']))}{following}"


def _short(instant: str | None) -> str:
    """``2026-03-31 10:00Z`` of an instant as text."""
    return "never" if instant is None else f"{instant[:10]} {instant[11:16]}Z"
