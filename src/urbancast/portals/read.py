"""Bytes to a native polars frame, by media type: columns and values as the source wrote them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import orjson
import polars as pl

from urbancast.core.errors import PortalError
from urbancast.portals import encoding, media, open_meteo, shapes
from urbancast.portals.errors import LyingError
from urbancast.portals.fetched import Fetched

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$")


def frame(payload: bytes, media_type: str) -> pl.DataFrame:
    """Native frame; text formats keep every value as text, JSON keeps its own types, shapes add WKB ``geometry``.

    PortalError when the bytes are not what they claim to be (a web page, a cut file).
    """
    if media.looks_like_html(payload):
        raise LyingError(f"portal: expected {media_type}, found a web page; ask again later or check the address")
    media_type = media_type or media.sniff(payload)
    reader = _READERS.get(media_type)
    if reader is None:
        raise PortalError(f"portal: expected one of {', '.join(_READERS)}, found {media_type!r}; name another format")
    return _read(reader, payload, media_type)


def _read(reader: Callable[[Any], pl.DataFrame], given: Any, media_type: str) -> pl.DataFrame:
    try:
        return reader(given)
    except _UNREADABLE as error:
        size = len(given.payload if isinstance(given, Fetched) else given)
        raise LyingError(
            f"portal: expected readable {media_type}, found {size} bytes that are not ({error}); ask again",
        ) from error


def native(fetched: Fetched) -> pl.DataFrame:
    """Native frame of one answer; forecasts get when they were issued from when they were fetched."""
    media_type = fetched.media or media.sniff(fetched.payload)
    if "first_byte" in fetched.query:
        return _read(_page, fetched, media_type)
    table = frame(fetched.payload, media_type)
    if media_type != media.OPEN_METEO:
        return table
    return open_meteo.issued(table, fetched.fetched_at, is_forecast=not fetched.url.endswith("/archive"))


def rows(payload: bytes, media_type: str) -> int:
    """Number of rows the bytes hold."""
    if media_type == media.PARQUET:
        return _parquet_rows(payload)
    return frame(payload, media_type).height


def _parquet_rows(payload: bytes) -> int:
    try:
        return int(pl.scan_parquet(io.BytesIO(payload)).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LyingError(f"portal: expected parquet, found {len(payload)} bytes that are not; ask again") from error


def _csv(payload: bytes) -> pl.DataFrame:
    codec = encoding.encoding_of(payload)
    text = payload.decode(codec).removeprefix("\ufeff")
    if not text.strip():
        return pl.DataFrame()
    dialect = encoding.dialect_of(text, codec)
    header, _, body = text.partition("\n")
    names = encoding.names_of(header.rstrip("\r"), dialect.header_delimiter)
    if all(_NUMBER.match(name) for name in names):  # a table without a header: its first line is a row
        names, body = [f"column_{n}" for n in range(1, len(names) + 1)], text
    return _table(names, body.encode(), dialect.delimiter)


def _page(fetched: Fetched) -> pl.DataFrame:
    """Rows of one page of a streamed file; its header line and encoding stand in its query."""
    codec, header, body = str(fetched.query["encoding"]), str(fetched.query["header"]), fetched.payload
    if fetched.query["first_byte"] == 0:
        body = body.partition(b"\n")[2]
    if not codec.startswith("utf-8"):
        body = _decoded(body, codec).encode()
    sample = body[: encoding.SAMPLE_BYTES].decode("utf-8", "ignore")
    dialect = encoding.dialect_of(f"{header}\n{sample}")
    return _table(encoding.names_of(header, dialect.header_delimiter), body, dialect.delimiter)


def _decoded(body: bytes, codec: str) -> str:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:  # bytes that windows-1252 leaves undefined
        return body.decode("latin_1")


def _table(names: list[str], body: bytes, delimiter: str) -> pl.DataFrame:
    """Frame of texts of a body of lines in UTF-8."""
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"columns named twice: {', '.join(twice)}")
    if not body or body.isspace():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    is_left_open = b'"' in body and body.count(b'"') % 2 == 1  # such a quote would swallow the rows after it
    return pl.read_csv(
        body,
        separator=delimiter,
        quote_char=None if is_left_open else '"',
        has_header=False,
        new_columns=names,
        schema=dict.fromkeys(names, pl.String),
        infer_schema=False,
    )


def _json(payload: bytes) -> pl.DataFrame:
    start = payload[:64].lstrip()
    if start.startswith(b"["):
        return _typed(pl.read_json(io.BytesIO(payload), infer_schema_length=None))
    document = orjson.loads(payload)
    if not isinstance(document, dict):
        raise TypeError(f"a JSON {type(document).__name__}, not rows")
    if document.get("type") == "FeatureCollection":
        return shapes.from_geojson(document)
    if isinstance(document.get("results"), list):
        return _typed(pl.DataFrame(document["results"], infer_schema_length=None))
    if isinstance(document.get("hourly"), dict):
        return open_meteo.table(payload)
    raise ValueError(f"a JSON object with {', '.join(sorted(document)[:8])}: no rows in it")


def _zip(payload: bytes) -> pl.DataFrame:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
        if any(name.lower().endswith(".shp") for name in names):
            return shapes.from_shapefile(payload)
        inner = [(name, media.of("", name)) for name in names if media.of("", name) in _READERS]
        if len(inner) != 1:
            raise ValueError(f"expected one table in the zip, found {', '.join(names) or 'nothing'}")
        return _READERS[inner[0][1]](archive.read(inner[0][0]))


def _roads(payload: bytes) -> pl.DataFrame:
    """One row that holds the bytes: roads are read from them as a whole, by ``geo``."""
    return pl.DataFrame({"bytes": [payload]}, schema={"bytes": pl.Binary})


def _parquet(payload: bytes) -> pl.DataFrame:
    return _typed(pl.read_parquet(io.BytesIO(payload)))


def _typed(native: pl.DataFrame) -> pl.DataFrame:
    """Columns that hold nothing at all become text, so that every column has a type to parse."""
    return native.with_columns(pl.col(pl.Null).cast(pl.String)) if native.width else native


# What the readers raise over bytes that are not what they should be; OSError is parquet's.
_UNREADABLE = (ValueError, TypeError, OSError, csv.Error, zipfile.BadZipFile, pl.exceptions.PolarsError)
_READERS: dict[str, Callable[[bytes], pl.DataFrame]] = {
    media.JSON: _json,
    media.OPEN_METEO: open_meteo.table,
    media.GEOJSON: _json,
    media.CSV: _csv,
    media.PARQUET: _parquet,
    media.SHAPEFILE: _zip,
    media.ZIP: _zip,
    media.OSM: _roads,
    media.OSM_PBF: _roads,
}
