"""Kinds of place a forecast can be for."""

from __future__ import annotations

from enum import StrEnum


class PlaceKind(StrEnum):
    """Zone: polygon. Site: point with a sensor. Pair: ordered from-to. Link: road edge."""

    ZONE = "zone"
    SITE = "site"
    PAIR = "pair"
    LINK = "link"
