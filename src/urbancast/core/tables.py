"""The tables, as dataframely contracts checked at the doors of the lake. `product` comes first everywhere."""

from __future__ import annotations

from itertools import pairwise

import dataframely as dy
import polars as pl

from urbancast.core.columns import instant
from urbancast.core.operations import Alerts, Audit, Deliveries, Drift, Keys, Leases, Requests

QUANTILES: tuple[float, ...] = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
QUANTILE_COLUMNS: tuple[str, ...] = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
AVAILABILITY = ("seen", "declared")
COVARIATE_KINDS = ("issued", "observed", "oracle")
SCORE_KINDS = ("live", "replay", "backtest")


class Raw(dy.Schema):
    """Manifest of bytes exactly as sent; the bytes lie at ``path`` under the lake."""

    product = dy.String(primary_key=True)
    source = dy.String(primary_key=True)
    sha256 = dy.String(primary_key=True)
    query = dy.String(primary_key=True)  # JSON, the media type beside as `_media`
    layout = dy.String()
    url = dy.String()
    path = dy.String()
    provenance = dy.Enum(["sample", "extract", "live"])
    window_start = instant(nullable=True)
    window_end = instant(nullable=True)
    fetched_at = instant(primary_key=True)  # the same bytes may come back after others
    rows_claimed = dy.Int64(nullable=True)
    rows_received = dy.Int64()
    licence = dy.String()
    run = dy.String()


class Quarantine(dy.Schema):
    product = dy.String(primary_key=True)
    source = dy.String(primary_key=True)
    row = dy.String(primary_key=True)  # JSON of the row as read
    rule = dy.String(primary_key=True)
    reason = dy.String()
    run = dy.String()


class Places(dy.Schema):
    """`geometry` is WKB in longitude and latitude (EPSG:4326); `attributes` is JSON."""

    product = dy.String(primary_key=True)
    place = dy.String(primary_key=True)
    kind = dy.Enum(["zone", "site", "pair", "link"])
    name = dy.String()
    part_of = dy.String(nullable=True)
    lat = dy.Float64(min=-90, max=90)
    lon = dy.Float64(min=-180, max=180)
    area_km2 = dy.Float64(nullable=True, min=0)
    geometry = dy.Binary()
    is_schematic = dy.Bool()
    attributes = dy.String()
    valid_from = instant(primary_key=True)
    valid_to = instant(nullable=True)


class Observations(dy.Schema):
    """Revisions live beside each other; known at T = greatest available_at <= T."""

    product = dy.String(primary_key=True)
    place = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    time = instant(primary_key=True)
    draw = dy.Int64(primary_key=True)
    value = dy.Float64(nullable=True)
    available_at = instant(primary_key=True)
    availability = dy.Enum(AVAILABILITY)
    run = dy.String()

    @dy.rule()
    def available_after_start(cls) -> pl.Expr:
        return pl.col("available_at") > pl.col("time")


class Covariates(dy.Schema):
    product = dy.String(primary_key=True)
    place = dy.String(primary_key=True)  # "" = the whole city
    variable = dy.String(primary_key=True)
    time = instant(primary_key=True)
    value = dy.Float64(nullable=True)
    issued_at = instant(primary_key=True)
    available_at = instant(primary_key=True)
    kind = dy.Enum(COVARIATE_KINDS, primary_key=True)
    run = dy.String()


class Forecasts(dy.Schema):
    """Only of a signed measure may mean and quantiles lie below zero: `lake.forecasts.add` asks which are."""

    product = dy.String(primary_key=True)
    place = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    origin = instant(primary_key=True)
    time = instant(primary_key=True)
    mean = dy.Float64()
    q05 = dy.Float64()
    q10 = dy.Float64()
    q25 = dy.Float64()
    q50 = dy.Float64()
    q75 = dy.Float64()
    q90 = dy.Float64()
    q95 = dy.Float64()
    release = dy.String(primary_key=True)
    run = dy.String()
    issued_at = instant()

    @dy.rule()
    def quantiles_ordered(cls) -> pl.Expr:
        return pl.all_horizontal(pl.col(low) <= pl.col(high) for low, high in pairwise(QUANTILE_COLUMNS))


class Releases(dy.Schema):
    """`facts` is JSON: window, input hashes, recipe hash, seeds, scores, checksums, count family."""

    product = dy.String(primary_key=True)
    release = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    number = dy.Int64()  # 0 = the baseline
    candidate = dy.String()
    trained_until = instant()
    path = dy.String()  # folder under the lake
    facts = dy.String()
    created_at = instant()
    run = dy.String()


class Verdicts(dy.Schema):
    """Promotions, refusals and rollbacks, with numbers (JSON) and reason."""

    product = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    challenger = dy.String(primary_key=True)
    champion = dy.String(primary_key=True)
    action = dy.Enum(["promoted", "refused", "rolled_back"], primary_key=True)
    wins = dy.Bool()
    skill = dy.Float64(nullable=True)
    low = dy.Float64(nullable=True)  # interval of the difference, baseline units
    high = dy.Float64(nullable=True)
    reason = dy.String()
    numbers = dy.String()
    kind = dy.Enum(["live", "replay"], primary_key=True)  # of a replay: decided as it would have been
    decided_at = instant(primary_key=True)
    run = dy.String()


