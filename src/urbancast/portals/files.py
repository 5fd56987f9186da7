"""Files by path or URL: CSV, parquet, JSON, GeoJSON, Shapefile (``.shp`` or zip); bytes are kept as they are.

A folder stands for all files in it of known kinds, by name, a pattern for those it matches. ``source.url`` or
``url`` says where. A source may come in several files (``portals.periods``), or streamed, page by page.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from urbancast.core.errors import PortalError
from urbancast.core.product import Source, Window
from urbancast.portals import media, pages, periods, read
from urbancast.portals.download import download
from urbancast.portals.errors import AbsentError
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session

_BESIDE_SHP = (".shp", ".dbf", ".shx", ".prj", ".cpg")
_RECENT = timedelta(days=200)  # files by period that may be new: of the last two quarters
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all: the same shapes make the same bytes


def fetch(
    source: Source,
    window: Window | None,
    *,
    session: Session,
    now: datetime,
    url: str | None = None,
) -> Iterator[Fetched]:
    """Yield each file, whole, or page by page where the source is streamed.

    A file has no window, so all of its rows come whatever is asked. Of a source by period, the files whose
    publication has passed; one that is late all the same is left out. PortalError where none of them is there.
    """
    where = url or source.url
    if not where.startswith(("http://", "https://")):
        for path in _local(source, where):
            yield from _read(source, path, session=session, now=now, window=window)
        return
    is_portal = url is None or _is_bare(where) or "{name}" in where
    wanted = periods.files(source, window, now) if is_portal else [periods.Named(name=source.dataset)]
    absent: list[AbsentError] = []
    for named in wanted:
        held = named.window or window
        try:
            yield from _remote(_file_of(where, named.name), source, session=session, now=now, window=held)
        except AbsentError as error:
            absent.append(error)
    if absent and (len(absent) == len(wanted) or periods.EVERY not in source.query):
        raise absent[0]


def modified(source: Source, *, session: Session, now: datetime, url: str | None = None) -> datetime | None:
    """When the newest of the files was changed: ``Last-Modified`` over HTTP, the clock of the file system here."""
    where = url or source.url
    if not where.startswith(("http://", "https://")):
        times = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in _local(source, where)]
        return max(times, default=None)
    found: list[datetime] = []
    for named in periods.files(source, Window(start=now - _RECENT, end=now), now):
        try:
            told = session.headers(_file_of(where, named.name)).get("last-modified")
        except AbsentError:
            continue
        if told is not None:
            try:
                found.append(parsedate_to_datetime(told).replace(tzinfo=UTC))  # HTTP dates are GMT
            except ValueError as error:
                raise PortalError(
                    f"{source.name}: expected a date as Last-Modified, found {told!r}; tell the portal"
                ) from error
    return max(found, default=None)


def _read(source: Source, path: Path, *, session: Session, now: datetime, window: Window | None) -> Iterator[Fetched]:
    if path.stat().st_size > session.policy.size_limit:
        raise PortalError(
            f"{source.name}: expected at most {session.policy.size_limit} bytes, found {path.stat().st_size} in "
            f"{path.name}; split the file",
        )
    url = path.resolve().as_uri()
    if source.is_streamed and media.of("", path.name) == media.CSV:
        yield from _streamed(path, url, now=now, window=window)
        return
    payload = _zipped(path) if path.suffix.lower() == ".shp" else path.read_bytes()
    yield _fetched(url, payload, media.of("", path.name, payload), now=now, window=window)


def _remote(url: str, source: Source, *, session: Session, now: datetime, window: Window | None) -> Iterator[Fetched]:
    if source.is_streamed:
        with _folder(session) as folder:
            found = download(url, session=session, folder=folder)
            try:
                with found.path.open("rb") as file:
                    kind = media.of(found.media, url, file.read(4096))
                if kind == media.CSV:
                    yield from _streamed(found.path, url, now=now, window=window)
                else:
                    yield _fetched(url, found.path.read_bytes(), kind, now=now, window=window)
            finally:
                found.path.unlink()
        return
    payload, kind = _whole(url, session)
    yield _fetched(url, payload, kind, now=now, window=window)


@contextmanager
def _folder(session: Session) -> Iterator[Path]:
    """Where downloads go: the session's folder, in which a stopped one goes on, else one for now."""
    if session.folder is not None:
        yield session.folder / "downloads"
        return
    with tempfile.TemporaryDirectory(prefix="urbancast-") as folder:
        yield Path(folder)


def _streamed(path: Path, url: str, *, now: datetime, window: Window | None) -> Iterator[Fetched]:
    for page in pages.of_file(path):
        yield Fetched(
            url=url,
            query=page.query,
            payload=page.payload,
            media=media.CSV,
            fetched_at=now,
            rows_claimed=None,
            rows_received=page.lines,
            window=window,
        )


def _whole(url: str, session: Session) -> tuple[bytes, str]:
    if session.folder is None:
        answer = session.get(url)
        return answer.payload, media.of(answer.media, url, answer.payload)
    found = download(url, session=session, folder=session.folder / "downloads")
    payload = found.path.read_bytes()
    found.path.unlink()
    return payload, media.of(found.media, url, payload)


def _file_of(url: str, name: str) -> str:
    """Return the file's URL; a bare host, as the emulator's, keeps its files under ``/files``."""
    return f"{url.rstrip('/')}/files/{name}" if _is_bare(url) and name else url.replace("{name}", name)


def _is_bare(url: str) -> bool:
    return urlsplit(url).path in ("", "/")


def _local(source: Source, where: str) -> list[Path]:
    path = Path(unquote(urlsplit(where).path) if where.startswith("file:") else where).expanduser()
    if path.is_dir() or "*" in path.name:
        matches = path.iterdir() if path.is_dir() else path.parent.glob(path.name)
        found = sorted(p for p in matches if p.suffix.lower() in media.BY_SUFFIX)
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
