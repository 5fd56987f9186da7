"""What the loop behind the forecasts did, read off the lake, as gauges: steps, scores, drift, rows, alerts, disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from urbancast.api.record import Record
from urbancast.lake import alerts, leases
from urbancast.lake.store import Lake

DAY = timedelta(days=1)
EVERY = timedelta(seconds=5)
QUALITY = {
    "coverage_80": "Share of values inside the 80 % range",
    "skill": "1 - score / score of the baseline",
    "mae": "Mean absolute error, units of the measure",
    "rmse": "Root mean squared error, units of the measure",
    "bias": "Mean of forecast minus value, units of the measure",
    "crps": "Continuous ranked probability score, units of the measure",
    "wape": "Sum of absolute errors over the sum of values",
    "r_squared": "1 - squared error / squared error of the baseline",
}
DRIFT = ["measure", "kind", "signal"]
ROWS = {"observations": "urbancast_observed_rows", "forecasts": "urbancast_forecast_rows"}
Rows = Sequence[tuple[Sequence[str], float]]


class Loop(Collector):
    """Gauges of the newest look at the lake; collecting costs no reading."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._families: tuple[Metric, ...] = ()
        self._of: Any = None
        self._at: datetime | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield what was read last."""
        yield from self._families

    def read(self, lake: Lake, records: Mapping[str, Mapping[str, Record]], now: datetime) -> None:
        """Read the lake anew, at most every so often; nothing where no table moved."""
        if self._at is not None and now - self._at < EVERY:
            return
        versions = {table: lake.version(table) for table in ("runs", "drift", "alerts", "scores", "verdicts", *ROWS)}
        key = (tuple(versions.values()), [id(own) for own in records.values()], now.replace(second=0, microsecond=0))
        if key != self._of:
            self._families = tuple(_families(lake, records, now))
            self._of, self._at = key, now


def _families(lake: Lake, records: Mapping[str, Mapping[str, Record]], now: datetime) -> Iterator[Metric]:
    yield from _steps(lake, now)
    yield from _quality(records)
    yield from _drift(lake, now)
    yield _verdicts(lake, now)
    yield _alerts(lake)
    for table, name in ROWS.items():
        yield _gauge(name, f"Rows of {table}", ["product"], _counts(lake, table))
    held = [([product], 1.0) for product in records if leases.current(lake, product) is not None]
    yield _gauge("urbancast_lease_held", "1 while a run holds the product", ["product"], held)
    yield from _disk(lake)


def _gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric([str(value) for value in values], number)
    return family


def _steps(lake: Lake, now: datetime) -> Iterator[Metric]:
    """Seconds and rows of each step's newest end, its mean of a day, and how many ended how in a day."""
    rows = lake.scan("runs", since=now - 7 * DAY, by="at").filter(pl.col("state").cast(pl.String) != "started")
    ended = rows.with_columns(pl.col("state").cast(pl.String)).sort("at").collect()
    facts = [_facts(text) for text in ended["facts"]]
    ended = ended.with_columns(
        seconds=pl.Series([_number(each.get("seconds")) for each in facts], dtype=pl.Float64),
        rows=pl.Series([_number(each.get("rows", each.get("added"))) for each in facts], dtype=pl.Float64),
    )
    labels = ["product", "flow", "step"]
    done = ended.filter(pl.col("state") == "done")
    newest = done.unique(labels, keep="last", maintain_order=True)
    today = done.filter(pl.col("at") > now - DAY).group_by(labels, maintain_order=True).agg(pl.col("seconds").mean())
    yield _gauge("urbancast_run_seconds", "Seconds of a step's newest end", labels, _rows(newest, labels, "seconds"))
    yield _gauge(
        "urbancast_run_seconds_day", "Mean seconds of a step in a day", labels, _rows(today, labels, "seconds")
    )
    yield _gauge("urbancast_run_rows", "Rows of a step's newest end", labels, _rows(newest, labels, "rows"))
    yield _missed(newest.filter((pl.col("flow") == "watch") & (pl.col("step") == "measure")))
    flows = ended.filter(pl.col("at") > now - DAY).group_by("product", "flow", "state", maintain_order=True).len()
    for name, state in (("urbancast_run_steps", "done"), ("urbancast_run_failures", "failed")):
        every = flows.select("product", "flow").unique(maintain_order=True)
        own = every.join(flows.filter(pl.col("state") == state), on=["product", "flow"], how="left").fill_null(0)
        yield _gauge(name, f"Steps {state} within a day", ["product", "flow"], _rows(own, ["product", "flow"], "len"))


