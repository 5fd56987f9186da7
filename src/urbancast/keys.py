"""Keys on the command line: made and shown once, listed without their secrets, revoked at once."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from urbancast.core.time import iso
from urbancast.settings import settings

if TYPE_CHECKING:
    from urbancast.lake.store import Lake

app = typer.Typer(no_args_is_help=True, help="Keys to what is behind the login: made, listed, revoked.")
LakeOption = Annotated[str | None, typer.Option("--lake", help="Folder or URL of the lake [env URBANCAST_LAKE].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold it; the audit log shows this name.")],
    role: Annotated[str, typer.Option(help="reader (sees) or operator (sees and acts).")] = "reader",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, this once."""
    from urbancast.lake import keys

    opened = _lake(lake)
    key, text = keys.new(opened, name=name, role=role, at=datetime.now(UTC))
    _write_down(opened, "key-new", key.key, {"holder": key.name, "role": key.role})
    if as_json:
        _print_json({"key": key.key, "name": key.name, "role": key.role, "text": text})
        return
    sys.stdout.write(f"{text}\n")
    sys.stderr.write(f"The key of {key.name} ({key.role}), shown this once: keep it, or revoke it and make another.\n")


@app.command(name="list")
def list_all(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """List every key ever made, without its secret."""
    from urbancast.lake import keys

    rows = [{name: _told(value) for name, value in row.items()} for row in keys.listed(_lake(lake))]
    if as_json:
        _print_json(rows)
        return
    table = Table("key", "name", "role", "made", "revoked")
    for row in rows:
        table.add_row(*(str(row[name] or "") for name in ("key", "name", "role", "made_at", "revoked_at")))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id or its holder's name; `keys list` shows both.")],
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key and its sessions: it opens nothing from the next request on."""
    from urbancast.lake import keys

    opened = _lake(lake)
    ended = keys.revoke(opened, key, at=datetime.now(UTC))
    _write_down(opened, "key-revoke", ended.key, {"holder": ended.name, "role": ended.role})
    if as_json:
        _print_json({"key": ended.key, "name": ended.name, "role": ended.role, "revoked": True})
        return
    sys.stdout.write(f"revoked {ended.key} of {ended.name} ({ended.role})\n")


def _lake(url: str | None) -> Lake:
    from urbancast.lake.store import Lake

    return Lake.open(url or settings().lake)


def _write_down(lake: Lake, action: str, key: str, facts: Mapping[str, Any]) -> None:
    from urbancast.lake import audit

    entry = audit.Entry(at=datetime.now(UTC), actor=f"cli:{_user()}", action=action, subject=key, facts=facts)
    audit.write(lake, [entry])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unnamed"


def _told(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def _print_json(content: Any) -> None:
    sys.stdout.write(f"{json.dumps(content, indent=2)}\n")
