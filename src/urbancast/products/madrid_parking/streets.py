"""Streets as the spaces name them, and metres of the city's grid as degrees."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from pyproj import Transformer

GRID = "EPSG:25830"  # ETRS89, UTM zone 30 north


def to_degrees(x: pl.Series, y: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Latitude and longitude of metres east and north; null where either is missing."""
    east, north = (each.cast(pl.Float64).fill_null(float("nan")).to_numpy() for each in (x, y))
    lon, lat = _to_degrees().transform(east, north)
    is_known = np.isfinite(lon) & np.isfinite(lat)
    return tuple(  # type: ignore[return-value]
        pl.Series(np.where(is_known, values, np.nan)).fill_nan(None).round(6) for values in (lat, lon)
    )


def spoken(name: pl.Expr) -> pl.Expr:
    """Street as people say it: ``AGUAS, CALLE, DE LAS`` is ``Calle de las Aguas``."""
    parts = [name.str.split(",").list.get(i, null_on_oob=True).str.strip_chars() for i in range(3)]
    proper, kind, particle = parts[0].str.to_titlecase(), parts[1].str.to_titlecase(), parts[2].str.to_lowercase()
    said = pl.concat_str(kind, particle, proper, separator=" ", ignore_nulls=True)
    return pl.when(parts[1].is_null()).then(proper).otherwise(said).str.replace_all(r"\s+", " ")


@cache
def _to_degrees() -> Transformer:
    return Transformer.from_crs(GRID, "EPSG:4326", always_xy=True)
