"""The lake: Delta tables and bytes under one URL; contracts at both doors."""

from urbancast.lake.store import Lake

__all__ = ["Lake"]
