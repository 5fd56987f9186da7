"""Which trips tell no honest duration, and why; a long trip is none of them."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from urbancast.geo.metric import distance_m
from urbancast.products.chicago_taxi.product import TZ
from urbancast.products.sorting import Rule

SHORTEST_S = 60.0
ROUNDING_S = 30 * 60.0  # both ends are stamped to a quarter of an hour: they are off by less than two of them
FASTEST_KMH = 130.0
SLOWEST_KMH, SLOW_FROM_S = 3.0, 3600.0
KM_A_MILE = 1.609344
CLOSER = 1.5  # radii of an area that its ends may lie from its centre
NEAR_NIGHT = pl.duration(hours=12)
PAIR = pl.concat_str(pl.col("from"), pl.lit(">"), pl.col("to"))
SECONDS = pl.col("seconds")
SPAN_S = (pl.col("end") - pl.col("time")).dt.total_seconds()


def rules(places: pl.DataFrame) -> tuple[Rule, ...]:
    """Rules in order: the first that a trip breaks keeps it out."""
    areas = [*places["place"].unique().to_list(), ""]
    kmh = pl.max_horizontal(pl.col("miles") * KM_A_MILE, _least_km(places)) / SECONDS * 3600
    unfit = (SPAN_S - SECONDS).abs() >= ROUNDING_S
    span = "the stamps of start and end do not fit the seconds"
    return (
        Rule(name="no_id", broken=pl.col("id").str.len_chars() == 0, reason="the trip has no id"),
        Rule(
            name="no_time",
            broken=pl.any_horizontal(pl.col("time", "end", "seconds").is_null()),
            reason="start, end or seconds are missing or cannot be read",
        ),
        Rule(name="refund", broken=_is(pl.min_horizontal("fare", "total") < 0), reason="money was given back: no trip"),
        Rule(name="too_short", broken=SECONDS <= SHORTEST_S, reason="a minute or less: no trip was driven"),
        Rule(
            name="no_such_area",
            broken=~(pl.col("from").is_in(areas) & pl.col("to").is_in(areas)),
            reason="an end is no community area",
        ),
        Rule(name="clock_change", broken=unfit & _is_clock_night(), reason=f"{span}, in a night that clocks change"),
        Rule(name="ends_before_start", broken=SPAN_S < 0, reason="the trip ends before it starts"),
        Rule(name="times_disagree", broken=unfit, reason=span),
        Rule(
            name="too_fast",
            broken=_is(kmh > FASTEST_KMH),
            reason=f"faster than {FASTEST_KMH:.0f} km/h by its own miles, or between its areas",
        ),
        Rule(
            name="too_slow",
            broken=_is(kmh < SLOWEST_KMH) & (SECONDS > SLOW_FROM_S),
            reason=f"over an hour slower than {SLOWEST_KMH:.0f} km/h: the meter was left running",
        ),
    )


def _is(condition: pl.Expr) -> pl.Expr:
    """A condition on what may be missing: what is not known breaks no rule."""
    return condition.fill_null(value=False)


def _least_km(places: pl.DataFrame) -> pl.Expr:
    """Shortest way between the areas of a trip, null where an end is not known."""
    known = places.unique("place", keep="last", maintain_order=True)
    lon, lat = known["lon"].to_numpy(), known["lat"].to_numpy()
    radius = CLOSER * np.sqrt(known["area_km2"].fill_null(0.0).to_numpy() / math.pi)
    apart = np.asarray(distance_m(lon[:, None], lat[:, None], to_lon=lon[None, :], to_lat=lat[None, :])) / 1000
    least = np.maximum(apart - radius[:, None] - radius[None, :], 0.0).ravel()
    ids = known["place"].to_list()
    pairs = [f"{start}>{end}" for start in ids for end in ids]
    return PAIR.replace_strict(pairs, least, default=None, return_dtype=pl.Float64)


def _is_clock_night() -> pl.Expr:
    before, after = ((pl.col("time") + sign * NEAR_NIGHT).dt.convert_time_zone(TZ).dt.dst_offset() for sign in (-1, 1))
    return before != after
