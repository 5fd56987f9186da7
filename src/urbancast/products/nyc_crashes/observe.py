"""Reports to observations: injury crashes and casualties an hour a zone, and which hours were published."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import COVERED, ObserveContext, Observed
from urbancast.core.time import UTC_US, local_clock
from urbancast.geo.index import ZoneIndex
from urbancast.products.nyc_crashes.midnight import day_hours, habits, spread
from urbancast.products.nyc_crashes.product import TZ
from urbancast.products.sorting import Rule, quarantined, sort_rows

SOURCE = "crashes"
NEAREST_M = 200.0  # a point off every zone belongs to one this near
SAME_PULL = pl.duration(hours=6)  # rows fetched this close together were published together
LAG_DAYS, LAG_HOUR = 4, 6
_LAT, _LON = pl.col("lat"), pl.col("lon")
_HURT = pl.col("injured").fill_null(0) + pl.col("killed").fill_null(0)  # the portal leaves a zero out at times
RULES = (
    Rule(name="no_id", broken=pl.col("id").str.len_chars() == 0, reason="the report has no id"),
    Rule(name="no_time", broken=pl.col("time").is_null(), reason="date or time is missing or cannot be read"),
    Rule(name="negative", broken=pl.min_horizontal("injured", "killed").fill_null(0) < 0, reason="fewer than nobody"),
    Rule(name="nobody_hurt", broken=_HURT == 0, reason="nobody was injured or killed: not an injury crash"),
    Rule(
        name="no_coordinates",
        broken=_LAT.is_nan() | _LON.is_nan() | ((_LAT == 0) & (_LON == 0)),
        reason="the report has no coordinates: its zone is unknown",
    ),
)


def published(time: pl.Expr) -> pl.Expr:
    """When the reports of a crash's local day are declared readable: three days after the next day, at six."""
    return local_clock(time, TZ, days=LAG_DAYS, hour=LAG_HOUR)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``crashes`` and ``casualties`` (non-zero weights) and of the hours covered.

    A report at exactly 00:00 beyond what the clock explains has an unknown hour: it stays in its day,
    spread over the profile known then. ContractError on real reports without real boundaries.
    """
    if context.is_schematic and context.provenance != "sample":
        raise ContractError(
            "nyc_crashes: expected the zones' real boundaries to count real crashes, found schematic shapes; "
            "needs real boundaries: pass --source places=PATH_OR_URL"
        )
    rows = raw[SOURCE]
    found = sort_rows(rows, source=SOURCE, key=("id",), rules=RULES)
    located, lost, near = _locate(found.kept, context.places)
    versions = _with_availability(located, rows)
    known = habits(versions.filter(pl.col("is_base")))
    deltas = _deltas(spread(versions, known))
    return Observed(
        observations=pl.concat([_values(deltas), _coverage(rows, context)]).sort(
            "measure", "place", "time", "available_at"
        ),
        quarantine=pl.concat([found.quarantine, lost]) if lost.height else found.quarantine,
        used={SOURCE: located.height},
        repeated={SOURCE: found.repeated},
        notes=_notes(versions, known, found.quarantine) | {"reports_in_nearest_zone": float(near)},
    )


def events(raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Where and when each injury crash happened, and from when on that was known: the first that its report said."""
    kept = sort_rows(raw[SOURCE], source=SOURCE, key=("id",), rules=RULES).kept.unique("id", maintain_order=True)
    return kept.select("lat", "lon", "time", available_at=published(pl.col("time"))).drop_nulls()


