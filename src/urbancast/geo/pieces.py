"""Links cut by zones, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from urbancast.geo import packed
from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints, Network

SLIVER_M = 0.001  # shorter pieces are rounding, not road
_GAP = 1e-9  # of a link
_FIELDS = ("link", "place", "from_share", "to_share", "length_m")


@dataclass(frozen=True, eq=False, kw_only=True)
class Pieces:
    """Parts of links that lie in one zone, by link and then along it; what lies in no zone has no piece.

    ``place``: row of ``places`` (ids, sorted). ``from_share``, ``to_share``: of the link's length. All of shape (p,).
    """

    places: tuple[str, ...]
    link: Ints
    place: Ints
    from_share: Floats
    to_share: Floats
    length_m: Floats
    links: int

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.link)

    @cached_property
    def first(self) -> Ints:
        """Pieces of link k are rows first[k] … first[k + 1]; shape (links + 1,)."""
        return np.searchsorted(self.link, np.arange(self.links + 1)).astype(np.int64)

    def frame(self) -> pl.DataFrame:
        """Pieces as link, place (id), from_share, to_share, length_m."""
        ids = pl.Series(self.places, dtype=pl.String).gather(self.place)
        return pl.DataFrame({name: getattr(self, name) for name in _FIELDS}).with_columns(place=ids)

    def dump(self) -> bytes:
        """Bytes that ``load`` reads, the same for the same pieces."""
        head = {"places": self.places, "links": self.links}
        return packed.pack(head, {name: getattr(self, name) for name in _FIELDS})

    @classmethod
    def load(cls, dumped: bytes) -> Pieces:
        """Pieces of ``dump``; nothing is unpickled."""
        head, arrays = packed.unpack(dumped, _FIELDS, kind="pieces")
        return cls(places=tuple(head["places"]), links=head["links"], **arrays)


def cut(network: Network, places: pl.DataFrame) -> Pieces:
    """Links of a network cut by the zones of a places table; what several zones cover belongs to the first id."""
    index = ZoneIndex(places)
    tree = shapely.STRtree(network.lines)
    zone, link = tree.query(index.shapes, predicate="intersects")
    whole_zone, whole_link = tree.query(index.shapes, predicate="covers")
    is_part = ~np.isin(link * len(index.places) + zone, whole_link * len(index.places) + whole_zone)
    part_row, part_from, part_to = _parts(network, index.shapes, link[is_part], zone[is_part])
    links = np.concatenate([whole_link, link[is_part][part_row]])
    zones = np.concatenate([whole_zone, zone[is_part][part_row]])
    from_share = np.concatenate([np.zeros(len(whole_link)), part_from])
    to_share = np.concatenate([np.ones(len(whole_link)), part_to])
    table = _first_come(*_joined(links, zones, from_share, to_share))
    length_m = (table[3] - table[2]) * network.length_m[table[0]]
    kept = length_m >= SLIVER_M
    link, zone, from_share, to_share = table
    return Pieces(
        places=tuple(index.places), link=link[kept], place=zone[kept], from_share=from_share[kept],
        to_share=to_share[kept], length_m=length_m[kept], links=network.links,
    )  # fmt: skip


def _parts(network: Network, shapes: NDArray[np.object_], link: Ints, zone: Ints) -> tuple[Ints, Floats, Floats]:
    """Shares of each link within each zone, straight step by straight step: (row of the pair, from, to)."""
    steps = np.diff(network.vertex)[link] - 1
    row = np.repeat(np.arange(len(link)), steps)
    at = np.repeat(network.vertex[link] - (np.cumsum(steps) - steps), steps) + np.arange(len(row))
    xy = np.column_stack([network.vertex_lon, network.vertex_lat])
    a, b = xy[at], xy[at + 1]
    lines = shapely.linestrings(np.stack([a, b], axis=1))
    inside = shapely.intersection(lines, shapes[zone[row]])
    part, of = shapely.get_parts(inside, return_index=True)
    is_line = shapely.get_dimensions(part) == 1
    ends, owner = shapely.get_coordinates(part[is_line], return_index=True)
    step = of[is_line][owner]
    run = b[step] - a[step]
    t = ((ends - a[step]) * run).sum(axis=1) / np.maximum((run**2).sum(axis=1), 1e-30)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    low, high = (np.minimum.reduceat(t, first), np.maximum.reduceat(t, first)) if len(first) else (t, t)
    step = step[first]
    share, on = network.vertex_share[at[step]], network.vertex_share[at[step] + 1]
    return row[step], share + np.clip(low, 0, 1) * (on - share), share + np.clip(high, 0, 1) * (on - share)


def _joined(link: Ints, zone: Ints, low: Floats, high: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Parts that follow each other in one zone as one; sorted by link, zone and share."""
    order = np.lexsort((low, zone, link))
    link, zone, low, high = link[order], zone[order], low[order], high[order]
    is_new = np.ones(len(link), dtype=bool)
    is_new[1:] = (np.diff(link) != 0) | (np.diff(zone) != 0) | (low[1:] > high[:-1] + _GAP)
    first = np.flatnonzero(is_new)
    ends = np.maximum.reduceat(high, first) if len(first) else high
    return link[first], zone[first], low[first], ends


def _first_come(link: Ints, zone: Ints, low: Floats, high: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Parts without overlaps, sorted along each link: what two zones cover stays with the first."""
    order = np.lexsort((high, low, link))
    link, zone, low, high = link[order], zone[order], low[order], high[order]
    clash = (np.diff(link) == 0) & (low[1:] < high[:-1] - _GAP)
    crowded = np.unique(link[1:][clash])
    is_touching = (np.diff(link) == 0) & ~clash
    low[1:] = np.where(is_touching, np.maximum(low[1:], high[:-1]), low[1:])
    is_clear = ~np.isin(link, crowded)
    rows = [(link[is_clear], zone[is_clear], low[is_clear], high[is_clear])]
    for one in crowded:
        here = slice(np.searchsorted(link, one), np.searchsorted(link, one, side="right"))
        free = _dealt(sorted(zip(zone[here].tolist(), low[here].tolist(), high[here].tolist(), strict=True)))
        zones, lows, highs = (np.array(values) for values in zip(*free, strict=True))
        rows.append((np.full(len(free), one), zones, lows, highs))
    link, zone, low, high = (np.concatenate(values) for values in zip(*rows, strict=True))
    order = np.lexsort((low, link))
    return link[order], zone[order], low[order], high[order]


def _dealt(wanted: Sequence[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Each claim (zone, from, to) without what an earlier one holds."""
    held: list[tuple[int, float, float]] = []
    for zone, low, high in wanted:
        rest = [(low, high)]
        for _, a, b in held:
            rest = [(x, y) for c, d in rest for x, y in ((c, min(d, a)), (max(c, b), d)) if y > x]
        held += [(zone, x, y) for x, y in rest]
    return held
