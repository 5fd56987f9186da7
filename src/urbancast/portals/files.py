"""Files by path or URL: CSV, parquet, JSON, GeoJSON, Shapefile (``.shp`` or zip); bytes are kept as they are.

A folder stands for all files in it of known kinds, by name. ``source.url`` or ``url`` says where.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from urbancast.core.errors import PortalError
from urbancast.core.product import Source, Window
from urbancast.portals import media, read
from urbancast.portals.download import download
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session

_BESIDE_SHP = (".shp", ".dbf", ".shx", ".prj", ".cpg")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all: the same shapes make the same bytes


def fetch(
    source: Source,
    window: Window | None,
    *,
    session: Session,
    now: datetime,
    url: str | None = None,
) -> Iterator[Fetched]:
    """Yield each file, whole: a file has no window, so all of its rows come whatever is asked."""
    where = url or source.url
    if where.startswith(("http://", "https://")):
        where = _file_of(where, source)
        payload, kind = _remote(where, session)
        yield _fetched(where, payload, kind, now=now, window=window)
        return
    for path in _local(source, where):
        if path.stat().st_size > session.policy.size_limit:
            raise PortalError(
                f"{source.name}: expected at most {session.policy.size_limit} bytes, found {path.stat().st_size} in "
                f"{path.name}; split the file",
            )
        is_shape = path.suffix.lower() == ".shp"
        payload = _zipped(path) if is_shape else path.read_bytes()
        kind = media.of("", path.name, payload)
        yield _fetched(path.resolve().as_uri(), payload, kind, now=now, window=window)


def _remote(url: str, session: Session) -> tuple[bytes, str]:
    if session.folder is None:
        answer = session.get(url)
        return answer.payload, media.of(answer.media, url, answer.payload)
    found = download(url, session=session, folder=session.folder / "downloads")
    payload = found.path.read_bytes()
    found.path.unlink()
    return payload, media.of(found.media, url, payload)


def _file_of(url: str, source: Source) -> str:
    """Return the file's URL; a bare host, as the emulator's, keeps its files under ``/files``."""
    bare = urlsplit(url).path in ("", "/") and source.dataset
    return f"{url.rstrip('/')}/files/{source.dataset}" if bare else url


def _local(source: Source, where: str) -> list[Path]:
    path = Path(unquote(urlsplit(where).path) if where.startswith("file:") else where).expanduser()
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in media.BY_SUFFIX)
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise PortalError(
            f"{source.name}: expected a file or folder of files, found nothing at {where}; check the path"
        )
    return found


def _zipped(path: Path) -> bytes:
    """Zip a Shapefile's parts, the same bytes for the same parts."""
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix in _BESIDE_SHP:
            for part in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
                if part.exists():
                    archive.writestr(zipfile.ZipInfo(path.stem + suffix, _EPOCH), part.read_bytes())
                    break
    return store.getvalue()


def _fetched(url: str, payload: bytes, kind: str, *, now: datetime, window: Window | None) -> Fetched:
    return Fetched(
        url=url,
        query={},
        payload=payload,
        media=kind,
        fetched_at=now,
        rows_claimed=None,
        rows_received=read.rows(payload, kind),
        window=window,
    )
