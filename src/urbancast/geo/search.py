"""Shortest-path trees from one spot on the roads to another, both ways at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints, Network
from urbancast.geo.snap import Snap

Rows = NDArray[np.int32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tree:
    """Seconds (n,) from or to a spot, and the next node (n,) on the way back to it: n at the spot, below 0 for none."""

    cost_s: Floats
    toward: Rows


class Graph:
    """A network's links in compressed rows, forwards and backwards, ready for any weights."""

    def __init__(self, network: Network) -> None:
        """Prepare the structure once; weights come with each search."""
        self.network = network
        self.size = len(network.lon)
        self._ahead = _Rows(network.start, network.end, self.size)
        self._back = _Rows(network.end, network.start, self.size)

    def from_spot(self, weight_s: Floats, spot: Snap) -> Tree:
        """Tree of fastest ways from a spot to every node, its links driven on to their ends."""
        cost = (1.0 - spot.shares) * weight_s[spot.links]
        return self._ahead.grow(weight_s, self.network.end[spot.links], cost, np.inf)

    def to_spot(self, weight_s: Floats, spot: Snap, *, limit_s: float = np.inf) -> Tree:
        """Tree of fastest ways from every node to a spot; nodes farther than ``limit_s`` stay unreached."""
        cost = spot.shares * weight_s[spot.links]
        return self._back.grow(weight_s, self.network.start[spot.links], cost, limit_s)

    def links_between(self, nodes: Ints, weight_s: Floats) -> Ints:
        """Quickest link from each node to the next; shape (n - 1,)."""
        keys = nodes[:-1] * self.size + nodes[1:]
        at = np.searchsorted(self._keys, keys)
        found = self._ahead.order[at]
        if self._is_simple:
            return found
        until = np.searchsorted(self._keys, keys, side="right")
        for row in np.flatnonzero(until - at > 1):
            several = self._ahead.order[at[row] : until[row]]
            found[row] = several[np.argmin(weight_s[several])]
        return found

    @cached_property
    def _keys(self) -> Ints:
        order = self._ahead.order
        return self.network.start[order] * self.size + self.network.end[order]

    @cached_property
    def _is_simple(self) -> bool:
        return bool((np.diff(self._keys) > 0).all())


class _Rows:
    """Compressed rows of links by their first node, with room for one row more: the spot."""

    def __init__(self, first: Ints, second: Ints, size: int) -> None:
        self.size = size
        self.order = np.lexsort((second, first))
        self._columns = second[self.order].astype(np.int32)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=size))]).astype(np.int32)

    def grow(self, weight_s: Floats, nodes: Ints, cost_s: Floats, limit_s: float) -> Tree:
        data = np.concatenate([weight_s[self.order], cost_s])
        columns = np.concatenate([self._columns, nodes.astype(np.int32)])
        starts = np.append(self._starts, np.int32(len(columns)))
        graph = csr_array((data, columns, starts), shape=(self.size + 1, self.size + 1))
        cost, toward = dijkstra(graph, indices=[self.size], return_predecessors=True, limit=limit_s)
        return Tree(cost_s=cost[0, :-1], toward=toward[0, :-1])
