"""What a portal sent: bytes exactly as received, with what was asked and what was claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from urbancast.core.product import Window


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
