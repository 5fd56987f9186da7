"""Faults an emulated portal can be told to have, each for so many answers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from threading import Lock

import polars as pl

from urbancast.core.errors import ContractError

STATUS = {"429": 429, "500": 500, "503": 503}
KINDS = (
    *STATUS,
    "timeout",
    "truncation",  # the connection closes before the promised length
    "cut_body",  # half the body, with a length that agrees
    "html200",
    "repeated_page",
    "shuffled_page",
    "wrong_count",
    "dropped_column",
    "renamed_column",
    "retyped_column",
)


@dataclass(kw_only=True)
class Fault:
    """One fault waiting to happen."""

    kind: str
    times: int
    match: str
    column: str | None


class Faults:
    """Faults waiting to happen, first injected first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._waiting: list[Fault] = []
        self._lock = Lock()

    def inject(self, kind: str, *, times: int = 1, match: str = "", column: str | None = None) -> None:
        """Make the next ``times`` answers whose path and query hold ``match`` have this fault.

        ``column``: the one dropped, renamed or retyped; by default the last.
        """
        if kind not in KINDS:
            raise ContractError(f"fault: expected one of {', '.join(KINDS)}, found {kind!r}; name one of them")
        with self._lock:
            self._waiting.append(Fault(kind=kind, times=times, match=match, column=column))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, path: str, *kinds: str) -> Fault | None:
        """Return the first waiting fault of these kinds for this path, used up by one."""
        with self._lock:
            for fault in self._waiting:
                if fault.kind in kinds and fault.match in path:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None

    def of_columns(self, frame: pl.DataFrame, path: str) -> pl.DataFrame:
        """Return the frame with a column dropped, renamed or retyped, where such a fault waits."""
        fault = self.take(path, "dropped_column", "renamed_column", "retyped_column")
        if fault is None or frame.width == 0:
            return frame
        column = fault.column or frame.columns[-1]
        if fault.kind == "dropped_column":
            return frame.drop(column)
        if fault.kind == "renamed_column":
            return frame.rename({column: f"{column}_v2"})
        return frame.with_columns(pl.lit("not as it was").alias(column))

    def of_page(self, frame: pl.DataFrame, path: str, *, limit: int, offset: int) -> pl.DataFrame:
        """Return one page, which a fault may repeat or take from an order of its own."""
        fault = self.take(path, "repeated_page", "shuffled_page") if offset else None
        if fault is not None and fault.kind == "repeated_page":
            offset -= limit
        elif fault is not None:
            order = list(range(frame.height))
            random.Random(offset).shuffle(order)  # noqa: S311
            return frame[order[offset : offset + limit]]
        return frame.slice(offset, limit)

    def of_count(self, count: int, path: str) -> int:
        """Return the count, which a fault may overstate."""
        return count + 7 if self.take(path, "wrong_count") else count
