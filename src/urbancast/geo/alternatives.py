"""Other ways that really differ: plateaus of two shortest-path trees, then penalties.

Where the tree from the start and the tree to the end run along the same links, a way through them is locally the
fastest (Jones 2012, "Method of and apparatus for generating routes"; Bader et al. 2011, penalties).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints
from urbancast.geo.search import Graph, Rows, Tree
from urbancast.geo.snap import Snap

MOST_SHARED = 0.7  # of the shorter one's length, between any two
MOST_LONGER = 1.4  # times the fastest's seconds
_MOST_TRIED = 48  # ways through a plateau that are drawn and compared
_PENALTY = 1.5
_ROUNDS = 4
_EPS = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Way:
    """Links in order, the first from ``from_share`` on, the last until ``to_share``; seconds as searched."""

    links: Ints
    from_share: float
    to_share: float
    seconds: float
    metres: Floats

    @property
    def length_m(self) -> float:
        """Metres in all; ``metres`` holds those on each link."""
        return float(self.metres.sum())


def shared_m(mine: tuple[Ints, Floats], theirs: tuple[Ints, Floats]) -> float:
    """Metres on links that both drive, at most what either drives on them; each its links and metres on them."""
    (a, a_m), (b, b_m) = _by_link(*mine), _by_link(*theirs)
    common, i, j = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return float(np.minimum(a_m[i], b_m[j]).sum()) if len(common) else 0.0


def is_other(way: Way, kept: list[Way]) -> bool:
    """Whether a way shares little enough with each of those kept."""
    return all(
        shared_m((way.links, way.metres), (one.links, one.metres))
        <= MOST_SHARED * min(way.length_m, one.length_m) + _EPS
        for one in kept
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Quest:
    """One question: where from, where to, and the seconds each link takes."""

    graph: Graph
    start: Snap
    end: Snap
    weight_s: Floats

    def ways(self, count: int) -> list[Way]:
        """The fastest way and up to ``count - 1`` others; none where there is no way."""
        ahead = self.graph.from_spot(self.weight_s, self.start)
        best_s = self._best_s(ahead)
        direct = self._direct()
        if direct is not None and direct.seconds <= best_s + _EPS:
            return [direct]
        if not np.isfinite(best_s):
            return []
        back = self.graph.to_spot(self.weight_s, self.end, limit_s=MOST_LONGER * best_s + 1.0)
        total = ahead.cost_s + back.cost_s
        nodes = self._nodes(int(total.argmin()), ahead, back)
        best = self._of_nodes(nodes)
        kept = [best]
        shared = self._shared_m(nodes, ahead, back) if count > 1 else total
        near = np.flatnonzero((total <= MOST_LONGER * best.seconds) & (shared <= MOST_SHARED * best.length_m))
        for way in self._candidates(best, ahead, back, near) if count > 1 else ():
            if way.seconds <= MOST_LONGER * best.seconds and is_other(way, kept):
                kept.append(way)
            if len(kept) == count:
                break
        return kept

    def _best_s(self, ahead: Tree) -> float:
        last = ahead.cost_s[self.graph.network.start[self.end.links]] + self.end.shares * self.weight_s[self.end.links]
        return float(last.min())

    def _direct(self) -> Way | None:
        """The way along one link that both ends lie on, where it leads from start to end."""
        found = []
        for link, share in zip(self.start.links, self.start.shares, strict=True):
            for until in self.end.shares[self.end.links == link]:
                if until > share:
                    part = float(until - share)
                    metres = np.array([part * self.graph.network.length_m[link]])
                    seconds = part * float(self.weight_s[link])
                    found.append(Way(links=np.array([link]), from_share=float(share), to_share=float(until),
                                     seconds=seconds, metres=metres))  # fmt: skip
        return min(found, key=lambda way: way.seconds, default=None)

    def _candidates(self, best: Way, ahead: Tree, back: Tree, near: Ints) -> Iterator[Way]:
        """Ways through plateaus among the nodes given, then ways that penalties on those drawn before lead to."""
        for node in _plateaus(ahead, back, near)[:_MOST_TRIED]:
            nodes = self._nodes(int(node), ahead, back)
            if len(set(nodes.tolist())) == len(nodes):
                yield self._of_nodes(nodes)
        weight_s = self.weight_s.copy()
        drawn = best
        for _ in range(_ROUNDS):
            weight_s[drawn.links] *= _PENALTY
            tree = self.graph.from_spot(weight_s, self.start)
            drawn = self._ended(tree, weight_s)
            yield drawn

    def _nodes(self, node: int, ahead: Tree, back: Tree) -> Ints:
        """Nodes from start to end on the quickest way by a node."""
        there, on = _chain(ahead.toward, node, self.graph.size), _chain(back.toward, node, self.graph.size)
        return np.array([*there[::-1], *on[1:]], dtype=np.int64)

    def _shared_m(self, nodes: Ints, ahead: Tree, back: Tree) -> Floats:
        """Metres between junctions that the quickest way by each node shares with that along ``nodes``; shape (n,).

        In either tree such ways part once: they share what lies before the first and after the last node they leave.
        """
        lengths = self.graph.network.length_m[self.graph.links_between(nodes, self.weight_s)]
        metres = np.full(self.graph.size + 1, 0.0)
        metres[nodes] = np.concatenate([[0.0], np.cumsum(lengths)])
        rest = np.full(self.graph.size + 1, 0.0)
        rest[nodes] = lengths.sum() - metres[nodes]
        return np.asarray(metres[_meets(ahead.toward, nodes)] + rest[_meets(back.toward, nodes)], dtype=np.float64)

    def _ended(self, tree: Tree, weight_s: Floats) -> Way:
        """Way to the end by a tree from the start."""
        last = self.graph.network.start[self.end.links]
        cost = tree.cost_s[last] + self.end.shares * weight_s[self.end.links]
        chain = _chain(tree.toward, int(last[cost.argmin()]), self.graph.size)
        return self._of_nodes(np.array(chain[::-1], dtype=np.int64))

    def _of_nodes(self, nodes: Ints) -> Way:
        network, weight_s = self.graph.network, self.weight_s
        out = np.flatnonzero(network.end[self.start.links] == nodes[0])
        first = out[np.argmin((1.0 - self.start.shares[out]) * weight_s[self.start.links[out]])]
        into = np.flatnonzero(network.start[self.end.links] == nodes[-1])
        last = into[np.argmin(self.end.shares[into] * weight_s[self.end.links[into]])]
        between = self.graph.links_between(nodes, weight_s)
        links = np.concatenate([[self.start.links[first]], between, [self.end.links[last]]])
        part = np.ones(len(links))
        part[0], part[-1] = 1.0 - self.start.shares[first], self.end.shares[last]
        from_share, to_share = float(self.start.shares[first]), float(self.end.shares[last])
        if part[-1] <= _EPS:
            links, part, to_share = links[:-1], part[:-1], 1.0
        if part[0] <= _EPS and len(links) > 1:
            links, part, from_share = links[1:], part[1:], 0.0
        seconds = float((part * weight_s[links]).sum())
        metres = part * network.length_m[links]
        return Way(links=links, from_share=from_share, to_share=to_share, seconds=seconds, metres=metres)


def _by_link(driven: Ints, metres: Floats) -> tuple[Ints, Floats]:
    links, row = np.unique(driven, return_inverse=True)
    return links, np.bincount(row, metres, len(links)).astype(np.float64)


def _chain(toward: Rows, node: int, spot: int) -> list[int]:
    """Nodes from a node back to the spot of its tree."""
    nodes = [node]
    while (node := int(toward[node])) != spot:
        nodes.append(node)
    return nodes


def _meets(toward: Rows, nodes: Ints) -> Ints:
    """Node of ``nodes`` at which each node's way to the spot of its tree joins them, else the spot; shape (n,)."""
    spot = len(toward)
    up = np.append(toward.astype(np.int64), spot)
    up[up < 0] = spot
    up[nodes] = nodes
    while not np.array_equal(higher := up[up], up):
        up = higher
    return up[:-1]


def _plateaus(ahead: Tree, back: Tree, near: Ints) -> Ints:
    """One node of each run of links between ``near`` nodes that both trees use; those good for longest first."""
    total = ahead.cost_s + back.cost_s
    spot = len(total)
    row = np.full(spot + 1, -1, dtype=np.int64)
    row[near] = np.arange(len(near))
    parent = np.where(ahead.toward[near] < 0, spot, ahead.toward[near]).astype(np.int64)
    is_joined = row[parent] >= 0
    is_joined[is_joined] = back.toward[parent[is_joined]] == near[is_joined]
    root = np.where(is_joined, row[parent], np.arange(len(near)))
    while True:
        higher = root[root]
        if np.array_equal(higher, root):
            break
        root = higher
    length = np.zeros(len(near))
    np.maximum.at(length, root, ahead.cost_s[near] - ahead.cost_s[near[root]])
    heads = np.flatnonzero((root == np.arange(len(near))) & (length > 0))
    order = np.lexsort((near[heads], np.round(total[near[heads]] - length[heads], 6)))
    return near[heads[order]]
