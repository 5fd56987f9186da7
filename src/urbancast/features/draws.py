"""What was known of a measure with many draws at an origin: sums by pair and hour of week, never a dense axis.

A version of a draw is in force from its ``available_at`` until the next one, or until it is forgotten.
Sums grow and shrink by those instants, so what an origin sees does not depend on which others are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.place import ends_of, pair_id
from urbancast.core.product import Pairs
from urbancast.core.time import local_hour_of_week
from urbancast.features.panel import Panel
from urbancast.geo import bands

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
HOURS = 168
YEAR, MEMORY = timedelta(days=365), timedelta(days=760)
LEAST = 0.5  # a draw of less is told as this much in its logarithm
USUAL_UNKNOWN = 15.0  # what a pair without a distance is measured against
MOST = 1.5  # a logarithm farther from usual than this is told as this: one strange draw is one
NEVER = np.iinfo(np.int64).max


def usual(distance_km: Floats) -> Floats:
    """Logarithm of a rough value for a distance: only what is left over is averaged."""
    return np.asarray(np.log(np.where(np.isfinite(distance_km), 4.0 + 3.2 * distance_km**0.8, USUAL_UNKNOWN)))


@dataclass
class Sums:
    """Sums of the draws in force by pair; valid until the next origin is asked for.

    ``n``, ``s``: number and sum of (log value − usual) by pair × local hour of week; ``q``: sum of its squares;
    ``total``: sum of values; ``by_hour``: sum of values by hour of week; ``n_year``: draws of the last year.
    """

    n: Floats
    s: Floats
    q: Floats
    total: Floats
    by_hour: Floats
    n_year: Ints

    @classmethod
    def empty(cls, pairs: int) -> Sums:
        """Sums of nothing."""
        shape = (pairs, HOURS)
        flat = np.zeros(pairs)
        return cls(
            np.zeros(shape), np.zeros(shape), flat, flat.copy(), np.zeros(HOURS), np.zeros(pairs, dtype=np.int64)
        )


@dataclass
class Known:
    """The draws of a measure as known at one origin, with the facts of their pairs; see ``Sums``.

    ``newest_us``: start of the newest interval known (-1: none). ``recent(days)``: index of the draws in force of
    the last days before it. ``is_place``: pairs that are forecast as such from here.
    """

    history: Draws
    origin_us: int
    sums: Sums
    newest_us: int
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def is_place(self) -> Any:
        """Which pairs have enough draws in the year before to be places; shape (pairs,)."""
        return self.sums.n_year >= self.history.pairs.least_draws

    def recent(self, days: int) -> Ints:
        """Numbers of the versions in force that started in the last days before the newest."""
        rows = self.history.versions
        first = np.searchsorted(rows.time_us, self.newest_us - days * 86_400_000_000, side="right")
        part = np.arange(first, len(rows.time_us))
        return part[(rows.start_us[part] <= self.origin_us) & (rows.end_us[part] > self.origin_us)]


@dataclass(frozen=True)
class Versions:
    """Versions of draws in order of time: pair, hour of week, log value − usual, value, when in force."""

    code: Ints
    how: Ints
    left: Floats
    value: Floats
    time_us: Ints
    start_us: Ints
    end_us: Ints


class Draws:
    """All versions of the draws of one measure, and the facts of their pairs."""

    def __init__(self, panel: Panel, measure: str, *, also: pl.Series | None = None) -> None:
        """Read the versions; ``also``: further pairs to number. ContractError where the panel says nothing of pairs."""
        if panel.pairs is None:
            raise ContractError(
                f"{measure}: expected Panel.pairs for a measure with draws, found none; say which pairs are places"
            )
        self.pairs: Pairs = panel.pairs
        rows = panel.observations.filter(pl.col("measure") == measure)
        asked = [] if also is None else [also.filter(~also.str.starts_with("band:"))]
        ids = pl.concat([rows["place"], *asked]).unique().sort()
        self.facts = bands.facts(ids.to_list(), panel.places, self.pairs)
        self.bands = bands.every(self.pairs)
        self.codes = pl.DataFrame({"place": ids, "code": np.arange(len(ids), dtype=np.int64)})
        self.named = frozenset(ids)
        self.distance_km = _floats(self.facts, "distance_km")
        self.usual = usual(self.distance_km)
        self.band = self.facts["band"].replace_strict({name: i for i, name in enumerate(self.bands)}).to_numpy()
        self.back = _back(ids)
        self.versions = _versions(rows.join(self.codes, on="place", how="inner"), self.usual, panel.tz)

    @classmethod
    def of(cls, panel: Panel, measure: str, *, also: pl.Series | None = None) -> Draws:
        """The history of a panel, made once; anew where ``also`` names pairs that it does not number."""
        key = ("draws", measure)
        if key not in panel.memo:
            panel.memo[key] = cls(panel, measure)
        kept: Draws = panel.memo[key]
        asked: Iterable[str] = () if also is None else also.filter(~also.str.starts_with("band:")).unique()
        return kept if set(asked) <= kept.named else cls(panel, measure, also=also)

    def numbered(self, places: pl.Series) -> Ints:
        """Number of each place: pairs in order of id, then the bands; ContractError for a place that is neither."""
        names = [*self.codes["place"].to_list(), *self.bands]
        table = pl.DataFrame({"place": names, "code": np.arange(len(names), dtype=np.int64)})
        code = places.to_frame("place").join(table, on="place", how="left", maintain_order="left")["code"]
        if code.null_count():
            strange = places.filter(code.is_null())[0]
            raise ContractError(f"rows.place: expected a pair or one of {', '.join(self.bands)}, found {strange!r}")
        return code.to_numpy()

    def at(self, origins_us: Ints) -> Iterator[Known]:
        """What was known at each origin (microseconds UTC, ascending)."""
        rows, sums = self.versions, Sums.empty(self.codes.height)
        kept = _Turns.of(rows.start_us, np.minimum(rows.end_us, rows.time_us + _us(MEMORY)))
        year = _Turns.of(rows.start_us, np.minimum(rows.end_us, rows.time_us + _us(YEAR)))
        newest = _Turns.of(rows.start_us, rows.start_us + 1)
        newest_us, done = -1, np.zeros(3, dtype=np.int64)
        for origin in origins_us:
            for i, sign in kept.until(int(origin), done, 0):
                _add(sums, rows, i, sign)
            for i, sign in year.until(int(origin), done, 1):
                np.add.at(sums.n_year, rows.code[i], sign)
            for i, _ in newest.until(int(origin), done, 2):
                newest_us = max(newest_us, int(rows.time_us[i].max(initial=-1)))
            yield Known(self, int(origin), sums, newest_us)

    def places(self, known: Known) -> list[str]:
        """Places forecast from here: pairs with enough draws in the year before, and every band; sorted."""
        pairs: list[str] = self.codes["place"].filter(pl.Series(known.is_place)).to_list()
        return sorted([*pairs, *self.bands])


@dataclass(frozen=True)
class _Turns:
    """Instants at which versions begin (+1) and cease (−1) to count, in order."""

    at_us: Ints
    index: Ints
    sign: Ints

    @classmethod
    def of(cls, start_us: Ints, end_us: Ints) -> _Turns:
        counts = np.flatnonzero(end_us > start_us)
        index = np.concatenate([counts, counts])
        at = np.concatenate([start_us[counts], end_us[counts]])
        sign = np.repeat(np.array([1, -1], dtype=np.int64), len(counts))
        order = np.argsort(at, kind="stable")
        return cls(at[order], index[order], sign[order])

    def until(self, origin: int, done: Ints, which: int) -> Iterator[tuple[Ints, Ints]]:
        stop = int(np.searchsorted(self.at_us, origin, side="right"))
        part = slice(int(done[which]), stop)
        done[which] = stop
        if self.index[part].size:
            yield self.index[part], self.sign[part]


def _add(sums: Sums, rows: Versions, index: Ints, sign: Ints) -> None:
    code, how, left = rows.code[index], rows.how[index], rows.left[index]
    np.add.at(sums.n, (code, how), sign)
    np.add.at(sums.s, (code, how), sign * left)
    np.add.at(sums.q, code, sign * left**2)
    np.add.at(sums.total, code, sign * rows.value[index])
    np.add.at(sums.by_hour, how, sign * rows.value[index])


def _versions(rows: pl.DataFrame, usual_log: Floats, tz: str) -> Versions:
    key = ["place", "time", "draw"]
    ordered = rows.sort(*key, "available_at")
    following = pl.col("available_at").shift(-1).over(key)
    ordered = ordered.with_columns(_end=following, _how=local_hour_of_week("time", tz)).drop_nulls("value")
    ordered = ordered.sort("time", "place", "draw", "available_at")
    code = ordered["code"].to_numpy()
    value = ordered["value"].to_numpy()
    left = np.clip(np.log(np.maximum(value, LEAST)) - usual_log[code], -MOST, MOST)
    return Versions(
        code,
        ordered["_how"].to_numpy().astype(np.int64),
        left,
        value,
        ordered["time"].dt.epoch("us").to_numpy(),
        ordered["available_at"].dt.epoch("us").to_numpy(),
        ordered["_end"].dt.epoch("us").fill_null(NEVER).to_numpy(),
    )


def _back(ids: pl.Series) -> Ints:
    """Number of each pair's way back, -1 where nobody drove it; shape (pairs,)."""
    number = {pair: i for i, pair in enumerate(ids)}
    ways = (pair_id(*reversed(ends_of(pair))) for pair in ids)
    return np.array([number.get(way, -1) for way in ways], dtype=np.int64)


def _floats(frame: pl.DataFrame, name: str) -> Floats:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
