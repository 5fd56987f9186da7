"""The shapes in which roads arrive: tables of a road graph, seconds by kind of day, an OSM extract, trips by zone."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from urbancast.core.product import Layout

Schema = dict[str, pl.DataType | type[pl.DataType]]
HOURS = tuple(f"h{hour:02d}" for hour in range(24))
NODES_SCHEMA: Schema = {"node": pl.String, "lat": pl.Float64, "lon": pl.Float64}
EDGES_SCHEMA: Schema = {"link": pl.String, "from_node": pl.String, "to_node": pl.String}
TIMES_SCHEMA: Schema = {"link": pl.String, "day_type": pl.String, **dict.fromkeys(HOURS, pl.Float64)}
ROADS_SCHEMA: Schema = {"bytes": pl.Binary}
VOLUMES_SCHEMA: Schema = {"place": pl.String, "hour_of_week": pl.Int64, "trips": pl.Float64}


def _bare(number: int) -> tuple[str, ...]:
    """Names of the columns of a file without a header."""
    return tuple(f"column_{n}" for n in range(1, number + 1))


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


def _nodes(node: str, lat: str, lon: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda native: native.select(node=pl.col(node).cast(pl.String), lat=_number(lat), lon=_number(lon))


def _edges(link: str, start: str, end: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    names = {"link": link, "from_node": start, "to_node": end}
    return lambda native: native.select(pl.col(name).cast(pl.String).alias(to) for to, name in names.items())


def _times(day_type: str, link: str, hours: tuple[str, ...]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda native: native.select(
        pl.col(link).cast(pl.String).alias("link"),
        pl.lit(day_type).alias("day_type"),
        *(_number(name).alias(to) for to, name in zip(HOURS, hours, strict=True)),
    )


def times_layouts(day_type: str) -> tuple[Layout, ...]:
    """Layouts of the seconds of one kind of day: an edge a row, 24 local hours, with or without a header."""
    named = ("id", *HOURS)
    return (
        Layout(name="bare", columns=_bare(25), parse=_times(day_type, "column_1", _bare(25)[1:])),
        Layout(name="named", columns=named, parse=_times(day_type, "id", HOURS)),
    )


NODES_LAYOUTS = (
    Layout(name="bare", columns=_bare(3), parse=_nodes(*_bare(3))),
    Layout(name="named", columns=("id", "lat", "lon"), parse=_nodes("id", "lat", "lon")),
)
EDGES_LAYOUTS = (
    Layout(name="bare", columns=_bare(3), parse=_edges(*_bare(3))),
    Layout(name="named", columns=("id", "from", "to"), parse=_edges("id", "from", "to")),
)
ROADS_LAYOUTS = (Layout(name="extract", columns=("bytes",), parse=lambda native: native),)
VOLUMES_LAYOUTS = (
    Layout(
        name="trips",
        columns=("place", "hour_of_week", "trips"),
        parse=lambda native: native.select(
            place=pl.col("place").cast(pl.String),
            hour_of_week=pl.col("hour_of_week").cast(pl.Int64, strict=False),
            trips=_number("trips"),
        ),
    ),
)
