"""What a path drives in each zone, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints, Network
from urbancast.geo.pieces import SLIVER_M, Pieces
from urbancast.geo.routing import Path
from urbancast.geo.timing import Times


@dataclass(frozen=True, eq=False, kw_only=True)
class Along:
    """What a path drives in zones, in order: q pieces, seen at k departures.

    ``place``: row of ``Pieces.places``; ``link``: of the network; ``piece``: of ``Pieces``; ``step``: row of the
    path's links; ``share`` of the link's length from ``first_share`` on; ``length_m``. Shape (q,). ``enter_s``,
    ``seconds``: shape (k, q), of one departure (q,).
    """

    place: Ints
    link: Ints
    piece: Ints
    step: Ints
    share: Floats
    first_share: Floats
    length_m: Floats
    enter_s: Floats
    seconds: Floats


def along(path: Path, pieces: Pieces, times: Times | None = None) -> Along:
    """Pieces a path drives, in order, at its own departure or at those of ``times``."""
    known = np.flatnonzero(path.links >= 0)
    low, high = pieces.first[path.links[known]], pieces.first[path.links[known] + 1]
    count = high - low
    step = np.repeat(known, count)
    piece = np.repeat(low - (np.cumsum(count) - count), count) + np.arange(len(step))
    begin, end = path.from_share[step], path.to_share[step]
    first = np.maximum(pieces.from_share[piece], begin)
    last = np.minimum(pieces.to_share[piece], end)
    span = np.where(end > begin, end - begin, 1.0)
    length_m = (last - first) / span * path.link_m[step]
    kept = length_m >= SLIVER_M
    step, piece, length_m = step[kept], piece[kept], length_m[kept]
    first, last, begin, span = first[kept], last[kept], begin[kept], span[kept]
    enter_s = path.enter_s if times is None else times.enter_s
    link_s = path.link_s if times is None else times.link_s
    part = (last - first) / span
    return Along(
        place=pieces.place[piece], link=path.links[step], piece=piece, step=step, share=last - first,
        first_share=first, length_m=length_m,
        enter_s=enter_s[..., step] + (first - begin) / span * link_s[..., step], seconds=part * link_s[..., step],
    )  # fmt: skip


def visits(found: Along) -> Ints:
    """First row of each unbroken stay in one zone; shape (stays,)."""
    return np.flatnonzero(np.diff(found.place, prepend=-1)).astype(np.int64)


def trace(path: Path, found: Along) -> tuple[Floats, Floats, Ints, Ints]:
    """A path's line with a vertex at every cut: lon, lat (v,), and first and last vertex of each piece (q,)."""
    metres = np.cumsum(Network.steps_m(path.lon, path.lat))
    at = metres[path.first_vertex]
    span = np.where(path.to_share > path.from_share, path.to_share - path.from_share, 1.0)
    begin = (found.first_share - path.from_share[found.step]) / span[found.step]
    end = begin + found.share / span[found.step]
    drawn = np.diff(at)[found.step]
    low, high = at[found.step] + begin * drawn, at[found.step] + end * drawn
    wanted = np.unique(np.round(np.concatenate([metres, low, high]), 3))
    lon, lat = np.interp(wanted, metres, path.lon), np.interp(wanted, metres, path.lat)
    first, last = (np.searchsorted(wanted, np.round(values, 3)) for values in (low, high))
    return lon, lat, first.astype(np.int64), last.astype(np.int64)
