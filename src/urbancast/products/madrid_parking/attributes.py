"""What the tables of facts say of each neighbourhood, by vintage: spaces by colour, streets and meters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Attributed
from urbancast.core.time import UTC_US, local_midnight
from urbancast.products.madrid_parking.regulated import TZ
from urbancast.products.madrid_parking.streets import spoken
from urbancast.products.sorting import quarantined

_VINTAGE = re.compile(r"(20\d\d)(?:[_-]?(0[1-9]|1[0-2]))?(?!\d)")
_BLOCK_DEG = 0.001  # a street is told in pieces of about a hundred metres
_COLOURS = {"VERDE": "green", "AZUL": "blue"}
_NO_PLACE = "its neighbourhood is none of the places"


def attributes(places: pl.DataFrame, facts: Mapping[str, pl.DataFrame]) -> Attributed:
    """Places, one row a place and vintage: first without capacities, then from each vintage's date to the next.

    Spaces and meters of a neighbourhood that has no place are kept out with that reason, never given to another.
    """
    names = places["place"].to_list()
    sorted_out = [_placed(facts[source], source, names) for source in ("spaces", "meters")]
    (spaces, lost), (meters_in_place, lost_meters) = sorted_out
    vintages = sorted((vintage(file), file) for file in spaces["file"].unique().to_list())
    starts = [start for start, _ in vintages]
    meters = _meters(meters_in_place)
    parts = [places.with_columns(valid_to=_instant(starts[0] if starts else None))]
    for (start, file), end in zip(vintages, [*starts[1:], None][: len(vintages)], strict=True):
        rows = spaces.filter(pl.col("file") == file)
        told = _told(rows, meters)
        texts = [json.dumps(told.get(place, _nothing()), ensure_ascii=False) for place in places["place"]]
        parts.append(
            places.with_columns(
                attributes=pl.Series(texts, dtype=pl.String), valid_from=_instant(start), valid_to=_instant(end)
            )
        )
    kept_out = pl.concat([lost, lost_meters])
    return Attributed(places=pl.concat(parts).select(places.columns), quarantine=kept_out)


def _placed(rows: pl.DataFrame, source: str, names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of known places, and the others as quarantine; of spaces also those without a number."""
    has_place = pl.col("place").is_in(names).fill_null(value=False)
    placeless = quarantined(rows.filter(~has_place), source=source, rule="no-place", reason=_NO_PLACE)
    placed = rows.filter(has_place)
    if source != "spaces":
        return placed, placeless
    empty = placed.filter(pl.col("spaces").is_null())
    uncounted = quarantined(empty, source=source, rule="no-number", reason="it does not say how many spaces")
    return placed.drop_nulls("spaces"), pl.concat([placeless, uncounted])


def vintage(file: str) -> datetime:
    """Instant from which a file's spaces hold, by the year and month in its name; ContractError without one."""
    found = _VINTAGE.search(file)
    if found is None:
        raise ContractError(
            f"spaces: expected the year (and month) of the vintage in the name of its file, found {file!r}; "
            "name it as spaces_2023_08.csv"
        )
    return local_midnight(date(int(found.group(1)), int(found.group(2) or 1), 1), TZ)


def with_measure(spaces: pl.DataFrame) -> pl.DataFrame:
    """Rows of spaces with ``measure``: green or blue, null for any other colour (which counts into paid alone)."""
    colour = pl.col("colour").str.to_uppercase()
    return spaces.with_columns(
        measure=pl.coalesce(
            pl.when(colour.str.contains(word, literal=True)).then(pl.lit(name)) for word, name in _COLOURS.items()
        )
    )


def _told(spaces: pl.DataFrame, meters: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (place,), part in with_measure(spaces).partition_by("place", as_dict=True).items():
        found[str(place)] = {
            "capacity": _by_measure(part),
            "streets": _streets(part),
            "meters": meters.get(str(place), 0),
        }
    return found


def _nothing() -> dict[str, Any]:
    return {"capacity": {"paid": 0, "green": 0, "blue": 0}, "streets": [], "meters": 0}


def _by_measure(rows: pl.DataFrame) -> dict[str, int]:
    by_colour = dict(rows.group_by("measure").agg(pl.col("spaces").sum()).iter_rows())
    return {"paid": int(rows["spaces"].sum()), **{name: int(by_colour.get(name, 0)) for name in _COLOURS.values()}}


def _streets(rows: pl.DataFrame) -> list[list[Any]]:
    """``[name, lat, lon, {measure: spaces}]`` of each hundred metres of a street; only green and blue, counted once."""
    pieces = (
        rows.drop_nulls(["street", "lat", "lon", "measure"])
        .with_columns(
            name=spoken(pl.col("street")), row=pl.col("lat") // _BLOCK_DEG, column=pl.col("lon") // _BLOCK_DEG
        )
        .group_by("name", "row", "column")
        .agg(
            pl.col("lat", "lon").mean().round(5),
            green=pl.col("spaces").filter(pl.col("measure") == "green").sum(),
            blue=pl.col("spaces").filter(pl.col("measure") == "blue").sum(),
        )
        .sort("name", "lat", "lon")
    )
    return [
        [name, lat, lon, {measure: count for measure, count in held.items() if count}]
        for name, lat, lon, held in pieces.select(
            "name", "lat", "lon", pl.struct("green", "blue").alias("held")
        ).iter_rows()
    ]


def _meters(meters: pl.DataFrame) -> dict[str, int]:
    """Meters in use by place, each id once."""
    in_use = meters.drop_nulls("place").filter(pl.col("until").is_null()).unique("meter")
    return dict(in_use.group_by("place").len().iter_rows())


def _instant(at: datetime | None) -> pl.Expr:
    return pl.lit(at, dtype=UTC_US)
