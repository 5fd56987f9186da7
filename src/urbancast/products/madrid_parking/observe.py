"""Tickets to observations: the average number of spaces paid for, an hour a neighbourhood, by exact overlap.

paid(b, colour, h) = sum over tickets of the minutes of [start, end) in h and in regulated time, / 60.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import from_local
from urbancast.products.madrid_parking import barrios, versions
from urbancast.products.madrid_parking.layouts import TICKETS_SCHEMA
from urbancast.products.madrid_parking.paid import COLOURS, FIRST_DAY, LAST_DAY, Flags, Ints, Spans, Tally, is_over_days
from urbancast.products.madrid_parking.regulated import TZ
from urbancast.products.madrid_parking.seen import Seen
from urbancast.products.sorting import QUARANTINE, quarantined, with_fetch_time

SOURCE = "tickets"
LAG_DAYS = 60
AREA = ("district_code", "barrio_code", "barrio")
UNKNOWN, TEST = -1, -2
REASONS = {
    "test_barrio": "a name under which the operator tries its machines",
    "no_time": "start or end is missing or cannot be read",
    "before_2020": "the ticket begins before 2020: a clock that was not set",
    "in_future": "the ticket begins after the file was fetched",
    "not_after_start": "the ticket ends when it begins, or before",
    "several_days": "the ticket reaches beyond the next regulated day, or holds more than its longest day",
    "unknown_barrio": "no neighbourhood of the regulated zone has this name or code",
}
_RULES = tuple(REASONS)


def published(time: pl.Expr) -> pl.Expr:
    """When the tickets of a quarter are declared readable: 60 days after its end, at local midnight."""
    day = time.dt.convert_time_zone(TZ).dt.date()
    after = day.dt.truncate("1q").dt.offset_by("1q")
    return from_local(after.cast(pl.Datetime("us")) + pl.duration(days=LAG_DAYS), TZ)


def observe(raw: Mapping[str, Any], context: ObserveContext) -> Observed:
    """Observations of ``paid``, ``green`` and ``blue``: every regulated hour of every day with a ticket, zeros too.

    ``raw``: canonical pages one after the other, or one frame. A file sent again is a version of its days.
    """
    given = raw[SOURCE]
    counter = _Counter(context.places.sort("place"))
    for page in _ahead(iter([given] if isinstance(given, pl.DataFrame) else given)):
        for part in _by_fetch(page):
            counter.read(part)
    observations = versions.observations(counter.told, counter.ids, published)
    tallies = [tally for _, tally in counter.told]
    return Observed(
        observations=observations,
        quarantine=pl.concat([pl.DataFrame(schema=QUARANTINE), *counter.quarantine]),
        used={SOURCE: counter.used},
        repeated={SOURCE: counter.repeated},
        notes={
            "regulated_ticket_hours": sum(tally.ticket_s for tally in tallies) / 3600,
            "paid_hours": sum(tally.paid_s for tally in tallies) / 3600,
            "ticket_files_read": float(len(tallies)),
            "other_colour_tickets": float(counter.other_colours),
        },
    )


def _ahead(pages: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same pages in order, each read while the one before it is counted."""
    with ThreadPoolExecutor(1, thread_name_prefix="pages") as reader:
        coming = reader.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = reader.submit(next, pages, None)
            yield page


