"""What does not move: the place's number, position and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from urbancast.features.panel import Panel

NAMES = ["place_code", "place_lat", "place_lon", "place_area_km2"]


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds."""
    return list(NAMES)


def add(rows: pl.DataFrame, panel: Panel, _params: Mapping[str, Any]) -> pl.DataFrame:
    """Number of the place among the sorted ids (a category), degrees, km²; null where not known."""
    ids = panel.place_ids()
    facts = panel.places.with_columns(pl.col("place").cast(pl.String)).unique("place", keep="last", maintain_order=True)
    given = [name for name in ("lat", "lon", "area_km2") if name in facts.columns]
    table = pl.DataFrame({"place": ids, "place_code": np.arange(len(ids), dtype=np.float32)})
    table = table.join(facts.select("place", *given), on="place", how="left")
    named = {f"place_{name}": pl.col(name) if name in given else pl.lit(None) for name in ("lat", "lon", "area_km2")}
    table = table.select("place", "place_code", **{name: value.cast(pl.Float32) for name, value in named.items()})
    return rows.join(table, on="place", how="left", maintain_order="left")
