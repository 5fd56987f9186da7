"""Bytes ready to send: encoded once, compressed once, tagged."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
GEOJSON = "application/geo+json"
COMPRESS_FROM = 1024
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def encode(content: Any) -> bytes:
    """JSON bytes; NaN and infinities become null, numpy arrays lists."""
    return orjson.dumps(content, option=OPTIONS)


def digest(*parts: object) -> str:
    """Short stable hash of bytes and of the texts of anything else."""
    whole = b"\x1f".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return blake2b(whole, digest_size=8).hexdigest()


def listed(values: np.ndarray[Any, Any], digits: int = 4) -> list[float | None]:
    """List of rounded floats, NaN as None; shape (n,)."""
    rounded = np.round(values.astype(np.float64), digits)
    return [None if math.isnan(number) else number for number in rounded.tolist()]


@dataclass(frozen=True)
class Payload:
    """A body with its media type and strong tag; compressed at most once."""

    body: bytes
    etag: str
    media: str = JSON
    values: int = 0  # forecasts in it

    @cached_property
    def zipped(self) -> bytes:
        """Return the body in gzip."""
        return gzip.compress(self.body, 5, mtime=0)

    @cached_property
    def plain_headers(self) -> dict[str, str]:
        """Return the headers of an uncompressed answer."""
        vary = {"Vary": "Accept-Encoding"} if len(self.body) >= COMPRESS_FROM else {}
        return {"ETag": f'"{self.etag}"', "Cache-Control": "public, max-age=0, must-revalidate", **vary}


def send(request: Request, payload: Payload, *, is_private: bool = False) -> Response:
    """Response of a payload: 304 where the asker has it, gzip where it is wanted and worth it."""
    headers = payload.plain_headers
    request.scope["urbancast.values"] = payload.values
    if is_private:
        headers = {**headers, "Cache-Control": "private, no-store"}
    asked = request.headers
    known = asked.get("if-none-match")
    if known is not None and matches(known, payload.etag):
        return Response(status_code=304, headers=headers)
    if len(payload.body) >= COMPRESS_FROM and accepts_gzip(asked.get("accept-encoding", "")):
        headers = {**headers, "Content-Encoding": "gzip"}
        return Response(payload.zipped, media_type=payload.media, headers=headers)
    return Response(payload.body, media_type=payload.media, headers=headers)


def matches(header: str, etag: str) -> bool:
    """Whether an If-None-Match header names the tag (weak comparison)."""
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in (etag, "*") for tag in tags)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip."""
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