def _by_fetch(page: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Parts of a page in order, none of them of two fetches."""
    rows = page if "fetched_at" in page.columns else with_fetch_time(page)
    if rows["fetched_at"].n_unique() <= 1:
        yield rows
    else:
        yield from with_fetch_time(rows).partition_by("fetched_at", maintain_order=True)


@dataclass
class _Counter:
    """Everything that is kept while pages go by; ``told``: what each fetch said, in order."""

    places: pl.DataFrame
    told: list[tuple[datetime | None, Tally]] = field(default_factory=list)
    quarantine: list[pl.DataFrame] = field(default_factory=list)
    used: int = 0
    repeated: int = 0
    other_colours: int = 0

    def __post_init__(self) -> None:
        self.ids = self.places["place"].unique(maintain_order=True).to_list()
        self.names = barrios.by_name(self.places)
        self.number = {place: i for i, place in enumerate(self.ids)}
        self.seen = Seen()

    def read(self, rows: pl.DataFrame) -> None:
        """Count one page of one fetch."""
        if rows.is_empty():
            return
        fetched_at: datetime | None = rows["fetched_at"][0]
        if not self.told or self.told[-1][0] != fetched_at:
            self.seen.next_fetch()
            self.told.append((fetched_at, Tally(len(self.ids))))
        content = rows.select(TICKETS_SCHEMA.keys())
        start, end = (content[name].dt.epoch("s").fill_null(0).to_numpy() for name in ("start", "end"))
        spans = Spans(start, end)
        is_distinct, is_new = self.seen.sort(content.hash_rows(seed=0).to_numpy(), spans.day)
        place, colour = self._named(content)
        rule = _broken(content, spans, place, fetched_at)
        good = is_distinct & (rule < 0)
        self.told[-1][1].add(spans.at(good), place[good], colour[good])
        self._keep_out(content, np.where(is_new, rule, -1))
        self.used += int((is_new & (rule < 0)).sum())
        self.repeated += int((~is_new).sum())
        self.other_colours += int((is_new & good & (colour == COLOURS.index("other"))).sum())

    def _named(self, content: pl.DataFrame) -> tuple[Ints, Ints]:
        """Number of the place of each row, UNKNOWN or TEST, and of its colour. Each spelling is looked up once."""
        said = content.select(*AREA, "zone")
        hashes = said.hash_rows(seed=0)
        first = hashes.arg_unique()
        spellings = said[first].with_columns(hash=hashes.gather(first)).sort("hash")
        row = np.searchsorted(spellings["hash"].to_numpy(), hashes.to_numpy())
        place = np.array([self._number(area) for area in spellings.select(AREA).iter_rows()], dtype=np.int64)
        colour = np.array([_colour(zone) for zone in spellings["zone"]], dtype=np.int64)
        return place[row], colour[row]

    def _number(self, row: tuple[str | None, str | None, str | None]) -> int:
        if barrios.is_test(row[2]):
            return TEST
        return self.number.get(barrios.resolve(*row, self.names) or "", UNKNOWN)

    def _keep_out(self, content: pl.DataFrame, rule: Ints) -> None:
        for code in np.unique(rule[rule >= 0]).tolist():
            name = _RULES[code]
            rows = content.filter(pl.Series(rule == code))
            self.quarantine.append(quarantined(rows, source=SOURCE, rule=name, reason=REASONS[name]))


def _colour(zone: str | None) -> int:
    """Number of a colour in COLOURS; any that is neither green nor blue is other."""
    words = (zone or "").upper()
    return COLOURS.index("green" if "VERDE" in words else "blue" if "AZUL" in words else "other")


def _broken(content: pl.DataFrame, spans: Spans, place: Ints, fetched_at: datetime | None) -> Ints:
    """Number of the first rule that each row breaks, -1 where none."""
    has_time = (content["start"].is_not_null() & content["end"].is_not_null()).to_numpy()
    is_late = spans.day >= LAST_DAY
    if fetched_at is not None:
        is_late |= (content["time"] > fetched_at).fill_null(value=False).to_numpy()
    checks: list[tuple[str, Flags]] = [
        ("test_barrio", place == TEST),
        ("no_time", ~has_time),
        ("before_2020", spans.day < FIRST_DAY),
        ("in_future", is_late),
        ("not_after_start", spans.end <= spans.start),
    ]
    rule = np.full(content.height, -1, dtype=np.int64)
    for name, is_broken in checks:
        rule[(rule < 0) & is_broken] = _RULES.index(name)
    sane = rule < 0
    rule[np.flatnonzero(sane)[is_over_days(spans.at(sane))]] = _RULES.index("several_days")
    rule[(rule < 0) & (place == UNKNOWN)] = _RULES.index("unknown_barrio")
    return rule
