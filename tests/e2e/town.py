"""A small town in a real lake, filled through the lake's own functions with numbers of a smooth day."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from urbancast.core.product import COVERED, Measure, Product
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, instants
from urbancast.lake import forecasts, observations, places, releases, runs, scores, serving, verdicts
from urbancast.lake.store import Lake

WIDTHS = (-0.42, -0.32, -0.16, 0.0, 0.17, 0.36, 0.5)
REPLAYED_DAYS = 40
UTC_US = pl.Datetime("us", "UTC")


def fill(lake: Lake, product: Product, shapes: pl.DataFrame, *, now: datetime) -> None:
    """Places, releases, counts, a week of past forecasts, the served one, scores and a verdict of a product.

    ``shapes``: places-table columns without product. The newest place by id has no forecast.
    """
    origin = now.replace(hour=5, minute=0, second=0, microsecond=0)
    places.put(lake, product.id, shapes)
    ids = shapes["place"].sort().to_list()
    for measure in product.measures:
        _release(lake, product, measure, origin)
        _count(lake, product, measure, ids, origin)
        for back in range(7, -1, -1):
            _issue(lake, product, measure, ids[:-1], origin - back * DAY)
        _score(lake, product, measure, ids[:-1], origin)
    runs.record(lake, product.id, "e2e", flow="verify", step="score", state="done", at=origin + HOUR)
    serving.move(
        lake, product=product.id, origin=origin, releases={one.id: f"{one.id}-1" for one in product.measures},
        versions={}, provenance="sample", data_to=origin - 6 * HOUR, moved_at=origin + HOUR, run="e2e",
    )  # fmt: skip


def _expected(ids: list[str], times: list[datetime], measure: Measure) -> pl.DataFrame:
    """Mean by place and time: two rush hours, a level by place."""
    table = pl.DataFrame({"place": ids}).with_row_index("rank").join(pl.DataFrame({"time": times}), how="cross")
    hour = pl.col("time").dt.hour().cast(pl.Float64)
    day = 0.06 + (-((hour - 8) / 1.8).pow(2)).exp() + 1.2 * (-((hour - 17) / 2.2).pow(2)).exp()
    spread = ((pl.col("rank") * 37) % 17 + 1) / 17
    level = 0.004 + 0.03 * spread if measure.sparse else 15 + 420 * spread.pow(2)
    return table.with_columns(pl.col("time").cast(UTC_US), mean=day * level).drop("rank")


def _issue(lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime) -> None:
    means = _expected(ids, instants(origin, origin + product.horizon, HOUR), measure)
    own = pl.lit(0.0) if measure.sparse else pl.col("mean")
    bands = {name: (own * (1 + width)).clip(0.0) for name, width in zip(QUANTILE_COLUMNS, WIDTHS, strict=True)}
    frame = means.with_columns(
        measure=pl.lit(measure.id), origin=pl.lit(origin).cast(UTC_US), release=pl.lit(f"{measure.id}-1"), **bands
    )
    forecasts.add(lake, product.id, frame, run="e2e", issued_at=origin + HOUR)


def _count(lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime) -> None:
    """Counts of five weeks until six hours before the origin, off the mean by a share that walks with the hour."""
    times = instants(origin - 35 * DAY, origin - 6 * HOUR, HOUR)
    noise = ((pl.col("time").dt.hour().cast(pl.Int64) * 29 + pl.col("time").dt.ordinal_day() * 53) % 23 - 11) / 40
    found = _expected(ids, times, measure).with_columns(value=(pl.col("mean") * (1 + noise)).round())
    if measure.sparse:
        dice = (pl.col("place").hash(7) // 3 + pl.col("time").dt.epoch("s") // 3600 * 7919) % 997 / 997
        found = found.with_columns(value=pl.lit(1.0)).filter(dice < pl.col("mean"))
        covered = pl.DataFrame({"place": [""] * len(times), "time": times, "value": 1.0}, schema_overrides={"time": UTC_US})
        found = pl.concat([found.select("place", "time", "value", measure=pl.lit(measure.id)),
                           covered.with_columns(measure=pl.lit(COVERED))])  # fmt: skip
    frame = found.with_columns(draw=pl.lit(0, pl.Int64), available_at=pl.col("time") + HOUR)
    if "measure" not in frame.columns:
        frame = frame.with_columns(measure=pl.lit(measure.id))
    frame = frame.select("place", "measure", "time", "draw", "value", "available_at")
    observations.add(lake, product.id, frame, run="e2e", fetched_at=origin, first_contact=origin)


def _release(lake: Lake, product: Product, measure: Measure, origin: datetime) -> None:
    primary = "poisson_deviance" if measure.sparse else "mae"
    rows = [
        {
            "product": product.id, "release": f"{measure.id}-{number}", "measure": measure.id, "number": number,
            "candidate": candidate, "trained_until": origin - 10 * DAY, "path": "none",
            "facts": f'{{"primary": "{primary}"}}', "created_at": origin - (10 - number) * DAY, "run": "e2e",
        }
        for number, candidate in enumerate(("climatology", "gbm"))
    ]  # fmt: skip
    releases.add(lake, pl.DataFrame(rows))
    told = {"product": product.id, "measure": measure.id, "champion": f"{measure.id}-0", "numbers": "{}", "run": "e2e"}
    verdicts.add(lake, pl.DataFrame([
        told | {"challenger": f"{measure.id}-1", "action": "promoted", "wins": True, "skill": 0.22, "low": 0.18,
                "high": 0.25, "reason": "better on 16 folds, range held", "decided_at": origin - 9 * DAY},
        told | {"challenger": f"{measure.id}-linear", "action": "refused", "wins": False, "skill": 0.01, "low": -0.02,
                "high": 0.03, "reason": "within noise", "decided_at": origin - 10 * DAY},
    ]))  # fmt: skip


def _score(lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime) -> None:
    """Replay of forty days and backtest of sixty before, two reach bands; the range holds about 8 in 10."""
    for kind, first, last in (("replay", 1, REPLAYED_DAYS), ("backtest", REPLAYED_DAYS + 1, REPLAYED_DAYS + 60)):
        days = [(origin - back * DAY).date() for back in range(first, last + 1)]
        table = (
            pl.DataFrame({"place": ids}).with_row_index("rank")
            .join(pl.DataFrame({"day": days}), how="cross")
            .join(pl.DataFrame({"hour": list(range(24))}), how="cross")
        )  # fmt: skip
        dice = (pl.col("rank") * 7 + pl.col("hour") * 13 + pl.col("day").dt.ordinal_day() * 29).cast(pl.Int64) % 100
        error = 10.0 + 8.0 * (pl.col("rank") % 5) + pl.col("hour") % 7
        sums = {name: error for name in ("absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80")}
        better = 1.12 + 0.02 * (dice % 15)
        beside = {f"baseline_{name}": error * better for name in list(sums)[:5]}
        frame = table.with_columns(
            measure=pl.lit(measure.id), release=pl.lit(f"{measure.id}-1"), kind=pl.lit(kind),
            reach_band=pl.when(pl.col("hour") < 12).then(pl.lit("0-24 h")).otherwise(pl.lit("24-48 h")),
            how=((pl.col("day").dt.weekday().cast(pl.Int16) - 1) * 24 + pl.col("hour").cast(pl.Int16)), n=pl.lit(1, pl.Int64),
            value=error, mean=error, hits_80=(dice < 79).cast(pl.Float64), plain_hits_80=(dice < 82).cast(pl.Float64),
            **sums, **beside,
        ).drop("rank", "hour")  # fmt: skip
        scores.add(lake, product.id, frame, run="e2e")


def start_training(lake: Lake, product: str, *, now: datetime) -> None:
    """A product still at work: 40 % of its backtest."""
    runs.record(
        lake, product, "e2e", flow="backtest", step="fold 2 of 3", state="started", at=now - timedelta(minutes=1),
        facts={"progress": 0.4},
    )  # fmt: skip
