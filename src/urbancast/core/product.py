"""What a product promises and how it is made: types only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl

from urbancast.core.place import PlaceKind

Lang = Literal["en", "es", "fr"]
LANGS: tuple[Lang, ...] = ("en", "es", "fr")
Text = Mapping[Lang, str]
Lens = Literal["zone", "pair", "route", "stock"]
Provenance = Literal["sample", "extract", "live"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is counted at a place, for one interval of the grain.

    ``sparse``: zero is the rule; only non-zero values are stored and a covered interval
    (see ``COVERED``) without a row is a true zero.
    ``clustered``: several come from one event, so a mean says nothing of the chance of any.
    """

    id: str
    label: Text
    unit: Text
    kind: Literal["count", "amount", "duration"] = "count"
    sparse: bool = False
    clustered: bool = False


# Measure under which a sparse product stores, with place ``""`` and value 1, each interval
# that the source had covered: what makes a zero different from a not-yet-published value.
COVERED = "covered"


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Terms of one source, shown beside every number made from it."""

    source: str
    name: str
    url: str
    attribution: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """The promise: who asks what, where, how far ahead, in which unit. Imports no recipe."""

    id: str
    city: str
    country: str
    tz: str
    verb: Text
    question: Text
    place_kind: PlaceKind
    place_word: Text
    grain: str
    horizon: timedelta
    lenses: tuple[Lens, ...]
    measures: tuple[Measure, ...]
    licences: tuple[Licence, ...]
    folder: Path
    centre: tuple[float, float]
    subdivision: str | None = None
    event_places: bool = False
    historical: bool = False
    rank: int = 99  # order of the tabs

    @property
    def measure(self) -> Measure:
        """The first measure: the one shown when none is asked for."""
        return self.measures[0]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One named shape a source arrives in.

    ``columns`` are the native names that must all be there (``optional`` ones may be);
    ``parse`` turns the native frame into the source's canonical columns. JSON that omits
    null fields is a layout whose nullable columns are ``optional``.
    """

    name: str
    columns: tuple[str, ...]
    parse: Callable[[pl.DataFrame], pl.DataFrame]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """One dataset behind a portal.

    ``schema``: canonical columns after ``Layout.parse``; ``time``: the canonical UTC column by
    which windows and look-backs cut (``None``: a table without time, such as places).
    ``publication``: expression of the time column giving the declared ``available_at``.
    ``query``: what the portal needs (dataset id, select, where, order…).
    """

    name: str
    portal: str
    url: str
    dataset: str
    layouts: tuple[Layout, ...]
    schema: Mapping[str, pl.DataType | type[pl.DataType]]
    licence: Licence
    role: Literal["observations", "places", "weather"] = "observations"
    time: str | None = None
    publication: Callable[[pl.Expr], pl.Expr] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    chunk: timedelta = timedelta(days=31)
    look_back: timedelta = timedelta(days=7)
    is_required: bool = True


@dataclass(frozen=True, kw_only=True)
class ObserveContext:
    """What ``observe`` may know besides raw rows; ``places`` is a places table, ``is_schematic`` its shapes."""

    tz: str
    grain: timedelta
    places: pl.DataFrame
    is_schematic: bool
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What ``observe`` makes of raw rows.

    ``observations``: place, measure, time, draw, value, available_at.
    ``quarantine``: source, row (JSON text), rule, reason.
    ``used`` and ``repeated``: raw rows by source; with quarantine they add up to all raw rows.
    ``notes``: counts worth showing (rows with unknown hour, rows scaled for, …).
    """

    observations: pl.DataFrame
    quarantine: pl.DataFrame
    used: Mapping[str, int]
    repeated: Mapping[str, int]
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature by the name of its file in ``features`` and its parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A forecaster by the name of its model and its parameters."""

    name: str
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Rolling-origin cuts: the last ``count`` cuts, ``every`` apart, each forecasting until the next.

    ``step``: how far apart a cut's origins are; None: the recipe's issue step. A full grid whose horizon
    is a week says as much with an origin a week, at a seventh of the rows.
    """

    count: int
    every: timedelta
    step: timedelta | None = None


Observe = Callable[[Mapping[str, pl.DataFrame], ObserveContext], Observed]
Sample = Callable[..., pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The making: sources, one bespoke ``observe``, features, candidates, one primary score, one baseline.

    ``primary``: ``mae``, ``poisson_deviance`` or ``pinball``. ``rules``: the simple rules, candidates
    that need no training; ``baseline`` names the one served as release 0.
    ``history``: how far back a first pull goes; ``context``: how much raw before a window ``observe``
    needs to decide about the window's rows. ``train_window``/``calibration``: by target time.
    ``fit_rows``: rows a fit sees at most. ``lead_step``: training leads are multiples of it.
    """

    product: str
    sources: tuple[Source, ...]
    observe: Observe
    features: tuple[Feature, ...]
    rules: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    baseline: str
    primary: Literal["mae", "poisson_deviance", "pinball"]
    history: timedelta
    context: timedelta
    train_window: timedelta
    calibration: timedelta
    folds: Folds
    replay: timedelta = timedelta(days=14)
    fit_rows: int = 2_000_000
    issue_step: timedelta = timedelta(days=1)
    seed: int = 20260101


@dataclass(frozen=True, kw_only=True)
class Window:
    """Half-open UTC window [start, end)."""

    start: datetime
    end: datetime
