"""Socrata (SODA 2.1): ``resource/<dataset>``, paged in a stable order and checked against ``count(*)``.

``source.query``: ``time_field`` and ``tz`` (floating timestamps are local), ``select``, ``where``, ``order``,
``limit`` (rows a page), ``format`` (``json`` or ``csv``). The system field ``:id`` is always asked for: it ends
the order and proves that no row came twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import orjson
import polars as pl

from urbancast.core.errors import PortalError
from urbancast.core.product import Source, Window
from urbancast.portals import media, read, verify
from urbancast.portals.errors import LyingError
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session
from urbancast.settings import settings

PAGE_ROWS = 50_000
ROW_ID = ":id"


def fetch(
    source: Source,
    window: Window | None,
    *,
    session: Session,
    now: datetime,
    url: str | None = None,
) -> Iterator[Fetched]:
    """Yield the pages of ``window``, widened to whole local days, once they add up; at least one a chunk."""
    base = f"{(url or source.url).rstrip('/')}/resource/{source.dataset}"
    tz = str(source.query.get("tz", "UTC"))

    def pull(piece: Window | None) -> list[Fetched]:
        return _pull(source, piece, session=session, now=now, base=base)

    return verify.each_piece(source, window if "time_field" in source.query else None, pull, tz)


def modified(source: Source, *, session: Session, now: datetime, url: str | None = None) -> datetime | None:
    """When rows were last added or changed: ``rowsUpdatedAt`` of the view's metadata, in seconds since 1970."""
    answer = session.get(f"{(url or source.url).rstrip('/')}/api/views/{source.dataset}.json", headers=_token())
    try:
        return datetime.fromtimestamp(int(orjson.loads(answer.payload)["rowsUpdatedAt"]), UTC)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise LyingError(
            f"{source.name}: expected rowsUpdatedAt, found {answer.payload[:200]!r}; check the dataset id",
        ) from error


def _pull(source: Source, window: Window | None, *, session: Session, now: datetime, base: str) -> list[Fetched]:
    where = _where(source, window)
    limit = int(source.query.get("limit", PAGE_ROWS))
    before = _count(source, where, session=session, base=base)
    pages: list[Fetched] = []
    ids: list[pl.Series] = []
    for offset in range(0, max(before, 1), limit):
        query = _query(source, where, limit=limit, offset=offset)
        answer = session.get(f"{base}.{_format(source)}", params=query, headers=_token())
        kind = media.CSV if _format(source) == "csv" else media.JSON
        page = read.frame(answer.payload, kind)
        ids.append(_ids(source, page))
        pages.append(
            Fetched(
                url=f"{base}.{_format(source)}",
                query=query,
                payload=answer.payload,
                media=kind,
                fetched_at=now,
                rows_claimed=min(limit, before - offset),
                rows_received=page.height,
                window=window,
            ),
        )
    after = _count(source, where, session=session, base=base)
    verify.check_unique(source, ids)
    verify.check_count(source, before=before, after=after, received=sum(page.rows_received for page in pages))
    return pages


def _where(source: Source, window: Window | None) -> str:
    clauses = [f"({source.query['where']})"] if source.query.get("where") else []
    if window is not None and source.query.get("time_field"):
        field = source.query["time_field"]
        first, end = verify.whole_local_days(window, verify.text_setting(source, "tz"))
        clauses += [f"{field} >= '{first.isoformat()}.000'", f"{field} < '{end.isoformat()}.000'"]
    return " AND ".join(clauses)


def _query(source: Source, where: str, *, limit: int, offset: int) -> dict[str, str]:
    order = str(source.query.get("order") or ROW_ID)
    ordered = order if ROW_ID in order else f"{order},{ROW_ID}"
    query = {"$select": f"{ROW_ID},{source.query.get('select') or '*'}", "$order": ordered}
    if where:
        query["$where"] = where
    return {**query, "$limit": str(limit), "$offset": str(offset)}


def _count(source: Source, where: str, *, session: Session, base: str) -> int:
    query = {"$select": "count(*) AS count", **({"$where": where} if where else {})}
    answer = session.get(f"{base}.json", params=query, headers=_token())
    counted = read.frame(answer.payload, media.JSON)
    if counted.height != 1 or "count" not in counted.columns:
        raise PortalError(f"{source.name}: expected one count, found {answer.payload[:200]!r}; check the dataset id")
    try:
        return int(counted["count"][0])
    except (TypeError, ValueError) as error:
        raise PortalError(f"{source.name}: expected a number as count, found {counted['count'][0]!r}") from error


def _ids(source: Source, page: pl.DataFrame) -> pl.Series:
    if page.height == 0:
        return pl.Series(ROW_ID, [], dtype=pl.String)
    if ROW_ID not in page.columns or page[ROW_ID].null_count():
        raise LyingError(f"{source.name}: expected {ROW_ID} in every row, found rows without; ask again")
    return page[ROW_ID].cast(pl.String)


def _format(source: Source) -> str:
    return str(source.query.get("format", "json"))


def _token() -> Mapping[str, str]:
    token = settings().socrata_token
    return {"X-App-Token": token} if token else {}
