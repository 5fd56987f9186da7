"""Facts of releases; their bytes lie under ``releases/`` in the lake's files."""

from __future__ import annotations

import polars as pl

from urbancast.core.errors import NotReadyError
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake


def add(lake: Lake, frame: pl.DataFrame) -> int:
    """Add releases (contract columns) not known yet; number of rows written."""
    return add_once(lake, "releases", frame)


def read(lake: Lake, product: str, *, measure: str | None = None) -> pl.DataFrame:
    """Releases of a product, oldest first."""
    rows = lake.scan("releases", product=product)
    if measure is not None:
        rows = rows.filter(pl.col("measure") == measure)
    return rows.sort("measure", "number", "created_at", "release").collect()


def get(lake: Lake, product: str, *, measure: str, release: str) -> dict[str, object]:
    """The row of one release; NotReadyError where there is none."""
    rows = read(lake, product, measure=measure).filter(pl.col("release") == release)
    if rows.is_empty():
        raise NotReadyError(
            f"releases.release: expected {release!r} of {product}/{measure}, found none in {lake.url}; train it first"
        )
    return rows.row(0, named=True)


def next_number(lake: Lake, product: str, measure: str) -> int:
    """Number the next release of a measure takes; 0 is the baseline's."""
    highest = read(lake, product, measure=measure)["number"].max()
    return 0 if highest is None else int(str(highest)) + 1