def _missed(watched: pl.DataFrame) -> Metric:
    """Updates that each source has missed, as the newest watch of its product saw it."""
    rows = [
        ([product, source], float(missed))
        for product, text in watched.select("product", "facts").iter_rows()
        for source, missed in _facts(text).get("missed", {}).items()
    ]
    return _gauge("urbancast_source_missed_updates", "Updates due and not here", ["product", "source"], rows)


def _quality(records: Mapping[str, Mapping[str, Record]]) -> Iterator[Metric]:
    labels = ["product", "measure", "kind"]
    flat = [
        ((product, measure, kind), sums)
        for product, own in records.items()
        for measure, record in own.items()
        for kind, sums in record.kinds.items()
    ]
    for name, text in QUALITY.items():
        known = [(names, sums[name]) for names, sums in flat if isinstance(sums.get(name), int | float)]
        yield _gauge(f"urbancast_{name}", text, labels, known)
    yield _gauge("urbancast_scored", "Values scored", labels, [(names, sums["n"]) for names, sums in flat])
    slices = [
        ((*names, f"{row['hour']:02d}"), row["mae"])
        for names, sums in flat
        for row in sums.get("by_local_hour", ())
        if row["mae"] is not None
    ]
    yield _gauge("urbancast_mae_by_hour", "Mean absolute error by local hour", [*labels, "hour"], slices)


def _drift(lake: Lake, now: datetime) -> Iterator[Metric]:
    """Scores of the newest day of each signal, and the share of the signals that drifted, by kind."""
    rows = lake.scan("drift", since=(now - 14 * DAY).date(), by="day").filter(pl.col("place") == "").sort("day")
    newest = rows.unique(["product", *DRIFT], keep="last", maintain_order=True).collect()
    newest = newest.with_columns(pl.col("kind").cast(pl.String))
    labels = ["product", *DRIFT]
    yield _gauge("urbancast_drift_score", "Newest drift score of a signal", labels, _rows(newest, labels, "score"))
    limits = _rows(newest, labels, "threshold")
    yield _gauge("urbancast_drift_threshold", "Score above which a signal has drifted", labels, limits)
    kinds = ["product", "kind"]
    shares = newest.group_by(kinds, maintain_order=True).agg(pl.col("is_drifted").cast(pl.Float64).mean())
    yield _gauge(
        "urbancast_drifted_share", "Share of the signals that drifted", kinds, _rows(shares, kinds, "is_drifted")
    )
    missing = (
        newest.filter(pl.col("kind") == "missing").group_by("product", maintain_order=True).agg(pl.col("score").max())
    )
    yield _gauge("urbancast_missing_share", "Greatest missing share", ["product"], _rows(missing, ["product"], "score"))


def _verdicts(lake: Lake, now: datetime) -> Metric:
    """Decisions on challengers and champions within a week, those of replays left out."""
    rows = lake.scan("verdicts", since=now - 7 * DAY, by="decided_at")
    own = rows.with_columns(pl.col("action", "kind").cast(pl.String)).filter(pl.col("kind") == "live")
    labels = ["product", "action"]
    counted = own.group_by(labels).len().sort(labels).collect()
    return _gauge("urbancast_verdicts", "Verdicts within a week", labels, _rows(counted, labels, "len"))


def _alerts(lake: Lake) -> Metric:
    opened = alerts.current(lake).with_columns(
        pl.col("severity").cast(pl.String), kind=pl.col("alert").str.split(":").list.first()
    )
    labels = ["product", "kind", "severity"]
    return _gauge("urbancast_alerts", "Open alerts", labels, _rows(opened.group_by(labels).len(), labels, "len"))


def _counts(lake: Lake, table: str) -> Rows:
    """Rows by product, as the table's log tells them."""
    delta = lake.delta(table)
    if delta is None:
        return []
    added = pl.DataFrame(delta.get_add_actions(flatten=True))
    sums = added.group_by("partition.product").agg(pl.col("num_records").sum())
    return [([product], float(n)) for product, n in sums.sort("partition.product").iter_rows()]


def _disk(lake: Lake) -> Iterator[Metric]:
    if "://" in lake.url:
        return
    usage = shutil.disk_usage(lake.url)
    yield _gauge("urbancast_disk_free_bytes", "Free bytes where the lake lies", [], [([], usage.free)])
    yield _gauge("urbancast_disk_bytes", "Bytes of the disk where the lake lies", [], [([], usage.total)])


def _rows(frame: pl.DataFrame, labels: Sequence[str], value: str) -> Rows:
    known = frame.filter(pl.col(value).is_not_null())
    return [(row[:-1], float(row[-1])) for row in known.select(*labels, value).iter_rows()]


def _facts(text: str) -> dict[str, Any]:
    facts = orjson.loads(text or "{}")
    return facts if isinstance(facts, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
