"""Replies of the emulator and how frames are written into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl

from urbancast.portals import media


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Status, bytes and headers of one answer."""

    status: int = 200
    body: bytes = b""
    media: str = media.JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request the portal refuses, with the status and words it uses."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        """Keep the status and the error document."""
        super().__init__(str(document))
        self.status, self.document = status, document


def as_json(document: Any, status: int = 200) -> Reply:
    """Write a JSON document."""
    return Reply(status=status, body=orjson.dumps(document))


def columns_of(frame: pl.DataFrame, names: str | None) -> list[str]:
    """Split a select list; ``*`` is all but the system fields."""
    chosen: list[str] = []
    for name in (part.strip().strip('`"') for part in (names or "*").split(",")):
        more = [c for c in frame.columns if not c.startswith(":")] if name == "*" else [name]
        chosen += [column for column in more if column not in chosen]
    return chosen


def ordered(frame: pl.DataFrame, order: str | None) -> pl.DataFrame:
    """Sort by an order list such as ``date DESC, id``; rows of equal keys keep their places."""
    if not order:
        return frame
    keys = [part.split() for part in order.split(",")]
    return frame.sort(
        [key[0].strip('`"') for key in keys],
        descending=[len(key) > 1 and key[1].lower() == "desc" for key in keys],
        maintain_order=True,
    )


def times_as_text(frame: pl.DataFrame, form: str) -> pl.DataFrame:
    """Times as ISO text in the portal's own form (chrono)."""
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime(form) for name in times)


def records(frame: pl.DataFrame) -> bytes:
    """JSON rows that leave null fields out, numbers as text: SODA's way."""
    if frame.height == 0:
        return b"[]\n"
    kinds = frame.schema
    text = frame.with_columns(pl.col(n).cast(pl.String) for n, kind in kinds.items() if kind.is_numeric())
    fields = [
        pl.when(pl.col(name).is_not_null()).then(
            pl.struct(name).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}"),
        )
        for name in text.columns
    ]
    lines = text.select(pl.concat_str(fields, separator=",", ignore_nulls=True)).to_series()
    return ("[{" + "}\n,{".join(lines.to_list()) + "}]\n").encode()
