"""What the emulator is handed: datasets as pure functions of a window, shown as far as its clock has come."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import RLock
from typing import Literal

import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, as_utc
from urbancast.portals.emulator_faults import Faults

Protocol = Literal["opendatasoft", "socrata", "file", "open_meteo"]
Clock = Callable[[], datetime]

ROW_ID = ":id"
FIRST = datetime(2015, 1, 1, tzinfo=UTC)
_CACHE_BYTES = 384 << 20
_LATELY = timedelta(days=60)  # most was published more lately; what was not is looked for everywhere
_SLACK = timedelta(days=1)  # local clocks are less than a day from UTC


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset behind an emulated portal.

    ``rows(window)``: native frame of the rows whose instant lies in the window, pure and in a fixed order.
    ``time``: its native time column (``None``: a table without time; ``rows`` is asked once).
    ``published``: instant (UTC) from which a row is shown, from the time column; by default its own time.
    ``revised(frame, at)``: the rows as the portal showed them at that moment.
    ``issued(window, lead_days)``: Open-Meteo hours as forecast so many days ahead.
    ``start``: first instant there is anything. ``labels``: field name to label, for CSV exports of Explore.
    ``every``: a file a ``quarter`` of ``tz``, named ``id-2020-Q1``; ``published`` is then of the time of its last hour.
    ``written(frame, name)``: the bytes of a CSV file, where it has ways of its own.
    ``form``: ``csv``, ``parquet`` or ``geojson`` of a file; ``encoding``, ``separator``, ``has_header`` of a CSV.
    """

    protocol: Protocol
    id: str
    rows: Callable[[Window], pl.DataFrame]
    time: str | None = None
    published: Callable[[pl.Expr], pl.Expr] | None = None
    revised: Callable[[pl.DataFrame, datetime], pl.DataFrame] | None = None
    issued: Callable[[Window, int], pl.DataFrame] | None = None
    start: datetime = FIRST
    labels: Mapping[str, str] = field(default_factory=dict)
    latitude: float = 0.0
    longitude: float = 0.0
    every: Literal["quarter"] | None = None
    tz: str = "UTC"
    written: Callable[[pl.DataFrame, str], bytes] | None = None
    form: Literal["csv", "parquet", "geojson"] = "csv"
    encoding: str = "utf-8"
    separator: str = ";"
    has_header: bool = True


