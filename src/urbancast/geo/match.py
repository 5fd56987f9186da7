"""A line drawn by someone else, as a run of our links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from urbancast.geo.metric import Floats
from urbancast.geo.network import Ints, Network
from urbancast.geo.snap import Snapper

STEP_M = 12.0  # the line is looked at this often
NEAR_M = 25.0  # farther from it a link is another road
MOST_TURN = 0.7  # least cosine between the line and a link driven along it: 45°
_TURN_M = 20.0  # metres that a link at right angles would count as farther away


@dataclass(frozen=True, eq=False, kw_only=True)
class Matched:
    """Runs of a line on one link each (-1: on none of ours); see ``routing.Path`` for the fields."""

    links: Ints
    from_share: Floats
    to_share: Floats
    link_m: Floats
    lon: Floats
    lat: Floats
    first_vertex: Ints


def match(network: Network, snapper: Snapper, *, lon: Floats, lat: Floats) -> Matched:
    """Links a line runs along, step by step: the nearest that leads the same way."""
    lon, lat = _denser(lon, lat)
    metres = Network.steps_m(lon, lat)[1:]
    link, share = _nearest(network, snapper, lon=lon, lat=lat)
    first = np.flatnonzero(np.diff(link, prepend=-2))
    last = np.append(first[1:], len(link)) - 1
    links = link[first]
    length_m = np.where(links >= 0, network.length_m[links], 1.0)
    from_share = np.clip(share[first] - metres[first] / 2 / length_m, 0.0, 1.0)
    to_share = np.clip(share[last] + metres[last] / 2 / length_m, 0.0, 1.0)
    is_off = links < 0
    from_share[is_off], to_share[is_off] = 0.0, 1.0
    return Matched(
        links=links, from_share=from_share, to_share=np.maximum(to_share, from_share),
        link_m=np.add.reduceat(metres, first), lon=lon, lat=lat, first_vertex=np.append(first, len(lon) - 1),
    )  # fmt: skip


def _denser(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The same line without repeated vertices and with one at least every ``STEP_M``."""
    along = np.cumsum(Network.steps_m(lon, lat))
    kept = np.concatenate([[True], np.diff(along) > 1e-6])
    along, lon, lat = along[kept], lon[kept], lat[kept]
    count = np.maximum(1, np.ceil(np.diff(along) / STEP_M)).astype(np.int64)
    begin = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(begin)) - np.repeat(np.cumsum(count) - count, count)
    at = np.append(along[begin] + nth / count[begin] * np.diff(along)[begin], along[-1])
    return np.interp(at, along, lon), np.interp(at, along, lat)


def _nearest(network: Network, snapper: Snapper, *, lon: Floats, lat: Floats) -> tuple[Ints, Floats]:
    """Link (-1: none) and share at the middle of each step; shape (steps,)."""
    step, found, share, away = snapper.within((lon[1:] + lon[:-1]) / 2, (lat[1:] + lat[:-1]) / 2, limit_m=NEAR_M)
    flat = np.cos(np.radians(lat.mean()))
    heading = _unit(np.column_stack([np.diff(lon) * flat, np.diff(lat)]))
    cosine = (heading[step] * _heading(network, found, share, flat)).sum(axis=1)
    ok = cosine >= MOST_TURN
    step, found, share, score = step[ok], found[ok], share[ok], (away + _TURN_M * (1 - cosine))[ok]
    order = np.lexsort((found, np.round(score, 3), step))
    best = order[np.unique(step[order], return_index=True)[1]]
    link, at = np.full(len(lon) - 1, -1, dtype=np.int64), np.zeros(len(lon) - 1)
    link[step[best]], at[step[best]] = found[best], share[best]
    return link, at


def _heading(network: Network, link: Ints, share: Floats, flat: float) -> Floats:
    """Direction of links at a share of their length, as unit vectors; shape (n, 2)."""
    place = np.repeat(np.arange(network.links), np.diff(network.vertex)) * 2.0 + network.vertex_share
    after = np.searchsorted(place, link * 2.0 + np.clip(share, 1e-9, 1.0), side="left")
    after = np.clip(after, network.vertex[link] + 1, network.vertex[link + 1] - 1)
    east = network.vertex_lon[after] - network.vertex_lon[after - 1]
    return _unit(np.column_stack([east * flat, network.vertex_lat[after] - network.vertex_lat[after - 1]]))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.hypot(*vectors.T), 1e-15)[:, None], dtype=np.float64)
