"""What the command line shows of a watch: freshness, what was found, what was told."""

from __future__ import annotations

import dataclasses
import json

from rich.markup import escape
from rich.table import Table

from urbancast import console
from urbancast.core.time import iso
from urbancast.flows.watch import Watched


def shown(seen: Watched, *, as_json: bool) -> None:
    """Print a watch as words, or as JSON."""
    if as_json:
        told = [{**dataclasses.asdict(one), "action": one.action} for one in seen.found]
        values = {**dataclasses.asdict(seen), "found": told}
        console.out.file.write(json.dumps(values, indent=1, default=str) + "\n")
        return
    table = Table("source", "rhythm", "newest", "missed updates", "state")
    for one in seen.freshness:
        state = "has ended" if one.has_ended else "late" if one.is_late else "in time"
        newest = iso(one.newest) if one.newest else ""
        table.add_row(one.source, f"{one.rhythm_hours:g} h", newest, str(one.missed_updates), state)
    console.out.print(table)
    days = ", ".join(map(str, seen.days)) or "none new"
    console.out.print(f"days measured: {days}; drifted now: {', '.join(seen.drifted) or 'nothing'}", soft_wrap=True)
    for found in seen.found:
        console.out.print(f"[bold]{found.severity}[/] {escape(found.alert)}  {escape(found.message)}", soft_wrap=True)
        console.out.print(f"  {escape(found.action)}", soft_wrap=True, highlight=False)
    if not seen.found:
        console.out.print("nothing to act on")
    for channel, trouble in seen.undelivered.items():
        console.out.print(f"[yellow]not told by {channel}[/]: {escape(trouble)}; tried again at the next watch")
