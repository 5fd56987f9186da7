"""Lineage: from a served release down to the raw bytes it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from urbancast.core.time import iso
from urbancast.lake import raw, releases
from urbancast.lake.kept import Look

MOST_PAGES = 500


def facts(release: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a release's row, as a mapping."""
    found: dict[str, Any] = json.loads(release["facts"])
    return found


def of(look: Look, release: Mapping[str, Any]) -> dict[str, Any]:
    """Code, recipe, window, inputs and raw pages of a release (a row of ``releases``)."""
    known = facts(release)
    window = known.get("window") or {}
    return {
        "release": release["release"],
        "path": release["path"],
        "code": known.get("code"),
        "libraries": known.get("libraries"),
        "recipe": known.get("recipe"),
        "seed": known.get("seed"),
        "window": {edge: _told(window.get(edge)) for edge in ("start", "end")},
        "inputs": known.get("inputs") or {},
        "checksums": known.get("checksums") or {},
        "run": release["run"],
        "raw": summary(pages(look, release)),
    }


def summary(found: pl.DataFrame) -> dict[str, Any]:
    """How many pages, rows and bytes, the newest page's hash, and when it was fetched."""
    newest = found.tail(1).to_dicts()
    return {
        "pages": found.height,
        "rows": int(found["rows_received"].sum()),
        "bytes": int(found["bytes"].sum()),
        "newest": newest[0]["sha256"] if newest else None,
        "fetched_at": iso(newest[0]["fetched_at"]) if newest else None,
    }


def pages(look: Look, release: Mapping[str, Any]) -> pl.DataFrame:
    """Manifest rows, with ``bytes``, of the pages a release could have been made of, in fetch order.

    Those fetched when it was frozen, of times before its cut; of a release made as of a past moment from files or
    a portal asked later, those of times before its cut.
    """
    known = manifest(look, release["product"])
    of_time = known.filter(pl.col("window_start").is_null() | (pl.col("window_start") < release["trained_until"]))
    then = of_time.filter(pl.col("fetched_at") <= release["created_at"])
    return of_time if then.is_empty() else then


def manifest(look: Look, product: str) -> pl.DataFrame:
    """All manifest rows of a product with ``bytes``, in fetch order."""

    def build() -> pl.DataFrame:
        rows = raw.manifest(look.lake, product)
        sizes = look.lake.files.sizes(f"raw/{product}") if rows.height else {}
        return rows.with_columns(bytes=pl.Series([sizes.get(path) for path in rows["path"]], dtype=pl.Int64))

    return look.get(f"raw:{product}", ("raw",), build)


def find(look: Look, product: str, release: str) -> dict[str, Any] | None:
    """The row of a release by its name; None where there is none."""
    rows = known(look, product).filter(pl.col("release") == release)
    return rows.row(-1, named=True) if rows.height else None


def known(look: Look, product: str) -> pl.DataFrame:
    """All releases of a product, oldest first."""
    return look.get(f"releases:{product}", ("releases",), lambda: releases.read(look.lake, product))


def listed(look: Look, product: str, release: str | None, *, limit: int = MOST_PAGES) -> dict[str, Any]:
    """Pages of a release, or of a product, the newest first: their sum, and the newest ``limit`` one by one."""
    row = find(look, product, release) if release else None
    found = pages(look, row) if row else manifest(look, product)
    newest = found.reverse().head(limit)
    return {**summary(found), "listed": [_page(each) for each in newest.iter_rows(named=True)]}


def _page(row: Mapping[str, Any]) -> dict[str, Any]:
    query = json.loads(row["query"])
    return {
        **{name: row[name] for name in ("source", "layout", "url", "path", "sha256", "licence", "provenance", "run")},
        "media": query.pop(raw.MEDIA, None),
        "query": query,
        "window": {"start": _iso(row["window_start"]), "end": _iso(row["window_end"])},
        "fetched_at": iso(row["fetched_at"]),
        "rows": row["rows_received"],
        "rows_claimed": row["rows_claimed"],
        "bytes": row["bytes"],
    }


def _told(instant: str | None) -> str | None:
    """An instant of a release's facts, as written everywhere else."""
    return None if instant is None else iso(datetime.fromisoformat(instant))


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)
