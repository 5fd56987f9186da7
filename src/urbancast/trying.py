"""``urbancast try``: a table of one's own as a product of its own, beside everything else."""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from urbancast import console as show, products
from urbancast.flows import opening, report, trial
from urbancast.flows.guess import Given, refuse
from urbancast.lake.store import Lake
from urbancast.settings import settings


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a trial is shown, and where it is kept (None: a temporary folder)."""

    keep: Path | None
    is_shown: bool
    port: int | None
    as_json: bool


def run(table: Path, given: Given, shown: Shown) -> None:
    """Prepare, run, report; then open the chart and, with coordinates, serve the map until stopped."""
    into = shown.keep or Path(tempfile.mkdtemp(prefix="urbancast-try-"))
    into.mkdir(parents=True, exist_ok=True)
    prepared = trial.prepare(table, given, into=into / "products", ask=_ask if sys.stdin.isatty() else refuse)
    _adopt(prepared.folder.parent)
    url = str(into / "lake")
    origin = opening.Origin(links={"counts": str(table.resolve())})
    with show.watched([prepared.product], Lake.open(url), origin, now=prepared.end) as job:
        found = trial.run(job, prepared)
    page = into / "report.html"
    page.write_text(report.page(found), encoding="utf-8")
    show.trial(found, page, as_json=shown.as_json)
    if shown.is_shown:
        _open(found, page, url, shown.port or settings().port)


def _adopt(folder: Path) -> None:
    """Make this process, and those it starts, see the folder's products beside the others."""
    before = os.environ.get("URBANCAST_PRODUCTS", "")
    os.environ["URBANCAST_PRODUCTS"] = os.pathsep.join(filter(None, (before, str(folder))))
    settings.cache_clear()
    products.forget()


def _ask(question: str, choices: Sequence[str]) -> str:
    """Ask the person at the terminal, with the choices numbered."""
    _, _, what = question.partition(": ")
    for number, choice in enumerate(choices, 1):
        show.err.print(f"  {number}. {choice}", highlight=False)
    picked = typer.prompt(f"Which is {what}? Number or name", default="1", err=True)
    if picked.isdigit() and 1 <= int(picked) <= len(choices):
        return choices[int(picked) - 1]
    return str(picked)


def _open(found: trial.Trial, page: Path, lake: str, port: int) -> None:
    webbrowser.open(page.as_uri())
    if not found.prepared.has_map:
        show.err.print("no coordinates in the table, so no map; name their columns with --lat and --lon")
        return
    from urbancast.api.server import serve

    where = f"http://{settings().host}:{port}/#/map/{found.prepared.product}"
    show.err.print(f"map: {where}  (stop with Ctrl-C)", highlight=False)
    webbrowser.open(where)
    serve(lake, port=port)
