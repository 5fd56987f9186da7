"""What a portal sent: bytes exactly as received, with what was asked and what was claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import orjson

from urbancast.core.product import Window
from urbancast.portals import media


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One answer of a portal.

    ``query`` is what was asked (JSON-able, the same for the same window, whenever it is asked);
    ``rows_claimed`` what the portal says this answer holds (``None``: it does not say);
    ``rows_received`` what the bytes hold; ``window`` what was asked for, ``None`` for a whole table.
    """

    url: str
    query: Mapping[str, Any]
    payload: bytes
    media: str
    fetched_at: datetime
    rows_claimed: int | None
    rows_received: int
    window: Window | None

    @classmethod
    def of_page(cls, manifest: Mapping[str, Any], payload: bytes) -> Self:
        """Return the answer again, from its row of the raw table and its bytes."""
        start, end = manifest["window_start"], manifest["window_end"]
        return cls(
            url=manifest["url"],
            query=orjson.loads(manifest["query"]),
            payload=payload,
            media=manifest.get("media") or media.sniff(payload),
            fetched_at=manifest["fetched_at"],
            rows_claimed=manifest["rows_claimed"],
            rows_received=manifest["rows_received"],
            window=Window(start=start, end=end) if start and end else None,
        )
