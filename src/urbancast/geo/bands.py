"""Facts of ordered pairs of zones: distance, direction, class, and the band that speaks for rare ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from urbancast.core.place import band_id, ends_of
from urbancast.core.product import Pairs
from urbancast.geo.metric import distance_m

SAME_ZONE = 0.5  # of the root of a zone's area: about how far apart two points of it are
UNKNOWN = band_id("unknown", 0.0, None)


def is_band(place: pl.Expr) -> pl.Expr:
    """Whether a place is a distance band."""
    return place.str.starts_with("band:")


def every(pairs: Pairs) -> list[str]:
    """Ids of all bands: each class and distance, and the one of pairs with an unknown end; sorted."""
    kinds = ("city", "hub") if pairs.hubs else ("city",)
    return sorted([band_id(kind, *span) for kind in kinds for span in spans(pairs)] + [UNKNOWN])


def spans(pairs: Pairs) -> list[tuple[float, float | None]]:
    """Low and high kilometres of each band, the last open."""
    return [*pairwise((0.0, *pairs.bands_km)), (pairs.bands_km[-1], None)]


def facts(ids: Sequence[str], places: pl.DataFrame, pairs: Pairs) -> pl.DataFrame:
    """One row a pair, in order: place, from, to (index of the zone, -1 unknown), distance_km, bearing, is_hub, band.

    ``places``: zones with lat, lon, area_km2. Distances are between centroids; null where an end is not known.
    """
    zones = zone_table(places)
    ends = pl.DataFrame({"place": list(ids)}, schema={"place": pl.String}).with_columns(_ends())
    for end in ("from", "to"):
        named = zones.rename({"zone": f"_{end}"} | {name: f"{end}_{name}" for name in ("code", "lat", "lon", "area")})
        ends = ends.join(named, on=f"_{end}", how="left", maintain_order="left")
    ends = ends.with_columns(
        pl.col("from_code", "to_code").fill_null(-1),
        is_hub=pl.col("_from").is_in(list(pairs.hubs)) | pl.col("_to").is_in(list(pairs.hubs)),
        distance_km=_distance_km(ends),
        bearing=_bearing(ends),
    )
    return ends.with_columns(band=_band(pairs)).select(
        "place",
        "from_code",
        "to_code",
        "from_lat",
        "from_lon",
        "to_lat",
        "to_lon",
        "distance_km",
        "bearing",
        "is_hub",
        "band",
    )


def zone_table(places: pl.DataFrame) -> pl.DataFrame:
    """Zones in order of id: zone, code, lat, lon, area (km², null where not known), the newest vintage of each."""
    zones = places.filter(pl.col("kind").cast(pl.String) == "zone") if "kind" in places.columns else places
    zones = zones.unique("place", keep="last", maintain_order=True).sort("place")
    area = pl.col("area_km2") if "area_km2" in zones.columns else pl.lit(None)
    return zones.select(
        pl.col("place").cast(pl.String).alias("zone"),
        pl.int_range(pl.len()).cast(pl.Int64).alias("code"),
        "lat",
        "lon",
        area.cast(pl.Float64).alias("area"),
    )


def band_of(origin: str, destination: str, places: pl.DataFrame, pairs: Pairs) -> str:
    """Band of one pair of zones; an end that is no zone, or the empty text, is not known."""
    return str(facts([f"{origin}>{destination}"], places, pairs)["band"][0])


def _ends() -> list[pl.Expr]:
    named = pl.col("place").map_elements(lambda pair: list(ends_of(pair)), return_dtype=pl.List(pl.String))
    return [named.list.get(0).alias("_from"), named.list.get(1).alias("_to")]


def _distance_km(ends: pl.DataFrame) -> pl.Series:
    lon, lat, to_lon, to_lat = (ends[name].to_numpy() for name in ("from_lon", "from_lat", "to_lon", "to_lat"))
    apart = distance_m(lon, lat, to_lon=to_lon, to_lat=to_lat) / 1000
    within = SAME_ZONE * np.sqrt(ends["from_area"].fill_null(1.0).to_numpy())
    is_same = (ends["_from"] == ends["_to"]).to_numpy()
    return pl.Series(np.where(is_same & np.isfinite(apart), within, apart)).fill_nan(None)


def _bearing(ends: pl.DataFrame) -> pl.Series:
    """Direction of travel in radians, 0 north, clockwise; 0 within a zone."""
    lon, lat, to_lon, to_lat = (np.radians(ends[n].to_numpy()) for n in ("from_lon", "from_lat", "to_lon", "to_lat"))
    east = np.sin(to_lon - lon) * np.cos(to_lat)
    north = np.cos(lat) * np.sin(to_lat) - np.sin(lat) * np.cos(to_lat) * np.cos(to_lon - lon)
    return pl.Series(np.arctan2(east, north)).fill_nan(None)


def _band(pairs: Pairs) -> pl.Expr:
    table = spans(pairs)
    index = pl.sum_horizontal((pl.col("distance_km") >= low).cast(pl.Int32) for low, _ in table) - 1
    names = {kind: {i: band_id(kind, *span) for i, span in enumerate(table)} for kind in ("city", "hub")}
    hub = index.replace_strict(names["hub"], return_dtype=pl.String, default=None)
    city = index.replace_strict(names["city"], return_dtype=pl.String, default=None)
    return (
        pl.when(pl.col("distance_km").is_null())
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.when("is_hub").then(hub).otherwise(city))
    )
