"""Roads with their share of each zone's events: what an answer about a route is summed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from urbancast.core.errors import ContractError
from urbancast.geo.metric import Floats, Plane
from urbancast.geo.network import Ints, Network
from urbancast.geo.packed import pack, unpack
from urbancast.geo.pieces import Pieces

FORMAT = 1
_ARRAYS = ("row_street", "row_place", "row_share", "events", "trips")


@dataclass(frozen=True, eq=False, kw_only=True)
class Streets:
    """A network, its pieces, and s streets: a link with the one the other way, driven both ways.

    Rows (r,) sorted by street: ``row_share`` of the events of place ``row_place`` (of ``pieces.places``) happens on
    street ``row_street``. ``events`` (s,): events of the past on each, ``years`` long. ``trips`` (places, 168): an
    hour, by local hour of week; (places, 0) where not known. ``facts``: how the shares were made.
    """

    network: Network
    pieces: Pieces
    row_street: Ints
    row_place: Ints
    row_share: Floats
    events: Floats
    trips: Floats
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def years(self) -> float:
        """Length of the history that ``events`` counts."""
        return float(self.facts["years"])

    @cached_property
    def street(self) -> Ints:
        """Street of each link; shape (links,)."""
        return streets_of(self.network)

    @cached_property
    def length_m(self) -> Floats:
        """Length of each street; shape (s,)."""
        return mean_by(self.street, self.network.length_m)

    @cached_property
    def kilometres(self) -> float:
        """Length of all streets in zones, both ways counted once."""
        ways = np.bincount(self.street)[self.street[self.pieces.link]]
        return float((self.pieces.length_m / ways).sum() / 1000)

    @cached_property
    def share_of_place(self) -> Floats:
        """Share of each place's events that is on known streets; shape (places,)."""
        return np.asarray(np.bincount(self.row_place, self.row_share, len(self.pieces.places)), dtype=np.float64)

    @cached_property
    def first_row(self) -> Ints:
        """Rows of street k are first_row[k] … first_row[k + 1]; shape (s + 1,)."""
        return np.searchsorted(self.row_street, np.arange(len(self.events) + 1)).astype(np.int64)

    @cached_property
    def weights(self) -> tuple[Ints, Ints, Floats]:
        """Rows by piece: offsets (p + 1,), place and weight of each; a piece's events an hour = Σ weight · forecast.

        A street's share of a zone is dealt to its pieces there by length; where none of it lies there (it runs along
        the zone's edge), to all its pieces.
        """
        street = self.street[self.pieces.link]
        count = np.diff(self.first_row)[street]
        piece = np.repeat(np.arange(len(self.pieces)), count)
        row = np.repeat(self.first_row[street] - (np.cumsum(count) - count), count) + np.arange(len(piece))
        link, own = self.pieces.link[piece], self.pieces.length_m[piece]
        is_here = self.pieces.place[piece] == self.row_place[row]
        size = len(self.pieces.places)
        key = link * size + self.row_place[row]
        keys, at = np.unique(key, return_inverse=True)
        there = np.bincount(at, np.where(is_here, own, 0.0), len(keys))[at]
        whole = np.bincount(self.pieces.link, self.pieces.length_m, self.pieces.links)[link]
        part = np.where(there > 0, np.where(is_here, own / np.maximum(there, 1e-9), 0.0), own / whole)
        weight = self.row_share[row] * part
        kept = weight > 0
        offsets = np.searchsorted(piece[kept], np.arange(len(self.pieces) + 1)).astype(np.int64)
        return offsets, self.row_place[row][kept], weight[kept]

    @cached_property
    def middle(self) -> Floats:
        """Longitude and latitude of the middle of each street; shape (s, 2)."""
        link = np.unique(self.street, return_index=True)[1]
        points = shapely.line_interpolate_point(self.network.lines[link], 0.5, normalized=True)
        return np.asarray(shapely.get_coordinates(points))

    @cached_property
    def plane(self) -> Plane:
        """Metres around the roads."""
        return Plane.around(shapely.box(*shapely.total_bounds(self.network.lines)))

    @cached_property
    def middle_m(self) -> Floats:
        """Middle of each street in metres of ``plane``; shape (s, 2)."""
        return self.plane.to_metres(self.middle[:, 0], self.middle[:, 1])

    def dump(self) -> bytes:
        """Bytes that ``load`` reads, the same for the same streets."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        parts = {name: np.frombuffer(getattr(self, name).dump(), dtype=np.uint8) for name in ("network", "pieces")}
        return pack({"format": FORMAT, "facts": dict(self.facts)}, arrays | parts)

    @classmethod
    def load(cls, packed: bytes) -> Streets:
        """Streets of ``dump``; nothing is unpickled."""
        head, arrays = unpack(packed, (*_ARRAYS, "network", "pieces"), kind="streets")
        if head.get("format") != FORMAT:
            raise ContractError(
                f"streets: expected format {FORMAT}, found {head.get('format')!r}; pull the roads again"
            )
        network, pieces = Network.load(arrays.pop("network").tobytes()), Pieces.load(arrays.pop("pieces").tobytes())
        return cls(network=network, pieces=pieces, facts=head["facts"], **arrays)


def streets_of(network: Network) -> Ints:
    """Street of each link, 0 … s - 1: a link and the one the other way are one; shape (links,)."""
    link = np.arange(network.links)
    first = np.where(network.twin >= 0, np.minimum(link, network.twin), link)
    return np.unique(first, return_inverse=True)[1].astype(np.int64)


def mean_by(group: Ints, values: NDArray[Any]) -> Floats:
    """Mean of values by group 0 … g - 1; shape (g,)."""
    return np.asarray(np.bincount(group, values) / np.bincount(group))
