"""Spaces by street, as places' attributes hold them: how many lie within a walk of a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from urbancast.geo.metric import distance_m

Floats = np.ndarray[Any, np.dtype[np.float64]]
DEGREE_M = 111_320.0  # of latitude


@dataclass(frozen=True, kw_only=True, eq=False)
class Streets:
    """Points with spaces. ``place``: row of the place each belongs to; ``spaces``: by measure, shape (streets,)."""

    place: np.ndarray[Any, np.dtype[np.int64]]
    lat: Floats
    lon: Floats
    spaces: Mapping[str, Floats]

    def within(self, lat: float, lon: float, radius_m: float) -> dict[str, float]:
        """Spaces by measure of the streets whose point lies within ``radius_m`` metres."""
        near = np.flatnonzero(np.abs(self.lat - lat) * DEGREE_M <= radius_m)
        away = distance_m(lon, lat, to_lon=self.lon[near], to_lat=self.lat[near])
        near = near[away <= radius_m]
        return {measure: float(count[near].sum()) for measure, count in self.spaces.items()}

    def typical(self, row: int, radius_m: float) -> dict[str, float]:
        """Median over a place's streets, by their spaces, of what lies within ``radius_m`` of each; by measure."""
        own = np.flatnonzero(self.place == row)
        if not len(own):
            return dict.fromkeys(self.spaces, 0.0)
        found = [self.within(float(self.lat[i]), float(self.lon[i]), radius_m) for i in own]
        totals = np.array([sum(each.values()) for each in found])
        weight = np.sum([count[own] for count in self.spaces.values()], axis=0)
        order = np.argsort(totals, kind="stable")
        middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
        return found[int(order[min(middle, len(own) - 1)])]


def of(attributes: Sequence[Mapping[str, Any]]) -> Streets | None:
    """Streets of places' attributes (``streets``: name, lat, lon, spaces by measure); None where there are none."""
    rows = [(row, *street) for row, each in enumerate(attributes) for street in each.get("streets", ())]
    if not rows:
        return None
    measures = sorted({measure for *_, spaces in rows for measure in spaces})
    return Streets(
        place=np.array([row for row, *_ in rows], dtype=np.int64),
        lat=np.array([lat for _, _, lat, _, _ in rows], dtype=np.float64),
        lon=np.array([lon for _, _, _, lon, _ in rows], dtype=np.float64),
        spaces={m: np.array([float(spaces.get(m, 0)) for *_, spaces in rows]) for m in measures},
    )
