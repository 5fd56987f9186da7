"""The track record as tables: one row a class, a miss or a day, provenance in every row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any


class Table(StrEnum):
    """Which table of the record."""

    CALIBRATION = "calibration"
    MISSES = "misses"
    ROLLING = "rolling"


_HEAD = ("product", "measure", "kind")
_TAIL = ("provenance", "simulated")
COLUMNS = {
    Table.CALIBRATION: (
        *("dimension", "class", "n", "coverage", "plus_minus", "mae", "crps", "skill", "forecast", "observed"),
        *("ratio", "share"),
    ),
    Table.MISSES: (
        *("place", "name", "time", "origin", "value", "mean", "low", "high", "baseline_mean", "crps", "release"),
        *("lead_h", "reach_h", "newest_time", "newest_value", "week_before_time", "week_before_value"),
        *("weather", "holiday"),
    ),
    Table.ROLLING: ("day", "n", "effective_n", "coverage", "low", "high", "skill"),
}
_CLASS_OF = {"by_lead": ("lead", "lead_h"), "by_decile": ("decile", "decile"), "pit": ("pit", "from"),
             "rules": ("rule", "rule")}  # fmt: skip


def text(table: Table, payload: Mapping[str, Any]) -> str:
    """CSV of a table of the payload of ``track-record``."""
    columns = (*_HEAD, *COLUMNS[table], *_TAIL)
    same = {name: payload[name] for name in ("product", "measure", *_TAIL)}
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    rows = {Table.CALIBRATION: _classes, Table.MISSES: _misses, Table.ROLLING: _rolling}[table]
    for kind, row in rows(payload):
        writer.writerow({**same, "kind": kind, **row})
    return out.getvalue()


def _classes(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, sums in payload["kinds"].items():
        for part, (dimension, named) in _CLASS_OF.items():
            for row in sums[part]:
                yield kind, {**row, "dimension": dimension, "class": row[named]}


def _rolling(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, sums in payload["kinds"].items():
        for row in sums["rolling"]:
            yield kind, row


def _misses(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, rows in payload["misses"].items():
        for row in rows:
            known = row["known"]
            at = {
                f"{name}_{part}": (known.get(name) or {}).get(part)
                for name in ("newest", "week_before")
                for part in ("time", "value")
            }
            weather = json.dumps(known.get("weather") or {}, sort_keys=True)
            told = {name: known.get(name) for name in ("lead_h", "reach_h", "holiday")}
            yield kind, {**row, **told, **at, "weather": weather}
