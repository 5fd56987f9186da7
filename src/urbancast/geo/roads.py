"""From tables of nodes, links and times to a network: checked, timed, and connected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from urbancast.core.errors import ContractError
from urbancast.geo.metric import Floats
from urbancast.geo.network import DAY_TYPES, LEAST_KMH, MOST_KMH, Ints, Network

Slots = NDArray[np.float32]
DEFAULT_KMH = 25.0  # where neither a speed nor a time is known
_SAME_DEG = 1e-7  # a centimetre: mean vertices of one line drawn both ways
_LEAST_M = 0.1  # a link is never shorter: its time would be nothing
_SLOTS = len(DAY_TYPES) * 24


def assemble(
    nodes: pl.DataFrame,
    edges: pl.DataFrame,
    times: pl.DataFrame | None = None,
    *,
    counts: Mapping[str, int] | None = None,
) -> Network:
    """Network of canonical tables: largest strongly connected part, speeds within LEAST_KMH … MOST_KMH.

    A link-hour without a time gets the link's own mean, without any its ``speed_kmh`` or DEFAULT_KMH. Counted:
    links read, used, without a node, closed on themselves, repeated, cut off; times clipped and filled.
    """
    _check(nodes, "nodes", {"node": None, "lon": pl.Float64, "lat": pl.Float64})
    _check(edges, "edges", {"link": None, "from_node": None, "to_node": None})
    place = _nodes(nodes)
    kept, left_out = _links(edges, place)
    lon, lat = place["lon"].to_numpy(), place["lat"].to_numpy()
    start, end = kept["start"].to_numpy(), kept["end"].to_numpy()
    vertex, xy = _shapes(kept, lon, lat)
    link = np.repeat(np.arange(kept.height), np.diff(vertex))
    steps = Network.steps_m(xy[:, 0], xy[:, 1])
    steps[vertex[:-1]] = 0.0
    drawn_m = np.bincount(link, steps, kept.height)
    given = kept["length_m"].to_numpy()
    length_m = np.maximum(np.where(np.isfinite(given) & (given > 0), given, drawn_m), _LEAST_M)
    seconds, timing = _seconds(kept, length_m, times)
    names = ["", *kept["name"].drop_nulls().unique().sort().to_list()]
    names = list(dict.fromkeys(names))
    row_of = {text: row for row, text in enumerate(names)}
    network = Network(
        lon=lon, lat=lat, start=start, end=end, length_m=length_m,
        name=np.array([row_of[text or ""] for text in kept["name"]], dtype=np.int64), names=tuple(names),
        seconds=seconds, vertex=vertex, vertex_lon=xy[:, 0], vertex_lat=xy[:, 1],
    )  # fmt: skip
    whole, cut_off = _largest(network)
    return _with_counts(whole, {**(counts or {}), "links_read": edges.height, **left_out, **cut_off, **timing})


def twins(network: Network) -> Ints:
    """Row of the link drawn through the same vertices the other way, -1 where there is none; shape (m,)."""
    size = len(network.lon)
    there, back = network.start * size + network.end, network.end * size + network.start
    held = np.diff(network.vertex)
    drawn = [np.add.reduceat(values, network.vertex[:-1]) / held for values in (network.vertex_lon, network.vertex_lat)]
    order = np.argsort(there, kind="stable")
    low, high = (np.searchsorted(there[order], back, side=side) for side in ("left", "right"))
    found = np.full(network.links, -1, dtype=np.int64)
    for nth in range(int((high - low).max(initial=0))):
        open_ = np.flatnonzero((found < 0) & (low + nth < high))
        other = order[low[open_] + nth]
        is_same = held[other] == held[open_]
        for middle in drawn:
            is_same &= np.abs(middle[other] - middle[open_]) < _SAME_DEG
        found[open_[is_same]] = other[is_same]
    return found


def of_slots(seconds: Slots, change: Callable[[Slots], Slots]) -> Slots:
    """Changed times of every slot; times that are the same in all are held, and changed, once."""
    if seconds.strides[:2] == (0, 0):
        once = change(seconds[:1, :1])
        return np.broadcast_to(once, (*seconds.shape[:2], once.shape[-1]))
    return change(seconds)


def _check(table: pl.DataFrame, name: str, columns: Mapping[str, type[pl.DataType] | None]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ContractError(
            f"{name}: expected columns {', '.join(columns)}, found {', '.join(table.columns)}; add {', '.join(missing)}"
        )
    if table.is_empty():
        raise ContractError(f"{name}: expected rows, found none; read the file again")


def _nodes(nodes: pl.DataFrame) -> pl.DataFrame:
    """Nodes with text ids and their row; a repeated id or a place off the globe is refused."""
    place = nodes.select(
        node=pl.col("node").cast(pl.String), lon=pl.col("lon").cast(pl.Float64), lat=pl.col("lat").cast(pl.Float64)
    )
    is_on_globe = pl.col("lon").is_between(-180, 180) & pl.col("lat").is_between(-90, 90)
    off = place.filter(~is_on_globe.fill_null(value=False))
    if off.height:
        raise ContractError(f"nodes: expected lon and lat in degrees, found {off.row(0)}; columns may be swapped")
    repeated = place.filter(pl.col("node").is_duplicated())
    if repeated.height:
        raise ContractError(f"nodes: expected one row an id, found {repeated['node'][0]!r} repeated; merge its rows")
    return place.with_row_index("row")


def _links(edges: pl.DataFrame, place: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Usable links with the rows of their nodes, and how many of the others there are by reason."""
    optional = {"length_m": pl.Float64, "name": pl.String, "speed_kmh": pl.Float64, "shape": pl.Null}
    extra = [pl.lit(None, dtype=kind).alias(name) for name, kind in optional.items() if name not in edges.columns]
    rows = place.select("node", pl.col("row").cast(pl.Int64))
    table = (
        edges.with_columns(extra)
        .with_columns(
            pl.col("link", "from_node", "to_node").cast(pl.String),
            pl.col("length_m", "speed_kmh").cast(pl.Float64).fill_null(float("nan")),
        )
        .join(rows.rename({"node": "from_node", "row": "start"}), on="from_node", how="left", maintain_order="left")
        .join(rows.rename({"node": "to_node", "row": "end"}), on="to_node", how="left", maintain_order="left")
    )
    no_node = pl.any_horizontal(pl.col("start", "end", "link").is_null())
    closed = ~no_node & (pl.col("start") == pl.col("end"))
    again = ~no_node & ~closed & ~pl.col("link").is_first_distinct()
    marked = table.with_columns(no_node=no_node, closed=closed, again=again)
    counts = {
        "links_without_node": int(marked["no_node"].sum()),
        "links_closed": int(marked["closed"].sum()),
        "links_repeated": int(marked["again"].sum()),
    }
    kept = marked.filter(~(pl.col("no_node") | pl.col("closed") | pl.col("again"))).drop("no_node", "closed", "again")
    if kept.is_empty():
        raise ContractError(f"edges: expected links between known nodes, found {counts}; check the node ids")
    return kept, counts