class Serving(dy.Schema):
    """What the API follows, written last: the newest row by (product, moved_at) is in force."""

    product = dy.String(primary_key=True)
    origin = instant(nullable=True)  # null: releases named, nothing forecast yet
    releases = dy.String()  # JSON {measure: release}
    versions = dy.String()  # JSON {table: delta version}
    provenance = dy.Enum(["sample", "extract", "live"])
    data_to = instant(nullable=True)
    moved_at = instant(primary_key=True)
    run = dy.String()


class Scores(dy.Schema):
    """Additive sums with n; divide only when showing. `baseline_*` are the served baseline on the same rows.

    `simple_rule_*`: the strongest simple rule. `how`: local hour of week. `kind`: never pooled.
    """

    product = dy.String(primary_key=True)
    place = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    release = dy.String(primary_key=True)
    kind = dy.Enum(SCORE_KINDS, primary_key=True)
    day = dy.Date(primary_key=True)  # local day of the target time
    reach_band = dy.String(primary_key=True)
    how = dy.Int16(primary_key=True, min=0, max=167)
    n = dy.Int64()
    value = dy.Float64()
    mean = dy.Float64()
    absolute_error = dy.Float64()
    squared_error = dy.Float64()
    deviance = dy.Float64()
    pinball = dy.Float64()
    crps = dy.Float64()
    width_80 = dy.Float64()
    hits_80 = dy.Float64()  # sum of randomised-PIT membership in [0.1, 0.9]
    plain_hits_80 = dy.Float64()
    baseline_absolute_error = dy.Float64()
    baseline_squared_error = dy.Float64()
    baseline_deviance = dy.Float64()
    baseline_pinball = dy.Float64()
    baseline_crps = dy.Float64()
    run = dy.String()


class Runs(dy.Schema):
    """What ran on what with what result; one row at the start of a step, one at its end."""

    product = dy.String(primary_key=True)
    run = dy.String(primary_key=True)
    flow = dy.String(primary_key=True)
    step = dy.String(primary_key=True)
    state = dy.Enum(["started", "done", "failed"], primary_key=True)
    at = instant(primary_key=True)
    message = dy.String()
    facts = dy.String()  # JSON: rows, seconds, counts


class Ledger(dy.Schema):
    """Append-only: each entry hashes the rows it speaks of and the entry before it; see `lake.ledger`."""

    product = dy.String(primary_key=True)
    number = dy.Int64(primary_key=True)
    kind = dy.Enum(["issued", "scored", "rescored"])
    subject = dy.String()  # JSON: measure, origin, release; or measure, day and the rows it was scored from
    rows = dy.Int64()
    content = dy.String()  # sha256 of the rows
    at = instant()
    previous = dy.String()
    entry = dy.String()  # sha256 of all of the above
    run = dy.String()


class Calibration(dy.Schema):
    """Additive sums by a class of the forecast: lead, decile of its size, bin of the PIT; or against a simple rule.

    `baseline_*`: the served baseline's on the same rows; with `against`, those of the simple rule of that name, on
    the rows that both issued at the same moment.
    """

    product = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    release = dy.String(primary_key=True)
    kind = dy.Enum(SCORE_KINDS, primary_key=True)
    day = dy.Date(primary_key=True)
    dimension = dy.Enum(["lead", "decile", "pit", "rule"], primary_key=True)
    bin = dy.Int16(primary_key=True)  # hours of lead (whole days beyond 72), 1 … 10, 0 … 19, or 0
    against = dy.String(primary_key=True)  # "" but for `rule`
    n = dy.Int64()
    value = dy.Float64()
    mean = dy.Float64()
    absolute_error = dy.Float64()
    deviance = dy.Float64()
    pinball = dy.Float64()
    crps = dy.Float64()
    width_80 = dy.Float64()
    hits_80 = dy.Float64()
    baseline_absolute_error = dy.Float64()
    baseline_deviance = dy.Float64()
    baseline_pinball = dy.Float64()
    baseline_crps = dy.Float64()
    run = dy.String()


class Misses(dy.Schema):
    """The worst misses of a day, with what was known when they were forecast."""

    product = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    release = dy.String(primary_key=True)
    kind = dy.Enum(SCORE_KINDS, primary_key=True)
    day = dy.Date(primary_key=True)
    place = dy.String(primary_key=True)
    origin = instant(primary_key=True)
    time = instant(primary_key=True)
    draw = dy.Int64(primary_key=True)
    value = dy.Float64()
    mean = dy.Float64()
    q10 = dy.Float64()
    q50 = dy.Float64()
    q90 = dy.Float64()
    crps = dy.Float64()
    baseline_mean = dy.Float64(nullable=True)
    known = dy.String()  # JSON: newest value, same hour a week before, reach, weather, holiday
    run = dy.String()


SCHEMA_VERSION = 2
TABLES: dict[str, type[dy.Schema]] = {
    "raw": Raw,
    "quarantine": Quarantine,
    "places": Places,
    "observations": Observations,
    "covariates": Covariates,
    "forecasts": Forecasts,
    "releases": Releases,
    "verdicts": Verdicts,
    "serving": Serving,
    "scores": Scores,
    "runs": Runs,
    "alerts": Alerts,
    "requests": Requests,
    "leases": Leases,
    "ledger": Ledger,
    "calibration": Calibration,
    "misses": Misses,
    "drift": Drift,
    "deliveries": Deliveries,
    "keys": Keys,
    "audit": Audit,
}
# Tables partitioned by month of the named time column; the others by product alone.
MONTH_OF: dict[str, str] = {
    "observations": "time",
    "covariates": "time",
    "forecasts": "origin",
    "scores": "day",
    "calibration": "day",
    "misses": "day",
}
