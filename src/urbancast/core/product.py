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
# UTC interval starts → whether anything is promised for them; a product without one always is open.
Opening = Callable[[pl.Series], pl.Series]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is counted at a place, for one interval of the grain.

    ``sparse``: zero is the rule; only non-zero values are stored and a covered interval
    (see ``COVERED``) without a row is a true zero.
    ``clustered``: several come from one event, so a mean says nothing of the chance of any.
    ``draws``: a place and interval has many values, each a draw (trips); else one, with draw 0.
    ``signed``: values may lie below zero. ``derived_from``: made from joint paths of other measures
    (see ``Derived``); the releases of the measure named here speak for it.
    """

    id: str
    label: Text
    unit: Text
    kind: Literal["count", "amount", "duration"] = "count"
    sparse: bool = False
    clustered: bool = False
    draws: bool = False
    signed: bool = False
    derived_from: str | None = None


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
class Holiday:
    """A city's own holiday, every year from ``since``, that calendars of countries do not hold; with its source."""

    month: int
    day: int
    name: str
    source: str
    since: int = 1900


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Which ordered pairs of zones are forecast as such; all others by synthetic places.

    A pair with at least ``least_draws`` in the year before an origin is a place; any other is a distance band
    (upper limits ``bands_km``, the last open) of its class: ``hub`` where an end is one of ``hubs``, else ``city``;
    ``unknown`` where an end is not known. Ids: ``core.place.pair_id`` and ``band_id``.
    """

    bands_km: tuple[float, ...]
    hubs: tuple[str, ...] = ()
    least_draws: int = 30


@dataclass(frozen=True, kw_only=True)
class OccupancyPart:
    """One kind of space: the measure that counts those paid for, and the prior for cars that pay nothing.

    ``prior``: share of the spaces taken by them, by local hour (24 values).
    """

    measure: str
    label: Text
    prior: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Occupancy:
    """How counts of paid spaces become an answer about free ones; never verified, always labelled.

    Places carry ``capacity`` (part's measure → spaces) and ``streets`` in their attributes.
    ``correlation`` of spaces within a walk (beta-binomial): neighbours fill together. ``prior_error``: standard
    deviation of each part's prior, a share. ``source``: where the prior comes from, in words.
    """

    total: str
    parts: tuple[OccupancyPart, ...]
    source: Text
    radii_m: tuple[float, ...] = (150.0, 300.0)
    correlation: float = 0.1
    prior_error: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Stock:
    """How derived measures become a plan of what each place must hold over ``days``.

    ``starts`` and ``net_outflow``: measures by interval; ``need``, ``peak`` and ``outflow``: measures over the days,
    derived from them. ``turns``: uses of one vehicle a day unless the asker says otherwise.
    """

    starts: str
    net_outflow: str
    need: str
    peak: str
    outflow: str
    days: int
    turns: float
    service_level: float = 0.9


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
    holidays: tuple[Holiday, ...] = ()
    is_open: Opening | None = None
    closed: Text | None = None  # what is said where it is not open
    pairs: Pairs | None = None
    occupancy: Occupancy | None = None
    stock: Stock | None = None

    @property
    def measure(self) -> Measure:
        """The first measure: the one shown when none is asked for."""
        return self.measures[0]

    @property
    def shape_kind(self) -> PlaceKind:
        """Kind of what the table ``places`` holds: of a product of pairs its zones, else the places themselves."""
        return PlaceKind.ZONE if self.place_kind is PlaceKind.PAIR else self.place_kind

    @property
    def modelled(self) -> tuple[Measure, ...]:
        """Measures that releases forecast; the others are derived from them."""
        return tuple(measure for measure in self.measures if measure.derived_from is None)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One named shape a source arrives in.

    ``columns`` are the native names that must all be there (``optional`` ones may be);
    ``parse`` turns the native frame into the source's canonical columns. JSON that omits
    null fields is a layout whose nullable columns are ``optional``.
    ``meanings``: for columns recognised by meaning, our name → the native names that mean it, written in lower
    case without accents, words joined by ``_``; then ``columns`` and ``optional`` are our names, and so are those
    that ``parse`` gets.
    """

    name: str
    columns: tuple[str, ...]
    parse: Callable[[pl.DataFrame], pl.DataFrame]
    optional: tuple[str, ...] = ()
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One dataset behind a portal.

    ``schema``: canonical columns after ``Layout.parse``; ``time``: the canonical UTC column by
    which windows and look-backs cut (``None``: a table without time, such as places).
    ``publication``: expression of the time column giving the declared ``available_at``.
    ``query``: what the portal needs (dataset id, select, where, order…).
    ``role``: ``places`` are boundaries (in sample mode schematic shapes stand in), ``facts`` tables about places
    (capacities, streets), ``network`` roads. ``is_streamed``: too large for memory; ``observe`` gets an iterator of
    its canonical pages instead of one frame. ``rhythm``: how often the portal adds to it: when it is asked, and
    the unit in which missed updates are counted.
    """

    name: str
    portal: str
    url: str
    dataset: str
    layouts: tuple[Layout, ...]
    schema: Mapping[str, pl.DataType | type[pl.DataType]]
    licence: Licence
    role: Literal["observations", "places", "facts", "network", "weather"] = "observations"
    time: str | None = None
    publication: Callable[[pl.Expr], pl.Expr] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    chunk: timedelta = timedelta(days=31)
    look_back: timedelta = timedelta(days=7)
    rhythm: timedelta = timedelta(days=1)
    is_required: bool = True
    is_streamed: bool = False


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
    """A forecaster by the name of its model and its parameters; ``measures``: only for these (empty: for all)."""

    name: str
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Rolling-origin cuts: the last ``count`` cuts, ``every`` apart, each forecasting until the next.

    ``step``: how far apart a cut's origins are; None: the recipe's issue step. A full grid whose horizon
    is a week says as much with an origin a week, at a seventh of the rows.
    """

    count: int
    every: timedelta
    step: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """When a product trains anew, and how long a new champion is on probation.

    ``least_history``: observations needed before a first training (to train on, and to judge by).
    ``every``: cadence. ``floor``: least skill over the baseline within ``window``; below it, a training is due.
    ``drift_share`` of the inputs must have drifted on ``drift_days`` days in a row. ``rest``: no training for skill or
    drift sooner than this after the last. ``probation``: how long the champion before forecasts in the shadow.
    """

    least_history: timedelta = timedelta(days=90)
    every: timedelta = timedelta(days=28)
    floor: float = 0.0
    window: timedelta = timedelta(days=30)
    drift_share: float = 0.3
    drift_days: int = 3
    rest: timedelta = timedelta(days=7)
    probation: timedelta = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A measure that the marginals of its parts cannot give: one number of several intervals and measures.

    ``combine``: array of shape (…, intervals, parts) → (…); the same for joint paths and for what was observed.
    Its time is the first of ``intervals`` intervals; ``parts`` are measure ids, the first one's releases speak for it.
    """

    measure: str
    parts: tuple[str, ...]
    intervals: int
    combine: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """Places with their ``attributes`` (JSON), one row a place and vintage; and rows of the facts that fit no place.

    ``places``: places-table columns; ``quarantine``: source, row (JSON), rule, reason.
    """

    places: pl.DataFrame
    quarantine: pl.DataFrame


# Raw frames by source (an iterator of frames for a streamed one) → observations.
Observe = Callable[[Mapping[str, Any], ObserveContext], Observed]
# Places (places-table columns) and canonical frames of the ``facts`` sources → places by vintage, and what fits none.
Attributes = Callable[[pl.DataFrame, Mapping[str, pl.DataFrame]], Attributed]
# Raw frames by source → events where they happened (lat, lon, time, available_at), one row each: shares of roads.
Events = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
Sample = Callable[..., pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The making: sources, one bespoke ``observe``, features, candidates, one primary score, one baseline.

    ``primary``: ``mae``, ``poisson_deviance`` or ``pinball``. ``rules``: the simple rules, candidates
    that need no training; ``baseline`` names the one served as release 0.
    ``history``: how far back a first pull goes; ``context``: how much raw before a window ``observe``
    needs to decide about the window's rows. ``train_window``/``calibration``: by target time.
    ``fit_rows``: rows a fit sees at most. ``lead_step``: training leads are multiples of it.
    ``leads_each``: leads drawn for each target of a fit; ``lead_power``: above 1, short leads are drawn more often.
    ``replay_step``: how far apart a replay's origins are, where truth comes months later and a replay is long;
    None: the issue step.
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
    replay_step: timedelta | None = None
    fit_rows: int = 2_000_000
    issue_step: timedelta = timedelta(days=1)
    leads_each: int = 1
    lead_power: float = 1.0
    seed: int = 20260101
    attributes: Attributes | None = None
    events: Events | None = None
    derived: tuple[Derived, ...] = ()
    retraining: Retraining = Retraining()


@dataclass(frozen=True, kw_only=True)
class Window:
    """Half-open UTC window [start, end)."""

    start: datetime
    end: datetime
