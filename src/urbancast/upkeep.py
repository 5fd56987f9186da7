"""What the command line shows of upkeep: logs of runs, backups and what was restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from urbancast import console
from urbancast.core.errors import QueryError
from urbancast.core.time import iso
from urbancast.lake import logs as kept, runs
from urbancast.lake.store import Lake

RUNS_SHOWN = 40
_APART = ("at", "level", "event", "pid", "product", "run", "flow", "step")


def logs(lake: Lake, product: str, run: str | None, *, as_json: bool) -> None:
    """Print the lines of a run; without a run the newest runs that have any."""
    if run is None:
        _runs(lake, product, as_json=as_json)
        return
    lines = kept.read(lake, product, run)
    if not lines:
        action = f"list them with `urbancast logs {product}`"
        raise QueryError("unknown-run", expected="a run that has a log", found=repr(run), action=action, status=404)
    for line in lines:
        if as_json:
            console.out.file.write(json.dumps(line) + "\n")
            continue
        rest = {key: value for key, value in line.items() if key not in _APART}
        told = " ".join(f"{key}={_short(value)}" for key, value in rest.items())
        words = (
            f"{line['at']}  {line['level']:<8}{line.get('flow', '')}: {line.get('step', '')}  {line['event']}  {told}"
        )
        console.out.print(words.rstrip(), soft_wrap=True, highlight=False, markup=False)


def _runs(lake: Lake, product: str, *, as_json: bool) -> None:
    names = kept.kept(lake, product)[-RUNS_SHOWN:]
    rows = runs.read(lake, product)
    found = []
    for name in names:
        own = rows.filter(run=name)
        last = own.row(-1, named=True) if own.height else {}
        at = iso(last["at"]) if last else ""
        found.append({"run": name, "last_step": last.get("step", ""), "state": last.get("state", ""), "at": at})
    if as_json:
        console.out.file.write(json.dumps(found, indent=1) + "\n")
        return
    table = Table("run", "last step", "state", "at")
    for row in found:
        table.add_row(*row.values())
    console.out.print(table)


def _short(value: Any) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)
