"""Large files of lines, page by page: exact byte ranges of whole lines, the header line beside in each page's query."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from urbancast.core.errors import PortalError
from urbancast.portals import encoding

PAGE_BYTES = 31 << 20  # from 32 MiB on, allocators ask the system for fresh memory each time: slower
_CHUNK = 1 << 18  # stays in the processor's cache
_FIELD_BYTES = 1 << 20  # no quoted field is longer; a quote open for more is a stray one
_QUOTE, _LINE = b'"', b"\n"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Bytes [first_byte, first_byte + len(payload)) of a file, and how many lines of rows they hold."""

    first_byte: int
    payload: bytes
    lines: int
    query: dict[str, Any]


def of_file(path: Path, *, most: int | None = None) -> Iterator[Page]:
    """Pages of at most ``most`` bytes (PAGE_BYTES) that end at line ends outside quotes; joined they are the file.

    The query of each holds what reading it alone takes (``header``, ``encoding``), its place in the file
    (``first_byte``, ``bytes``, ``of_bytes``) and the whole file's ``sha256``: pages of one file belong together.
    """
    most = most or PAGE_BYTES
    about = _read_through(path)
    first = 0
    with path.open("rb") as file:
        while buffer := file.read(most):
            end = len(buffer) if len(buffer) < most else last_line_end(buffer)
            payload = buffer[:end]
            lines = _line_ends(payload) + (not payload.endswith(_LINE)) - (first == 0)
            yield Page(
                first_byte=first, payload=payload, lines=lines, query={**about, "first_byte": first, "bytes": end}
            )
            first += end
            file.seek(first)


def last_line_end(buffer: bytes) -> int:
    """Length of the longest part that ends with a line outside quotes; PortalError where no line ends."""
    end = buffer.rfind(_LINE) + 1
    if end == 0:
        raise PortalError(f"portal: expected lines of text, found {len(buffer)} bytes without a line end")
    is_open = _QUOTE in buffer and buffer.count(_QUOTE, 0, end) % 2 == 1
    cut = end
    while is_open and cut > max(0, end - _FIELD_BYTES):
        before = buffer.rfind(_LINE, 0, cut - 1) + 1
        is_open ^= buffer.count(_QUOTE, before, cut) % 2 == 1
        cut = before
    return cut if cut and not is_open else end


def is_whole(queries: list[dict[str, Any]]) -> bool:
    """Whether pages with these queries are all of their file."""
    sizes = {query["first_byte"]: query["bytes"] for query in queries}
    at = 0
    while sizes.get(at):
        at += sizes[at]
    return bool(queries) and at == queries[0]["of_bytes"]


def _line_ends(payload: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(payload, dtype=np.uint8) == ord(_LINE)))


def _read_through(path: Path) -> dict[str, Any]:
    """Hash, size, encoding and header line of a file, in one pass of bounded memory."""
    digest, size, codec = hashlib.sha256(), 0, ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        chunk = head
        while chunk:
            digest.update(chunk)
            size += len(chunk)
            codec = codec or _other_than_utf8(decoder, chunk)
            chunk = file.read(_CHUNK)
    if encoding.encoding_of(head[:2]) == "utf-16":
        raise PortalError(f"portal: expected UTF-8 or one byte a letter in {path.name}, found UTF-16; save it as UTF-8")
    codec = codec or "utf-8-sig"
    line = head.partition(_LINE)[0].decode(codec, "replace")
    header = line.removeprefix("\ufeff").rstrip("\r")
    return {"header": header, "encoding": codec, "of_bytes": size, "sha256": digest.hexdigest()}


def _other_than_utf8(decoder: codecs.IncrementalDecoder, chunk: bytes) -> str:
    """Empty while the bytes so far are UTF-8, else the likeliest single-byte encoding."""
    if chunk.isascii() and not decoder.getstate()[0]:
        return ""
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        found = encoding.encoding_of(chunk)
        return found if not found.startswith("utf") else "cp1252"
    return ""