def _shapes(kept: pl.DataFrame, lon: Floats, lat: Floats) -> tuple[Ints, Floats]:
    """Offsets (m + 1,) and vertices (v, 2) of all links; straight where no shape is given, ends at the nodes."""
    start, end = kept["start"].to_numpy(), kept["end"].to_numpy()
    first, last = np.column_stack([lon[start], lat[start]]), np.column_stack([lon[end], lat[end]])
    inner = np.zeros((0, 2))
    row = np.zeros(0, dtype=np.int64)
    if kept["shape"].dtype != pl.Null:
        read = shapely.from_wkb if kept["shape"].dtype == pl.Binary else shapely.from_wkt
        lines = read(kept["shape"].to_numpy())
        inner, row = shapely.get_coordinates(lines, return_index=True)
        is_inner = np.ones(len(row), dtype=bool)
        change = np.flatnonzero(np.diff(row, prepend=-1))
        is_inner[change] = False
        is_inner[np.flatnonzero(np.diff(row, append=-1))] = False
        inner, row = inner[is_inner], row[is_inner]
    link = np.arange(kept.height)
    owner = np.concatenate([link, row, link])
    rank = np.concatenate([np.zeros(len(link)), np.ones(len(row)), np.full(len(link), 2)])
    order = np.lexsort((rank, owner))
    vertex = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=kept.height))]).astype(np.int64)
    return vertex, np.concatenate([first, inner, last])[order]