def _locate(kept: pl.DataFrame, places: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows with their ``place``, quarantine of those far from every zone, and how many took the nearest."""
    index = ZoneIndex(places)
    inside = index.locate(kept["lon"], kept["lat"])
    outside = kept.filter(inside.is_null())
    nearest = index.nearest(outside["lon"], outside["lat"], NEAREST_M)
    rescued = outside.with_columns(place=nearest)
    located = pl.concat([kept.with_columns(place=inside), rescued]).filter(pl.col("place").is_not_null())
    lost = quarantined(
        rescued.filter(pl.col("place").is_null()).drop("place").unique(_content(kept), maintain_order=True),
        source=SOURCE,
        rule="no_zone",
        reason=f"more than {NEAREST_M:.0f} m from every zone",
    )
    return located.sort("id", "fetched_at", "_row"), lost, nearest.len() - nearest.null_count()


def _content(rows: pl.DataFrame) -> list[str]:
    return [name for name in rows.columns if name not in ("fetched_at", "_row")]


def _with_availability(located: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Versions of each report with ``available_at``; ``is_base``: what the first fetch of its day held.

    A report that a later fetch brought, or changed, was known when it was fetched.
    """
    day = pl.col("local").dt.date()
    fetches = rows if "fetched_at" in rows.columns else rows.with_columns(fetched_at=pl.lit(None, dtype=UTC_US))
    first_fetch = fetches.group_by(day=day).agg(day_fetched_at=pl.col("fetched_at").min())
    is_first = pl.col("id").is_first_distinct()
    is_late = (pl.col("fetched_at") > pl.col("day_fetched_at") + SAME_PULL).fill_null(value=False)
    on_time = published(pl.col("time"))
    return (
        located.with_columns(day=day, on_time=on_time)
        .join(first_fetch, on="day", how="left", maintain_order="left")
        .with_columns(is_base=is_first & ~is_late)
        .with_columns(
            is_first=is_first,
            available_at=pl.when("is_base")
            .then("on_time")
            .otherwise(pl.max_horizontal("on_time", "fetched_at"))
            .cast(UTC_US),
            hour=pl.col("time").dt.truncate("1h"),
            casualties=_HURT.cast(pl.Float64),
        )
    )


def _deltas(weights: pl.DataFrame) -> pl.DataFrame:
    """Changes of (place, measure, time): what each version adds, less what the version before it had added."""
    order = pl.col("version").max().over("id")
    replaced = weights.filter(pl.col("version") < order).with_columns(
        pl.col("replaced_at").alias("available_at"), weight=-pl.col("weight")
    )
    both = pl.concat([weights, replaced.select(weights.columns)])
    measures = [
        both.select("place", "available_at", measure=pl.lit(name), time="hour", delta=pl.col("weight") * per)
        for name, per in (("crashes", pl.lit(1.0)), ("casualties", pl.col("casualties")))
    ]
    return pl.concat(measures)


def _values(deltas: pl.DataFrame) -> pl.DataFrame:
    """Values as known at each time: sums of all changes up to then."""
    key = ["place", "measure", "time"]
    return (
        deltas.group_by(*key, "available_at")
        .agg(pl.col("delta").sum())
        .sort(*key, "available_at")
        .with_columns(value=pl.col("delta").cum_sum().over(key).round(9).clip(lower_bound=0.0))
        .select("place", "measure", "time", pl.lit(0, dtype=pl.Int64).alias("draw"), "value", "available_at")
    )


def _coverage(rows: pl.DataFrame, context: ObserveContext) -> pl.DataFrame:
    """One row an hour of each local day that the source had published: a day without any report was not."""
    days = rows.drop_nulls("time").select(day=pl.col("local").dt.date()).unique()
    hours = day_hours(days["day"]).with_columns(available_at=published(pl.col("hour")))
    if context.provenance != "extract" and "fetched_at" in rows.columns:
        hours = hours.filter(pl.col("available_at") <= rows["fetched_at"].max())
    return hours.select(
        place=pl.lit(""),
        measure=pl.lit(COVERED),
        time="hour",
        draw=pl.lit(0, dtype=pl.Int64),
        value=pl.lit(1.0),
        available_at="available_at",
    )


def _notes(versions: pl.DataFrame, known: pl.DataFrame, out: pl.DataFrame) -> dict[str, float]:
    base = versions.filter("is_base")
    at_midnight = base.filter(pl.col("local").dt.time() == pl.time(0)).join(known, on="day")
    hour_0 = base.filter(pl.col("local").dt.hour() == 0).height
    unknown = float(at_midnight["excess_share"].sum())
    latest = pl.col("local").dt.replace_time_zone(TZ, ambiguous="latest", non_existent="null")
    twice = base.filter(latest.dt.convert_time_zone("UTC") != pl.col("time")).height
    without = out.filter(pl.col("rule") == "no_coordinates").height
    share = without / max(without + base.height, 1)
    return {
        "reports_with_unknown_hour": round(unknown, 3),
        "unknown_share_of_hour_0": round(unknown / max(hour_0, 1), 4),
        "reports_without_coordinates_share": round(share, 4),
        "scale_for_missing_coordinates": round(1 / (1 - share), 4) if share < 1 else 1.0,
        "reports_in_hour_that_came_twice": float(twice),
        "reports_in_hour_that_was_skipped": float(base.filter(latest.is_null()).height),
    }
