"""Opendatasoft Explore v2.1: one export a window, checked against ``total_count``.

``source.query``: ``format`` (``parquet``, ``json`` or ``csv``), ``time_field``, ``select``, ``where``,
``order_by``, ``limit``, and for CSV ``use_labels`` (header in the portal's own words).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson

from urbancast.core.errors import ContractError
from urbancast.core.product import Source, Window
from urbancast.core.time import as_utc
from urbancast.portals import media, read, verify
from urbancast.portals.errors import LyingError
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session

_MEDIA = {"json": media.JSON, "csv": media.CSV, "parquet": media.PARQUET}


def fetch(
    source: Source,
    window: Window | None,
    *,
    session: Session,
    now: datetime,
    url: str | None = None,
) -> Iterator[Fetched]:
    """Yield one export a chunk of ``window``, once its rows add up."""
    base = f"{(url or source.url).rstrip('/')}/api/explore/v2.1/catalog/datasets/{source.dataset}"

    def pull(piece: Window | None) -> list[Fetched]:
        return [_pull(source, piece, session=session, now=now, base=base)]

    return verify.each_piece(source, window if "time_field" in source.query else None, pull)


def modified(source: Source, *, session: Session, now: datetime, url: str | None = None) -> datetime | None:
    """When the records were last processed: ``data_processed`` of the dataset's metadata."""
    base = f"{(url or source.url).rstrip('/')}/api/explore/v2.1/catalog/datasets/{source.dataset}"
    answer = session.get(base)
    try:
        return as_utc(datetime.fromisoformat(orjson.loads(answer.payload)["metas"]["default"]["data_processed"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, ContractError) as error:
        found = answer.payload[:200]
        raise LyingError(
            f"{source.name}: expected metas.default.data_processed, found {found!r}; check the dataset id",
        ) from error


def _pull(source: Source, window: Window | None, *, session: Session, now: datetime, base: str) -> Fetched:
    where = _where(source, window)
    form = verify.text_setting(source, "format", "json")
    if form not in _MEDIA:
        raise ContractError(f"{source.name}: expected a format of {', '.join(_MEDIA)}, found {form!r}; name another")
    query = _query(source, where, form)
    before = _count(source, where, session=session, base=base)
    answer = session.get(f"{base}/exports/{form}", params=query)
    after = _count(source, where, session=session, base=base)
    received = read.rows(answer.payload, _MEDIA[form])
    limit = int(source.query.get("limit", -1))
    owed = [min(n, limit) if limit >= 0 else n for n in (before, after)]
    verify.check_count(source, before=owed[0], after=owed[1], received=received)
    return Fetched(
        url=f"{base}/exports/{form}",
        query=query,
        payload=answer.payload,
        media=_MEDIA[form],
        fetched_at=now,
        rows_claimed=owed[1],
        rows_received=received,
        window=window,
    )


def _where(source: Source, window: Window | None) -> str:
    clauses = [f"({source.query['where']})"] if source.query.get("where") else []
    if window is not None and source.query.get("time_field"):
        field = source.query["time_field"]
        first, end = (as_utc(t).strftime("%Y-%m-%dT%H:%M:%SZ") for t in (window.start, window.end))
        clauses += [f"{field} >= date'{first}'", f"{field} < date'{end}'"]
    return " AND ".join(clauses)


def _query(source: Source, where: str, form: str) -> dict[str, str]:
    query = {"timezone": "UTC"} | ({"where": where} if where else {})
    query |= {name: str(source.query[name]) for name in ("select", "order_by", "limit") if source.query.get(name)}
    if form == "csv":
        labels = "true" if source.query.get("use_labels", True) else "false"
        query |= {"use_labels": labels, "delimiter": str(source.query.get("delimiter", ";"))}
    return query


def _count(source: Source, where: str, *, session: Session, base: str) -> int:
    query = {"limit": "0"} | ({"where": where} if where else {})
    answer = session.get(f"{base}/records", params=query)
    try:
        return int(orjson.loads(answer.payload)["total_count"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise LyingError(
            f"{source.name}: expected total_count, found {answer.payload[:200]!r}; check the dataset id",
        ) from error
