"""Rows of a CSV in a product's folder, typed, with the columns that must be there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from urbancast.core.errors import ContractError


def read(path: Path, schema: Mapping[str, type[pl.DataType]], *, optional: tuple[str, ...] = ()) -> pl.DataFrame:
    """Rows with the schema's columns first and typed, ``optional`` ones null where absent, any others after them."""
    rows = pl.read_csv(path, schema_overrides=dict(schema))
    missing = [name for name in schema if name not in rows.columns and name not in optional]
    if missing:
        expected, found = ", ".join(schema), ", ".join(rows.columns)
        raise ContractError(f"{path.name}: expected columns {expected}, found {found}; add {', '.join(missing)}")
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in rows.columns]
    return rows.with_columns(absent).select(*schema, pl.exclude(*schema))
