"""Column types that several tables share."""

from __future__ import annotations

from typing import Any

import dataframely as dy


def instant(**options: Any) -> dy.Datetime:
    """Return a column of UTC instants, to the microsecond."""
    return dy.Datetime(time_unit="us", time_zone="UTC", **options)
