"""Serving: what the API follows; the newest row of a product is in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from urbancast.core.product import Provenance
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake


def move(  # noqa: PLR0913 - one argument a column
    lake: Lake,
    *,
    product: str,
    origin: datetime | None,
    releases: Mapping[str, str],
    versions: Mapping[str, int | str],
    provenance: Provenance,
    data_to: datetime | None,
    moved_at: datetime,
    run: str,
) -> int:
    """Put a row in force: releases by measure, versions by table (of `network` the file's name).

    Returns 0 where this move is already written.
    """
    row = {
        "product": product,
        "origin": origin,
        "releases": json.dumps(dict(releases), sort_keys=True),
        "versions": json.dumps(dict(versions), sort_keys=True),
        "provenance": provenance,
        "data_to": data_to,
        "moved_at": moved_at,
        "run": run,
    }
    return add_once(lake, "serving", pl.DataFrame([row]))


def current(lake: Lake) -> dict[str, dict[str, Any]]:
    """The row in force by product, ``releases`` and ``versions`` as mappings. Ask ``lake.version`` first."""
    rows = lake.scan("serving").sort("moved_at").unique("product", keep="last", maintain_order=True).collect()
    return {row["product"]: _parsed(row) for row in rows.sort("product").iter_rows(named=True)}


def history(lake: Lake, product: str) -> pl.DataFrame:
    """All moves of a product, oldest first."""
    return lake.scan("serving", product=product).sort("moved_at").collect()


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "releases": json.loads(row["releases"]), "versions": json.loads(row["versions"])}
