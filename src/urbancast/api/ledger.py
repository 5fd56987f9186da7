"""Where a product's ledger stands: its head, its days, its newest entries."""

from __future__ import annotations

from typing import Any

import orjson

from urbancast.core.time import iso
from urbancast.lake import digests
from urbancast.lake.ledger import START
from urbancast.lake.store import Lake

RECENT = 20
_SHOWN = ("number", "kind", "rows", "content", "previous", "entry")


def standing(lake: Lake, product: str) -> dict[str, Any]:
    """Head, number of entries, sums by kind, a digest for each day, the newest entries; of no entry an empty one."""
    days = [digests.of(product, row) for row in digests.days(lake, product).to_dicts()]
    rows = lake.scan("ledger", product=product).top_k(RECENT, by="number").collect().sort("number", descending=True)
    recent = [_entry(row) for row in rows.to_dicts()]
    kinds = digests.KINDS
    return {
        "product": product,
        "head": recent[0]["entry"] if recent else START,
        "entries": recent[0]["number"] if recent else 0,
        "at": recent[0]["at"] if recent else None,
        "sums": {
            kind: {name: sum(day["sums"][kind][name] for day in days) for name in ("entries", "rows")} for kind in kinds
        },
        "days": days,
        "recent": recent,
        "check": f"urbancast verify {product} --ledger",
    }


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in _SHOWN}
    return {**told, "subject": orjson.loads(row["subject"]), "at": iso(row["at"])}
