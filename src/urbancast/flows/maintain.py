"""Maintain: checkpoint, compact and vacuum the lake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from urbancast.lake import maintain
from urbancast.lake.store import Lake


def run(lake: Lake) -> Mapping[str, Any]:
    """Tidy every table and return what was done to each."""
    return maintain.run(lake, now=datetime.now(UTC))
