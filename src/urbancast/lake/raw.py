"""Bytes exactly as sent, with a manifest row each; the row is written after the bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from urbancast.core.product import Window
from urbancast.lake import provenance as provenances
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

MEDIA = "_media"  # key of the manifest's query JSON that holds the media type
_EXTENSIONS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/geo+json": "geojson",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/parquet": "parquet",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/vnd.openstreetmap.data+xml": "osm",
    "application/vnd.openstreetmap.data+pbf": "osm.pbf",
}


class Page(Protocol):
    """What a portal hands over; `portals.fetched.Fetched` has this shape."""

    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def query(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def payload(self) -> bytes: ...  # noqa: D102
    @property
    def media(self) -> str: ...  # noqa: D102
    @property
    def fetched_at(self) -> datetime: ...  # noqa: D102
    @property
    def rows_claimed(self) -> int | None: ...  # noqa: D102
    @property
    def rows_received(self) -> int: ...  # noqa: D102
    @property
    def window(self) -> Window | None: ...  # noqa: D102


@dataclass(frozen=True)
class RawPage:
    """One page as kept: its manifest row (``query`` is JSON, ``media`` beside) and its bytes. Reads like a `Page`."""

    manifest: dict[str, Any]
    payload: bytes

    @property
    def url(self) -> str:
        """Address it was fetched from."""
        return str(self.manifest["url"])

    @property
    def query(self) -> dict[str, Any]:
        """Query it answers."""
        return dict(json.loads(self.manifest["query"]))

    @property
    def media(self) -> str:
        """Media type as sent."""
        return str(self.manifest["media"])

    @property
    def fetched_at(self) -> datetime:
        """Instant of the fetch, UTC."""
        instant: datetime = self.manifest["fetched_at"]
        return instant

    @property
    def rows_claimed(self) -> int | None:
        """Rows the portal said there are; None where it says nothing."""
        return None if self.manifest["rows_claimed"] is None else int(self.manifest["rows_claimed"])

    @property
    def rows_received(self) -> int:
        """Rows in the payload."""
        return int(self.manifest["rows_received"])

    @property
    def window(self) -> Window | None:
        """Window asked for; None for a source without time."""
        start, end = self.manifest["window_start"], self.manifest["window_end"]
        return None if start is None or end is None else Window(start=start, end=end)


def keep(  # noqa: PLR0913 - one argument a column
    lake: Lake,
    fetched: Page,
    *,
    product: str,
    source: str,
    layout: str,
    provenance: provenances.Provenance,
    licence: str,
    run: str,
) -> bool:
    """Keep a page; False where the newest page kept for this query has the same bytes."""
    provenances.require(lake, product, provenance)
    sha256, query = _identity(fetched)
    path = f"raw/{product}/{source}/{sha256}.{extension(fetched.media)}"
    if not lake.files.exists(path):
        lake.files.put(path, fetched.payload)
    row = {
        "product": product,
        "source": source,
        "sha256": sha256,
        "query": query,
        "layout": layout,
        "url": fetched.url,
        "path": path,
        "provenance": provenance,
        "window_start": fetched.window.start if fetched.window else None,
        "window_end": fetched.window.end if fetched.window else None,
        "fetched_at": fetched.fetched_at,
        "rows_claimed": fetched.rows_claimed,
        "rows_received": fetched.rows_received,
        "licence": licence,
        "run": run,
    }

    def unless_known(before: Snapshot) -> pl.DataFrame:
        is_known = _newest(before.scan(product=product), source, query) == sha256
        return pl.DataFrame() if is_known else pl.DataFrame([row], infer_schema_length=None)

    return lake.derive("raw", product, unless_known) == 1


def knows(lake: Lake, fetched: Page, *, product: str, source: str) -> bool:
    """Whether the newest page kept for this query has the same bytes."""
    sha256, query = _identity(fetched)
    return _newest(lake.scan("raw", product=product), source, query) == sha256


def _identity(fetched: Page) -> tuple[str, str]:
    """Hash of the bytes and the query as the manifest writes it."""
    query = json.dumps({**fetched.query, MEDIA: fetched.media}, sort_keys=True, default=str)
    return hashlib.sha256(fetched.payload).hexdigest(), query


def _newest(rows: pl.LazyFrame, source: str, query: str) -> str | None:
    """Hash of the newest page of a query."""
    same_query = (pl.col("source") == source) & (pl.col("query") == query)
    newest = rows.filter(same_query).select("sha256", "fetched_at").sort("fetched_at").tail(1).collect()
    return newest["sha256"][0] if newest.height else None


def manifest(lake: Lake, product: str, source: str | None = None) -> pl.DataFrame:
    """Manifest rows in fetch order."""
    rows = lake.scan("raw", product=product)
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    return rows.sort("fetched_at", "window_start", "query", "sha256", nulls_last=False).collect()


def read(
    lake: Lake, product: str, source: str, *, since: datetime | None = None, until: datetime | None = None
) -> list[RawPage]:
    """Pages in fetch order whose window meets [since, until); pages without a window are always among them."""
    return [page(lake, row) for row in listed(lake, product, source, since=since, until=until).iter_rows(named=True)]


def listed(
    lake: Lake, product: str, source: str, *, since: datetime | None = None, until: datetime | None = None
) -> pl.DataFrame:
    """Manifest rows of the pages that `read` returns: for one page after the other, where all are too many."""
    rows = manifest(lake, product, source)
    if since is not None:
        rows = rows.filter(pl.col("window_end").is_null() | (pl.col("window_end") > since))
    if until is not None:
        rows = rows.filter(pl.col("window_start").is_null() | (pl.col("window_start") < until))
    return rows


def first_contact(lake: Lake, product: str) -> datetime | None:
    """Instant of the product's first fetch; None before it."""
    oldest = lake.scan("raw", product=product).select(pl.col("fetched_at").min()).collect().item()
    return oldest if isinstance(oldest, datetime) else None


def extension(media: str) -> str:
    """File extension of a media type, ``bin`` where it has none here."""
    return _EXTENSIONS.get(media.partition(";")[0].strip().lower(), "bin")


def page(lake: Lake, row: dict[str, Any]) -> RawPage:
    """Page of a manifest row, with its bytes."""
    query = json.loads(row["query"])
    media = query.pop(MEDIA, "application/octet-stream")
    return RawPage(
        manifest={**row, "query": json.dumps(query, sort_keys=True), "media": media},
        payload=lake.files.get(row["path"]),
    )
