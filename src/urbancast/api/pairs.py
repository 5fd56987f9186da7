"""What a product of pairs forecasts for: pairs of zones, and the distance bands that speak for all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from urbancast.api.atlas import DECIMALS, Atlas
from urbancast.core.place import ends_of, pair_id
from urbancast.core.product import Pairs, Product
from urbancast.geo import bands
from urbancast.lake.store import Lake

Rows = np.ndarray[Any, np.dtype[np.int32]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
ARROW = "\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW} "
NOT_KNOWN = "?"
LEAST_ROWS = 30  # raw rows from which a pair's own share of refused ones is told


@dataclass(frozen=True, kw_only=True, eq=False)
class Book:
    """Rows of a product's grids: ``ids`` (pairs and bands) in order; reads like an atlas of them.

    ``row``: from × to → row of the grid, -1 without a forecast; ``band``: the same of the pair's band;
    ``distance_km``: NaN where an end is not known. The last of either axis is an unknown end; ``zones``: id to axis.
    ``refused``: share of raw rows kept out, by pair, of all under ``""``; ``busiest``: zone most trips leave from;
    ``hubs``: names of the zones whose trips are a class of their own.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    row: Rows
    band: Rows
    distance_km: Floats
    refused: Mapping[str, float]
    busiest: int
    rows: Mapping[str, int]
    zones: Mapping[str, int]
    hubs: tuple[str, ...]
    lat: Mapping[int, float]
    lon: Mapping[int, float]
    closed_from: Mapping[int, int] = field(default_factory=dict)

    def describe(self, row: int) -> dict[str, Any]:
        """Return the place of an answer: a pair lies where it begins, a band nowhere."""
        return {
            "id": self.ids[row],
            "name": self.names[row],
            "part_of": None,
            "lat": self.lat.get(row),
            "lon": self.lon.get(row),
        }

    def find(self, place: str) -> int | None:
        """Row that speaks for a pair or a band by its id; None where an end is no zone, or nothing was forecast."""
        if place in self.rows or ">" not in place:
            return self.rows.get(place)
        start, end = (self.zones.get(zone) for zone in ends_of(place))
        row = -1 if start is None or end is None else self.between(start, end)[0]
        return row if row >= 0 else None

    def between(self, start: int, end: int) -> tuple[int, bool]:
        """Row of the grid for two zones, and whether it is their own; -1 where neither they nor their band has one."""
        own = int(self.row[start, end])
        return (own, True) if own >= 0 else (int(self.band[start, end]), False)


def make(lake: Lake, product: Product, places: pl.Series, atlas: Atlas) -> Book:
    """Book of the places forecast from the served origin."""
    if product.pairs is None:
        raise TypeError(f"{product.id}: expected a product of pairs")
    ids = tuple(places.unique().sort())
    rows = {place: row for row, place in enumerate(ids)}
    zones = [*atlas.ids, ""]
    every = [pair_id(start, end) for start in zones for end in zones]
    facts = bands.facts(every, _zones(atlas), product.pairs)
    shape = (len(zones), len(zones))

    def found(column: str) -> Rows:
        return facts[column].replace_strict(rows, default=-1, return_dtype=pl.Int32).to_numpy().reshape(shape)

    names = dict(zip(atlas.ids, atlas.names, strict=True)) | {"": NOT_KNOWN}
    starts = {row: atlas.rows[start] for place, row in rows.items() if (start := ends_of(place)[0]) in atlas.rows}
    counts = _counts(lake, product.id)
    return Book(
        ids=ids,
        names=tuple(_name(place, names, product.pairs) for place in ids),
        row=found("place"),
        band=found("band"),
        distance_km=facts["distance_km"].cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(shape),
        refused=_refused(counts),
        busiest=_busiest(counts, atlas),
        rows=rows,
        zones={zone: position for position, zone in enumerate(zones)},
        hubs=tuple(names.get(hub, hub) for hub in product.pairs.hubs),
        lat={row: round(float(atlas.lat[zone]), DECIMALS) for row, zone in starts.items()},
        lon={row: round(float(atlas.lon[zone]), DECIMALS) for row, zone in starts.items()},
    )


def span_of(band: str) -> dict[str, Any]:
    """Class and limits of a band by its id, as an answer tells them; the last band has no upper limit."""
    _, kind, limits = band.split(":")
    low, _, high = limits.partition("-")
    return {"kind": kind, "low_km": float(low), "high_km": float(high) if high else None}


def _zones(atlas: Atlas) -> pl.DataFrame:
    schema = {"place": pl.String, "lat": pl.Float64, "lon": pl.Float64, "area_km2": pl.Float64}
    return pl.DataFrame({"place": atlas.ids, "lat": atlas.lat, "lon": atlas.lon, "area_km2": atlas.area_km2}, schema)


def _name(place: str, names: Mapping[str, str], pairs: Pairs) -> str:
    if not place.startswith("band:"):
        start, end = ends_of(place)
        return f"{names.get(start, start)}{ARROW}{names.get(end, end)}"
    span = span_of(place)
    if span["kind"] == "unknown":
        return f"{NOT_KNOWN}{ARROW}{NOT_KNOWN}"
    high = "" if span["high_km"] is None else f"{span['high_km']:g}"
    hubs = f" ({', '.join(names.get(hub, hub) for hub in pairs.hubs)})" if span["kind"] == "hub" else ""
    return f"{span['low_km']:g}\N{EN DASH}{high} km{hubs}"


def _counts(lake: Lake, product: str) -> pl.DataFrame:
    """Trips used and raw rows kept out, by pair: place, used, refused. Their rows name the ends ``from`` and ``to``."""
    used = lake.scan("observations", product=product).group_by("place").agg(used=pl.struct("time", "draw").n_unique())
    ends = [pl.col("row").str.json_path_match(f"$.{end}") for end in ("from", "to")]
    pair = pl.concat_str(ends, separator=">", ignore_nulls=False)
    refused = lake.scan("quarantine", product=product).group_by(place=pair).agg(refused=pl.len())
    both, out = pl.collect_all([used, refused])
    joined = both.join(out.drop_nulls("place"), on="place", how="full", coalesce=True)
    return joined.with_columns(pl.col("used", "refused").fill_null(0).cast(pl.Int64))


def _refused(counts: pl.DataFrame) -> dict[str, float]:
    total = counts.select(pl.lit("").alias("place"), pl.col("used", "refused").sum())[:1]
    rows = pl.concat([total, counts.filter(pl.col("used") + pl.col("refused") >= LEAST_ROWS)])
    shares = rows.with_columns(share=(pl.col("refused") / (pl.col("used") + pl.col("refused")).clip(1)).round(4))
    return dict(shares.select("place", "share").iter_rows())


def _busiest(counts: pl.DataFrame, atlas: Atlas) -> int:
    start = pl.col("place").str.split(">").list.first()
    trips = counts.group_by(start=start).agg(pl.col("used").sum()).filter(pl.col("start").is_in(list(atlas.rows)))
    first = trips.sort(["used", "start"], descending=[True, False])["start"]
    return atlas.rows[first[0]] if len(first) else 0
