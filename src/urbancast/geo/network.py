"""Roads as arrays: nodes, directed links with their shape, and seconds by day type and hour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import shapely
from numpy.typing import ArrayLike, NDArray

from urbancast.core.errors import ContractError
from urbancast.geo import packed
from urbancast.geo.metric import EARTH_RADIUS_M, Floats

Ints = NDArray[np.int64]
DAY_TYPES = ("weekday", "saturday", "sunday")
LEAST_KMH, MOST_KMH = 3.0, 100.0  # a walk; more than any city street allows
_FORMAT = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """n nodes and m directed links; every node reaches every other.

    ``lon``, ``lat`` (n,) degrees; ``start``, ``end`` (m,) node rows; ``length_m`` (m,); ``name`` (m,) row of ``names``
    (0: without); ``seconds`` (3, 24, m) by ``DAY_TYPES`` and local hour of entry; vertices of link k, both ends
    included: ``vertex_lon[vertex[k]:vertex[k + 1]]``. ``counts``: what was kept, dropped, clipped and filled.
    """

    lon: Floats
    lat: Floats
    start: Ints
    end: Ints
    length_m: Floats
    name: Ints
    names: tuple[str, ...]
    seconds: NDArray[np.float32]
    vertex: Ints
    vertex_lon: Floats
    vertex_lat: Floats
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_tables(cls, nodes: pl.DataFrame, edges: pl.DataFrame, times: pl.DataFrame | None = None) -> Network:
        """Network of tables, straight lines where no shape is given; see ``roads.assemble``.

        Nodes: node, lon, lat. Edges: link, from_node, to_node and, where known, length_m, name, speed_kmh, shape (WKB
        or WKT). Times: link, day_type (of ``DAY_TYPES``), hour (0 … 23), seconds.
        """
        from urbancast.geo import roads

        return roads.assemble(nodes, edges, times)

    @classmethod
    def of_osm(cls, extract: str | os.PathLike[str] | bytes, *, form: Literal["osm", "osm.pbf"] = "osm.pbf") -> Network:
        """Network of the drivable ways of an OpenStreetMap extract: a path, or bytes of the ``form`` named."""
        from urbancast.geo import osm, roads

        tables = osm.read(extract, form=form)
        return roads.assemble(tables.nodes, tables.edges, counts=tables.counts)

    def dump(self) -> bytes:
        """Bytes that ``load`` reads: a zip of arrays, the same for the same network."""
        head = {"format": _FORMAT, "names": list(self.names), "counts": dict(self.counts)}
        seconds = self.seconds[:1, :1] if self.seconds.strides[:2] == (0, 0) else self.seconds
        return packed.pack(head, {name: getattr(self, name) for name in _ARRAYS} | {"seconds": seconds})

    @classmethod
    def load(cls, dumped: bytes) -> Network:
        """Network of ``dump``; nothing is unpickled."""
        head, arrays = packed.unpack(dumped, _ARRAYS, kind="network")
        if head.get("format") != _FORMAT:
            raise ContractError(f"network: expected format {_FORMAT}, found {head.get('format')}; pull the roads again")
        arrays["seconds"] = np.broadcast_to(arrays["seconds"], (len(DAY_TYPES), 24, len(arrays["start"])))
        return cls(names=tuple(head["names"]), counts=head["counts"], **arrays)

    @property
    def links(self) -> int:
        """Number of links."""
        return len(self.start)

    @cached_property
    def lines(self) -> NDArray[np.object_]:
        """Links as lines in degrees; shape (m,)."""
        xy = np.column_stack([self.vertex_lon, self.vertex_lat])
        return np.asarray(shapely.linestrings(xy, indices=np.repeat(np.arange(self.links), np.diff(self.vertex))))

    @cached_property
    def vertex_share(self) -> Floats:
        """Share of its link at which each vertex lies, 0 … 1 by length on the ground; shape (vertices,)."""
        step = self.steps_m(self.vertex_lon, self.vertex_lat)
        step[self.vertex[:-1]] = 0.0
        along = np.cumsum(step)
        link = np.repeat(np.arange(self.links), np.diff(self.vertex))
        first, last = along[self.vertex[:-1]], along[self.vertex[1:] - 1]
        whole = np.where(last > first, last - first, 1.0)
        share = (along - first[link]) / whole[link]
        share[self.vertex[1:] - 1] = 1.0
        return np.asarray(share, dtype=np.float64)

    @cached_property
    def twin(self) -> Ints:
        """Row of the link the other way along the same line, -1 where the street is one-way; shape (m,)."""
        from urbancast.geo import roads

        return roads.twins(self)

    @staticmethod
    def steps_m(lon: ArrayLike, lat: ArrayLike) -> Floats:
        """Metres from the vertex before, 0 for the first; shape (n,). Equirectangular, for steps below 10 km."""
        x, y = np.radians(np.asarray(lon, dtype=np.float64)), np.radians(np.asarray(lat, dtype=np.float64))
        east = np.diff(x) * np.cos((y[1:] + y[:-1]) / 2)
        return np.concatenate([[0.0], EARTH_RADIUS_M * np.hypot(east, np.diff(y))]) if len(x) else np.zeros(0)


_ARRAYS = tuple(f.name for f in fields(Network) if f.name not in ("names", "counts"))
