"""Kinds of place a forecast can be for."""

from __future__ import annotations

from enum import StrEnum


class PlaceKind(StrEnum):
    """Zone: polygon. Site: point with a sensor. Pair: ordered from-to. Link: road edge."""

    ZONE = "zone"
    SITE = "site"
    PAIR = "pair"
    LINK = "link"


def pair_id(origin: str, destination: str) -> str:
    """Id of an ordered pair of zones; an unknown end is the empty text."""
    return f"{origin}>{destination}"


def ends_of(pair: str) -> tuple[str, str]:
    """Zones of a pair's id, from and to."""
    origin, _, destination = pair.partition(">")
    return origin, destination


def band_id(kind: str, low_km: float, high_km: float | None) -> str:
    """Id of the synthetic place of a class of pairs (``city``, ``hub`` or ``unknown``) between two distances."""
    return f"band:{kind}:{low_km:g}-{'' if high_km is None else f'{high_km:g}'}"
