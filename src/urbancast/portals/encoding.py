"""Text of delimited files: which encoding, which delimiter, and a header that may differ from its body."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass

from charset_normalizer import from_bytes

DELIMITERS = (";", ",", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SINGLE_BYTE = ["cp1252", "latin_1", "iso8859_15", "cp850"]
_WESTERN = {"latin_1", "cp1252", "iso8859_15"}  # what differs between them is rare
_ASCII = 0x7F
_TELLING_BYTES = 64  # fewer non-ASCII bytes than this tell encodings apart by chance
SAMPLE_BYTES = 1 << 16
_SAMPLE_LINES = 60


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a delimited file is written; ``header_delimiter`` may differ from the body's."""

    encoding: str
    delimiter: str
    header_delimiter: str


def encoding_of(payload: bytes) -> str:
    """Python codec name: by byte-order mark, else UTF-8 if all of it is, else the likeliest single-byte one."""
    for mark, name in _BOMS:
        if payload.startswith(mark):
            return name
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return _single_byte(payload)
    return "utf-8"


def text_of(payload: bytes) -> str:
    """Return the decoded text, without byte-order mark."""
    return payload.decode(encoding_of(payload))


def dialect_of(text: str, encoding: str = "utf-8") -> Dialect:
    """Delimiters of header and body: the pair under which the header has as many fields as most lines."""
    lines = [line for line in text[: SAMPLE_BYTES * 4].splitlines()[: _SAMPLE_LINES + 1] if line.strip()]
    if not lines:
        return Dialect(encoding=encoding, delimiter=",", header_delimiter=",")
    header, body = lines[0], lines[1:] or lines[:1]
    best, best_rank = (",", ","), (-1, False, 0)
    for of_body in DELIMITERS:
        widths = [_width(line, of_body) for line in body]
        mode = max(set(widths), key=widths.count)
        for of_header in DELIMITERS:
            agrees = _width(header, of_header) == mode and mode > 1
            rank = (widths.count(mode) * agrees, of_header == of_body, mode * agrees)
            if rank > best_rank:
                best, best_rank = (of_body, of_header), rank
    return Dialect(encoding=encoding, delimiter=best[0], header_delimiter=best[1])


def names_of(header: str, delimiter: str) -> list[str]:
    """Column names of a header line, blanks around them removed."""
    return [name.strip().strip("\ufeff") for name in next(csv.reader([header], delimiter=delimiter))]


def _width(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter)))


def _single_byte(payload: bytes) -> str:
    """What office software writes, windows-1252, unless enough bytes speak for another."""
    sample = _around_high_bytes(payload)
    name = "cp1252"
    if sum(byte > _ASCII for byte in sample) >= _TELLING_BYTES:
        match = from_bytes(sample, cp_isolation=_SINGLE_BYTE, preemptive_behaviour=False).best()
        name = match.encoding if match is not None and match.encoding not in _WESTERN else "cp1252"
    try:
        payload.decode(name)
    except UnicodeDecodeError:
        return "latin_1"
    return name


def _around_high_bytes(payload: bytes) -> bytes:
    """Lines that hold a non-ASCII byte, up to the sample size: they alone tell encodings apart."""
    kept, size = [], 0
    for line in payload.splitlines(keepends=True):
        if not line.isascii():
            kept.append(line)
            size += len(line)
            if size >= SAMPLE_BYTES:
                break
    return b"".join(kept)