def _seconds(kept: pl.DataFrame, length_m: Floats, times: pl.DataFrame | None) -> tuple[Slots, dict[str, int]]:
    """Seconds (3, 24, m) and how many were read, clipped and filled."""
    speed = kept["speed_kmh"].to_numpy()
    speed = np.where(np.isfinite(speed) & (speed > 0), speed, DEFAULT_KMH)
    grid = np.full((1 if times is None else _SLOTS, kept.height), np.nan)
    unknown = 0 if times is None else _fill(grid, kept, times)
    known = np.isfinite(grid)
    number = known.sum(axis=0)
    own = np.where(number > 0, np.where(known, grid, 0.0).sum(axis=0) / np.maximum(number, 1), length_m / speed * 3.6)
    full = np.where(known, grid, own)
    clipped = np.clip(full, length_m * 3.6 / MOST_KMH, length_m * 3.6 / LEAST_KMH)
    counts = {
        "times_read": 0 if times is None else times.height,
        "times_of_no_link": unknown,
        "times_clipped": int((known & (clipped != full)).sum()),
        "times_filled": 0 if times is None else int((~known).sum()),
    }
    slots = (len(DAY_TYPES), 24, kept.height)
    narrow = clipped.astype(np.float32)
    return (narrow.reshape(slots) if len(narrow) == _SLOTS else np.broadcast_to(narrow, slots)), counts


def _fill(grid: Floats, kept: pl.DataFrame, times: pl.DataFrame) -> int:
    """Write the times into the grid of slots and links; the number of rows whose link is not used."""
    _check(times, "times", {"link": None, "day_type": None, "hour": None, "seconds": None})
    odd = times.filter(~pl.col("day_type").is_in(DAY_TYPES) | ~pl.col("hour").is_between(0, 23)).select(
        "day_type", "hour"
    )
    if odd.height:
        raise ContractError(
            f"times: expected day_type {', '.join(DAY_TYPES)} and hour 0 … 23, found {odd.row(0)}; map them"
        )
    twice = times.select("link", "day_type", "hour").is_duplicated()
    if twice.any():
        raise ContractError(f"times: expected one row a link and hour, found {int(twice.sum())} repeated; merge them")
    day = pl.col("day_type").replace_strict(dict(zip(DAY_TYPES, range(3), strict=True)), return_dtype=pl.Int64)
    rows = times.select(
        link=pl.col("link").cast(pl.String), slot=day * 24 + pl.col("hour").cast(pl.Int64), seconds="seconds"
    ).join(kept.select("link").with_row_index("at"), on="link", how="left")
    found = rows.filter(pl.col("at").is_not_null() & pl.col("seconds").is_not_null())
    grid[found["slot"].to_numpy(), found["at"].to_numpy()] = found["seconds"].to_numpy()
    return int(rows["at"].is_null().sum())


def _largest(network: Network) -> tuple[Network, dict[str, int]]:
    """The largest strongly connected part, and what was cut off."""
    size = len(network.lon)
    graph = csr_array((np.ones(network.links), (network.start, network.end)), shape=(size, size))
    _, part = connected_components(graph, connection="strong")
    is_in = part == np.bincount(part).argmax()
    keep = is_in[network.start] & is_in[network.end]
    counts = {
        "nodes_used": int(is_in.sum()),
        "nodes_cut_off": int((~is_in).sum()),
        "links_used": int(keep.sum()),
        "links_cut_off": int((~keep).sum()),
    }
    if not keep.any():
        raise ContractError("edges: expected links that can be driven in a circle, found none; check their directions")
    if keep.all() and is_in.all():
        return network, counts
    row = np.cumsum(is_in) - 1
    held = np.diff(network.vertex)
    is_vertex = np.repeat(keep, held)
    return Network(
        lon=network.lon[is_in], lat=network.lat[is_in], start=row[network.start[keep]], end=row[network.end[keep]],
        length_m=network.length_m[keep], name=network.name[keep], names=network.names,
        seconds=of_slots(network.seconds, lambda values: values[..., keep]),
        vertex=np.concatenate([[0], np.cumsum(held[keep])]).astype(np.int64),
        vertex_lon=network.vertex_lon[is_vertex], vertex_lat=network.vertex_lat[is_vertex],
    ), counts  # fmt: skip


def _with_counts(network: Network, counts: Mapping[str, int]) -> Network:
    return replace(network, counts=dict(counts))
