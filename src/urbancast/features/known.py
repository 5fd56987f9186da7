"""What was known of a measure at an origin: the one place that reads ``available_at``.

Values lie on a wall-clock axis (local time, one cell per grain), so "same hour a week ago" is an
index and stays right when clocks change: the hour skipped in spring is a gap, of the hour repeated
in autumn the newest occurrence stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import COVERED
from urbancast.features.panel import Panel

DAY_US = 86_400_000_000
# 1970-01-01 is a Thursday: three days on, cell numbers start weeks on Monday 00:00.
MONDAY_US = 3 * DAY_US
Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Axis:
    """Wall-clock cells of one panel; ``day`` and ``week`` are lengths in cells."""

    tz: str
    grain_us: int
    base: int = 0

    @property
    def day(self) -> int:
        """Cells a local day."""
        return DAY_US // self.grain_us

    @property
    def week(self) -> int:
        """Cells a local week."""
        return 7 * self.day

    def cells(self, times: pl.Series) -> Ints:
        """Cell of each UTC time; ``cell % week == 0`` on Monday 00:00 local."""
        local = times.dt.convert_time_zone(self.tz).dt.replace_time_zone(None).dt.epoch("us")
        return (local.to_numpy().astype(np.int64) + MONDAY_US) // self.grain_us - self.base


@dataclass
class Known:
    """A measure as known at one origin.

    ``values``: place × cell, NaN where nothing is known; ``last``: newest known cell by place (-1: none);
    ``last_us``: its UTC time. The arrays are valid until the next origin is asked for.
    """

    axis: Axis
    values: Floats
    last: Ints
    last_us: Ints
    is_sparse: bool
    memo: dict[Any, Any] = field(default_factory=dict)

    def block(self, weeks: int) -> Floats:
        """The ``weeks`` weeks that end with each place's newest value; place × week (oldest first) × cell of week."""
        key = ("block", weeks)
        if key not in self.memo:
            span = weeks * self.axis.week
            shape = (len(self.last), weeks, self.axis.week)
            ends = np.unique(self.last)
            if len(ends) == 1:
                self.memo[key] = self._tail(int(ends[0]), span).reshape(shape)
            else:
                cells = self.last[:, None] + np.arange(1 - span, 1)[None, :]
                rows = np.arange(len(self.last))[:, None]
                taken = self.values[rows, np.maximum(cells, 0)]
                self.memo[key] = np.where(cells >= 0, taken, np.float32(np.nan)).reshape(shape)
        return self.memo[key]  # type: ignore[no-any-return]

    def city_block(self, weeks: int) -> Floats:
        """The same weeks for every place, ending with the newest value of any; place × cells."""
        return self._tail(int(self.last.max(initial=-1)), weeks * self.axis.week)

    def _tail(self, last: int, span: int) -> Floats:
        start = last + 1 - span
        if start >= 0:
            return self.values[:, start : last + 1]
        missing = np.full((self.values.shape[0], -start), np.nan, dtype=np.float32)
        return np.concatenate([missing, self.values[:, : max(last + 1, 0)]], axis=1)

    def phase(self, targets: Targets, period: int) -> Ints:
        """Where in a period that starts after the newest value each target falls."""
        return (targets.cell - self.last[targets.code] - 1) % period


@dataclass(frozen=True)
class Targets:
    """Rows of one origin as arrays: place number and wall-clock cell."""

    code: Ints
    cell: Ints


