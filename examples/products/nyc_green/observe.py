"""Trips to observations: one trip is one draw of minutes of its pair of zones and hour of departure."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from urbancast.core.product import ObserveContext, Observed
from urbancast.core.time import UTC_US, local_clock
from urbancast.products.sorting import Rule, sort_rows
from urbancast.products.trips import draws_of

from .product import TZ  # noqa: TID252 - a folder outside a package knows no absolute name of its own

SOURCE, MEASURE = "trips", "minutes"
FASTEST_KMH, SLOWEST_KMH, SLOW_FROM_MIN, LONGEST_MIN = 130.0, 3.0, 60.0, 360.0
_MINUTES = pl.col("minutes")
_KMH = pl.col("km") / (_MINUTES / 60)


def _is(condition: pl.Expr) -> pl.Expr:
    """A condition on what may be missing: what is not known breaks no rule."""
    return condition.fill_null(value=False)


RULES = (
    Rule(name="no_time", broken=_MINUTES.is_null(), reason="start or end is missing or cannot be read"),
    Rule(name="stray", broken=pl.col("is_stray"), reason="the trip started in another month than its file's"),
    Rule(name="refund", broken=_is(pl.col("fare") < 0), reason="money was given back: no trip"),
    Rule(name="too_short", broken=_MINUTES <= 1, reason="a minute or less: no trip was driven"),
    Rule(name="too_fast", broken=_is(_KMH > FASTEST_KMH), reason=f"faster than {FASTEST_KMH:.0f} km/h"),
    Rule(
        name="too_slow",
        broken=_is((pl.col("km") > 0) & (_KMH < SLOWEST_KMH)) & (_MINUTES > SLOW_FROM_MIN),
        reason=f"over an hour slower than {SLOWEST_KMH:.0f} km/h: the meter was left running",
    ),
    Rule(name="too_long", broken=_MINUTES > LONGEST_MIN, reason="over six hours: the meter was left running"),
)


def published(time: pl.Expr) -> pl.Expr:
    """When the trips of a local day are known: as it ends, as to the operator; the public files come months later."""
    return local_clock(time, TZ, days=1, hour=0)


def observe(raw: Mapping[str, pl.DataFrame], context: ObserveContext) -> Observed:
    """Observations of ``minutes``, every plausible trip at its whole length; zones not of the places are not known."""
    found = sort_rows(raw[SOURCE], source=SOURCE, key=("id",), rules=RULES)
    zones = context.places["place"].unique().to_list()
    ends = [pl.when(pl.col(end).is_in(zones)).then(pl.col(end)).otherwise(pl.lit("")) for end in ("from", "to")]
    ends_at = pl.col("time") + pl.duration(seconds=(_MINUTES * 60).round().cast(pl.Int64))
    observations = found.kept.select(
        place=pl.concat_str(ends, separator=">"),
        measure=pl.lit(MEASURE),
        time=pl.col("time").dt.truncate("1h"),
        draw=draws_of(found.kept["id"]),
        value=_MINUTES.round(4),
        # An id is what the row says: what a later fetch says otherwise is another trip, known when it came.
        available_at=pl.max_horizontal(published(pl.col("time")), ends_at).cast(UTC_US),
    )
    unknown = observations.filter(pl.col("place").str.contains("^>|>$")).height
    return Observed(
        observations=observations.sort("place", "time", "draw"),
        quarantine=found.quarantine,
        used={SOURCE: found.kept.height},
        repeated={SOURCE: found.repeated},
        notes={
            "share_removed": round(found.quarantine.height / max(found.quarantine.height + found.kept.height, 1), 4),
            "trips_over_an_hour": float(found.kept.filter(_MINUTES > 60).height),
            "share_with_unknown_end": round(unknown / max(observations.height, 1), 4),
        },
    )
