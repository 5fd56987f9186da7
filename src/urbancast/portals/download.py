"""Resumable downloads: what has come stays in a .part file and the rest is asked for by Range."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import httpx

from urbancast.core.errors import PortalError
from urbancast.portals.errors import PassingError
from urbancast.portals.session import Session, check_not_html, check_status, host_of

_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A whole file on disk and its declared media type."""

    path: Path
    media: str


def download(url: str, *, session: Session, folder: Path) -> Downloaded:
    """Fetch ``url`` into ``folder``, going on where an earlier attempt, or an earlier run, stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = hashlib.sha256(url.encode()).hexdigest()[:32]
    part, tag, whole = folder / f"{stem}.part", folder / f"{stem}.etag", folder / stem
    for attempt in session.retrying():
        with attempt:
            declared = _go_on(url, session=session, part=part, tag=tag)
            with part.open("rb") as start:
                head = start.read(512)
            if declared.startswith("text/html"):
                part.unlink()
            check_not_html(head, declared, url=url)
    part.replace(whole)
    tag.unlink(missing_ok=True)
    return Downloaded(path=whole, media=declared)


def _go_on(url: str, *, session: Session, part: Path, tag: Path) -> str:
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    with session.stream(url, headers) as response:
        if response.status_code == _RANGE_NOT_SATISFIABLE:
            part.unlink()
            raise PassingError(f"portal: expected the rest of a file from {host_of(url)}, found none; starting again")
        check_status(response)
        resumed = response.status_code == _PARTIAL
        etag = response.headers.get("etag", "")
        if etag and not etag.startswith("W/"):
            tag.write_text(etag)
        else:
            tag.unlink(missing_ok=True)
        _write(response, part, start=have if resumed else 0, limit=session.policy.size_limit)
        return str(response.headers.get("content-type", ""))


def _write(response: httpx.Response, part: Path, *, start: int, limit: int) -> None:
    size = start
    with part.open("ab" if start else "wb") as file:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > limit:
                raise PortalError(f"portal: expected at most {limit} bytes from {response.url.host}, found more")
            file.write(chunk)
