"""Watching on the command line: freshness, what was found, what was told; and the page on drift."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from urbancast.flows.watch import Watched

app = typer.Typer()
ProductArgument = Annotated[str, typer.Argument(metavar="PRODUCT", help="A product's id; see `urbancast products`.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", metavar="T", help="The moment it is, ISO 8601.")]
LakeOption = Annotated[str | None, typer.Option("--lake", help="Folder or URL of the lake [env URBANCAST_LAKE].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


@app.command()
def watch(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Measure freshness, missing data and drift; open and resolve alerts, and tell those who should act."""
    from urbancast import console
    from urbancast.flows import watch as flow

    with console.job(product, lake, as_of=as_of) as job:
        shown(flow.run(job), as_json=as_json)


@app.command()
def report(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Write a page on drift by Evidently (extra `reports`) among the lake's files: reports/PRODUCT/DAY/drift.html."""
    from urbancast import console
    from urbancast.flows import drift_report

    with console.job(product, lake, as_of=as_of) as job:
        console.facts({"page": drift_report.run(job), "lake": job.lake.url}, as_json=as_json)


def shown(seen: Watched, *, as_json: bool) -> None:
    """Print a watch as words, or as JSON."""
    from rich.markup import escape
    from rich.table import Table

    from urbancast.console import out
    from urbancast.core.time import iso

    if as_json:
        told = [{**dataclasses.asdict(one), "action": one.action} for one in seen.found]
        values = {**dataclasses.asdict(seen), "found": told}
        out.file.write(json.dumps(values, indent=1, default=str) + "\n")
        return
    table = Table("source", "rhythm", "newest", "missed updates", "state")
    for one in seen.freshness:
        state = "has ended" if one.has_ended else "late" if one.is_late else "in time"
        newest = iso(one.newest) if one.newest else ""
        table.add_row(one.source, f"{one.rhythm_hours:g} h", newest, str(one.missed_updates), state)
    out.print(table)
    days = ", ".join(map(str, seen.days)) or "none new"
    out.print(f"days measured: {days}; drifted now: {', '.join(seen.drifted) or 'nothing'}", soft_wrap=True)
    for found in seen.found:
        out.print(f"[bold]{found.severity}[/] {escape(found.alert)}  {escape(found.message)}", soft_wrap=True)
        out.print(f"  {escape(found.action)}", soft_wrap=True, highlight=False)
    if not seen.found:
        out.print("nothing to act on")
    for channel, trouble in seen.undelivered.items():
        out.print(f"[yellow]not told by {channel}[/]: {escape(trouble)}; tried again at the next watch")
