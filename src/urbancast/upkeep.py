"""Upkeep on the command line: nightly maintenance, backups, what was restored, and what runs said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urbancast.core.errors import QueryError
from urbancast.core.time import iso

if TYPE_CHECKING:  # each verb loads what it needs
    from urbancast.lake.store import Lake

RUNS_SHOWN = 40
_APART = ("at", "level", "event", "pid", "product", "run", "flow", "step")
LakeOption = Annotated[str | None, typer.Option("--lake", help="Folder or URL of the lake [env URBANCAST_LAKE].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


def maintain(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Checkpoint, compact and vacuum the lake; let old logs go. Removes nothing that anything names."""
    from urbancast import console
    from urbancast.flows import maintain as flow

    console.facts(flow.run(console.lake(lake)), as_json=as_json)


def backup(
    to: Annotated[str, typer.Argument(metavar="TO", help="Folder or URL outside the lake; the same one each time.")],
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the lake as of one instant, whatever is written meanwhile; only what is new since the last backup there."""
    from urbancast import console
    from urbancast.flows import backup as flow

    console.facts(flow.backup(console.lake(lake), to), as_json=as_json)


def restore(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Folder or URL of the backups.")],
    lake: Annotated[str, typer.Option("--lake", help="Empty folder or URL where the lake is to be.")],
    name: Annotated[str | None, typer.Option("--backup", help="Which one [default: the newest].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a lake at an empty place from a backup, every byte checked."""
    from urbancast import console
    from urbancast.flows import backup as flow

    console.facts(flow.restore(source, lake, name=name), as_json=as_json)


def logs(
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help='A product\'s id, or "all" for upkeep.')],
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Its log; without one, the newest runs.")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a run said, step by step."""
    from urbancast import console
    from urbancast.lake import logs as kept

    where = console.lake(lake)
    if run is None:
        _runs(where, product, as_json=as_json)
        return
    lines = kept.read(where, product, run)
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
    from rich.table import Table

    from urbancast import console
    from urbancast.lake import logs as kept, runs

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