class Tables:
    """Rows of datasets as of the clock, made month by month and kept."""

    def __init__(self, clock: Clock) -> None:
        """Show what is published by ``clock()``."""
        self._clock = clock
        self._chunks: OrderedDict[tuple[str, str], pl.DataFrame] = OrderedDict()
        self._views: OrderedDict[tuple[str, ...], pl.DataFrame] = OrderedDict()
        self._lock = RLock()

    def now(self) -> datetime:
        """Return the clock's moment, UTC."""
        return as_utc(self._clock())

    def rows(self, dataset: Dataset, where: str = "") -> pl.DataFrame:
        """Return rows shown now that satisfy a SODA or ODSQL condition; polars errors for one it cannot read."""
        with self._lock:
            now = self.now()
            key = (dataset.protocol, dataset.id, where, now.isoformat())
            if key not in self._views:
                self._views[key] = filtered(self._shown(dataset, where, now), dataset.time, where)
                if len(self._views) > 2:
                    self._views.popitem(last=False)
            return self._views[key]

    def modified(self, dataset: Dataset) -> datetime:
        """When the newest of what is shown was published; of a table without time, its beginning."""
        if dataset.time is None:
            return as_utc(dataset.start)
        now = self.now()
        for where in (f"{dataset.time} >= '{now - _LATELY:%Y-%m-%d}'", ""):
            with self._lock:
                shown = self._shown(dataset, where, now)
            publish = dataset.published or _instant
            newest = shown.select(publish(pl.col(dataset.time)).cast(UTC_US).max()).item()
            if isinstance(newest, datetime):
                return newest.astimezone(UTC)
        return as_utc(dataset.start)

    def _shown(self, dataset: Dataset, where: str, now: datetime) -> pl.DataFrame:
        if dataset.time is None:
            whole = self._chunk(dataset, "all", Window(start=dataset.start, end=now))
            return dataset.revised(whole, now) if dataset.revised else whole
        first, end = bounds(dataset.time, where)
        begun = as_utc(dataset.start)
        first = max(first - _SLACK, begun) if first else begun
        end = min(end or now, now) + _SLACK
        # An empty window still has columns to answer with.
        months = _months(first, end) or [Window(start=begun, end=begun)]
        windows = [Window(start=max(month.start, begun), end=max(month.end, begun)) for month in months]
        frame = pl.concat(
            [self._chunk(dataset, f"{w.start:%Y%m%d}-{w.end:%Y%m%d}", w) for w in windows], how="vertical_relaxed"
        )
        publish = dataset.published or _instant
        frame = frame.filter(publish(pl.col(dataset.time)).cast(UTC_US) <= pl.lit(now, dtype=UTC_US))
        return dataset.revised(frame, now) if dataset.revised else frame

    def _chunk(self, dataset: Dataset, name: str, window: Window) -> pl.DataFrame:
        key = (f"{dataset.protocol}/{dataset.id}", name)
        if key not in self._chunks:
            frame = dataset.rows(window)
            if dataset.protocol == "socrata":
                number = pl.int_range(pl.len()).cast(pl.String).str.zfill(8)
                frame = frame.select(pl.concat_str(pl.lit(f"row-{name}-"), number).alias(ROW_ID), pl.all())
            self._chunks[key] = frame
            while len(self._chunks) > 1 and sum(f.estimated_size() for f in self._chunks.values()) > _CACHE_BYTES:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(key)
        return self._chunks[key]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every emulated protocol answers from."""

    tables: Tables
    faults: Faults


def bounds(time: str, where: str) -> tuple[datetime | None, datetime | None]:
    """Days that a condition holds ``time`` between, as far as it is a plain conjunction."""
    plain = _top_level(where)
    if re.search(r"\bor\b|\bnot\b(?!\s+null)", plain, re.IGNORECASE):
        return None, None
    name = rf"[`\"]?{re.escape(time)}[`\"]?"
    text = r"(?:date|timestamp)?\s*'(\d{4}-\d\d-\d\d)"
    lows = re.findall(rf"{name}\s*(?:>=?|between)\s*{text}", plain, re.IGNORECASE)
    highs = re.findall(rf"{name}\s*<=?\s*{text}", plain, re.IGNORECASE)
    highs += re.findall(rf"{name}\s*between\s*{text}'?[^']*'?\s*and\s*{text}", plain, re.IGNORECASE)
    lasts = [high[-1] if isinstance(high, tuple) else high for high in highs]
    first = max(map(_midnight, lows), default=None)
    end = min(map(_midnight, lasts), default=None)
    return first, end + _SLACK if end else None


def filtered(frame: pl.DataFrame, time: str | None, where: str) -> pl.DataFrame:
    """Rows for which the condition holds; ``date'…'`` literals and quoted names read as ODSQL writes them."""
    if not where:
        return frame
    condition = re.sub(r"\b(?:date|timestamp)\s*'", "'", where, flags=re.IGNORECASE).replace("`", '"')
    numbered = frame.with_columns(pl.int_range(pl.len()).alias("_n"))
    if time is not None and frame.schema[time] == pl.String:
        offset = frame[time].drop_nulls().head(1).str.contains(r"(?:Z|[+-]\d\d:\d\d)$").any()
        if offset:
            numbered = numbered.with_columns(_instant(pl.col(time)))
    kept = pl.SQLContext(rows=numbered, eager=True).execute(f"SELECT _n FROM rows WHERE {condition}")  # noqa: S608
    return frame[kept["_n"]]


def _top_level(where: str) -> str:
    """Return the condition with what stands in brackets left out: it can only narrow a conjunction."""
    while (shorter := re.sub(r"\([^()]*\)", " ", where)) != where:
        where = shorter
    return where


def _instant(time: pl.Expr) -> pl.Expr:
    """UTC instant of ISO text, with an offset or (floating) as if UTC."""
    text = time.cast(pl.String).str.replace(" ", "T").str.replace(r"(\.\d+)", "").str.replace(r"(Z|\+0000)$", "+00:00")
    stamped = pl.when(text.str.contains(r"[+-]\d\d:\d\d$")).then(text).otherwise(text + "+00:00")
    return stamped.str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us", time_zone="UTC", strict=False)


def _months(first: datetime, end: datetime) -> list[Window]:
    months, start = [], datetime(first.year, first.month, 1, tzinfo=UTC)
    while start < end:
        after = (start + timedelta(days=32)).replace(day=1)
        months.append(Window(start=start, end=after))
        start = after
    return months


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