class History:
    """All versions of one measure in the order in which they became available."""

    def __init__(self, panel: Panel, measure: str) -> None:
        """Sort the versions of ``measure``; nothing is known until an origin is asked for."""
        self.places = panel.place_ids()
        self.is_sparse = panel.measure(measure).sparse
        rows = panel.observations.filter(pl.col("measure") == measure)
        if rows["draw"].n_unique() > 1:
            raise ContractError(f"observations.draw: expected one draw of {measure}, found several; sum them first")
        cover = panel.observations.filter(pl.col("measure") == COVERED) if self.is_sparse else rows.clear()
        axis = Axis(panel.tz, int(panel.grain.total_seconds() * 1e6))
        times = pl.concat([rows["time"], cover["time"]])
        first = int(axis.cells(times).min()) if len(times) else 0
        self.axis = Axis(axis.tz, axis.grain_us, first - first % axis.week)
        self.width = int(self.axis.cells(times).max()) + 1 if len(times) else 1
        codes = pl.DataFrame({"place": self.places, "code": np.arange(len(self.places))})
        self._rows = _Versions.of(rows.join(codes, on="place", how="inner"), self.axis)
        self._cover = _Versions.of(cover.with_columns(code=pl.lit(0, pl.Int64)), self.axis)
        self._cell_us = np.zeros(self.width, dtype=np.int64)
        for versions in (self._rows, self._cover):
            np.maximum.at(self._cell_us, versions.cell, versions.time_us)

    def at(self, origins_us: Ints) -> Iterator[Known]:
        """What was known at each origin (microseconds UTC, ascending): versions with ``available_at <= origin``."""
        shape = (len(self.places), self.width)
        values = np.full(shape, np.nan, dtype=np.float32)
        counts = np.zeros(shape, dtype=np.float32) if self.is_sparse else values
        is_covered = np.zeros(self.width, dtype=bool)
        done = covered = 0
        known, state = None, (0, 0)
        for origin in origins_us:
            code, cell, value, done = self._rows.until(int(origin), done)
            if not self.is_sparse:
                values[code, cell] = value
            else:
                _, hours, flags, covered = self._cover.until(int(origin), covered)
                # A withdrawn count of a covered interval is a zero again.
                counts[code, cell] = np.nan_to_num(value, nan=0.0)
                is_covered[hours] = np.nan_to_num(flags, nan=0.0) > 0
                values[:, hours] = np.where(is_covered[hours], counts[:, hours], np.nan)
                values[code, cell] = np.where(is_covered[cell], counts[code, cell], np.nan)
            if known is None or state != (done, covered):  # else nothing new: what was worked out still holds
                known, state = self._known(values, is_covered), (done, covered)
            yield known

    def _known(self, values: Floats, is_covered: Any) -> Known:
        if self.is_sparse:
            newest = np.flatnonzero(is_covered)
            last = np.full(len(self.places), newest[-1] if len(newest) else -1, dtype=np.int64)
        else:
            last = _newest(values)
        last_us = np.where(last >= 0, self._cell_us[np.maximum(last, 0)], np.iinfo(np.int64).min)
        return Known(self.axis, values, last, last_us, self.is_sparse)


def _newest(values: Floats) -> Ints:
    finite = np.isfinite(values)
    back = np.argmax(finite[:, ::-1], axis=1)
    return np.where(finite.any(axis=1), values.shape[1] - 1 - back, -1).astype(np.int64)


@dataclass(frozen=True)
class _Versions:
    """Versions as arrays, ordered by ``available_at``."""

    available_us: Ints
    time_us: Ints
    code: Ints
    cell: Ints
    value: Floats

    @classmethod
    def of(cls, rows: pl.DataFrame, axis: Axis) -> _Versions:
        ordered = rows.sort("available_at", "time", maintain_order=True)
        value = ordered["value"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        return cls(
            ordered["available_at"].dt.epoch("us").to_numpy(),
            ordered["time"].dt.epoch("us").to_numpy(),
            ordered["code"].to_numpy(),
            axis.cells(ordered["time"]),
            value,
        )

    def until(self, origin: int, done: int) -> tuple[Ints, Ints, Floats, int]:
        """Place, cell and value of the versions from ``done`` to ``origin``, and the new ``done``."""
        stop = int(np.searchsorted(self.available_us, origin, side="right"))
        part = slice(done, stop)
        return self.code[part], self.cell[part], self.value[part], stop
