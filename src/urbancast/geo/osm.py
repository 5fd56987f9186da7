"""Drivable ways of an OpenStreetMap extract as tables of nodes and directed links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import polars as pl
import shapely

from urbancast.core.errors import ContractError

# Limits in km/h where a way has no `maxspeed`: common urban defaults by class, see the wiki's page "Speed limits".
LIMIT_KMH: Mapping[str, float] = {
    "motorway": 90.0,
    "motorway_link": 50.0,
    "trunk": 70.0,
    "trunk_link": 45.0,
    "primary": 50.0,
    "primary_link": 40.0,
    "secondary": 45.0,
    "secondary_link": 40.0,
    "tertiary": 40.0,
    "tertiary_link": 35.0,
    "unclassified": 35.0,
    "residential": 30.0,
    "living_street": 10.0,
}
DRIVEN_SHARE = 0.7  # of the limit that is driven on average, junctions included; our assumption, the same all day
_CLOSED = {"no", "private", "agricultural", "forestry", "delivery"}
_SPEED = re.compile(r"(\d+(?:\.\d+)?)\s*(mph|knots)?")
_UNIT = {"mph": 1.609344, "knots": 1.852, None: 1.0}


@dataclass(frozen=True, kw_only=True)
class Extract:
    """Tables for ``roads.assemble`` and what was read."""

    nodes: pl.DataFrame
    edges: pl.DataFrame
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Way:
    id: int
    refs: tuple[int, ...]
    lon: tuple[float, ...]
    lat: tuple[float, ...]
    tags: Mapping[str, str]


def read(extract: str | os.PathLike[str] | bytes, *, form: Literal["osm", "osm.pbf"] = "osm.pbf") -> Extract:
    """Links between junctions, one each way that may be driven; turn restrictions are not known.

    ``form`` is that of bytes; a path says its own. Ways are cut where they meet and where the extract lacks a node.
    """
    ways = list(_ways(extract, form))
    meeting = _junctions(ways)
    links: list[tuple[str, int, int, bytes, str | None, float]] = []
    for way in ways:
        links += _links(way, meeting)
    if not links:
        raise ContractError("extract: expected ways with a drivable `highway` tag, found none; choose another extract")
    edges = pl.DataFrame(
        links,
        orient="row",
        schema={
            "link": pl.String,
            "from_node": pl.Int64,
            "to_node": pl.Int64,
            "shape": pl.Binary,
            "name": pl.String,
            "speed_kmh": pl.Float64,
        },
    )
    used = set(edges["from_node"]) | set(edges["to_node"])
    place = {ref: at for way in ways for ref, *at in zip(way.refs, way.lon, way.lat, strict=True) if ref in used}
    ids = sorted(place)
    nodes = pl.DataFrame({"node": ids, "lon": [place[i][0] for i in ids], "lat": [place[i][1] for i in ids]})
    return Extract(nodes=nodes, edges=edges, counts={"ways_used": len({way.id for way in ways})})


def _ways(extract: str | os.PathLike[str] | bytes, form: str) -> Iterator[_Way]:
    """Drivable ways with places; one whose nodes are partly missing comes as its unbroken runs."""
    import osmium

    source: Any = osmium.io.FileBuffer(extract, form) if isinstance(extract, bytes) else os.fspath(extract)
    try:
        reader = osmium.FileProcessor(source, osmium.osm.NODE | osmium.osm.WAY).with_locations()
        reader = reader.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)).with_filter(
            osmium.filter.KeyFilter("highway")
        )
        for way in reader:
            tags = {tag.k: tag.v for tag in way.tags}
            if is_drivable(tags):
                yield from _runs(way, tags)
    except (RuntimeError, OSError) as error:
        raise ContractError(f"extract: expected OpenStreetMap data, found {error}; download it again") from error


def is_drivable(tags: Mapping[str, str]) -> bool:
    """Whether cars may use a way with these tags."""
    access = next((tags[key] for key in ("motorcar", "motor_vehicle", "vehicle", "access") if key in tags), "yes")
    return tags.get("highway") in LIMIT_KMH and access not in _CLOSED and tags.get("area") != "yes"


def directions(tags: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether a way may be driven along and against its drawing."""
    told = tags.get("oneway:motor_vehicle", tags.get("oneway"))
    if told in {"-1", "reverse"}:
        return False, True
    implied = tags.get("junction") in {"roundabout", "circular"} or tags.get("highway") == "motorway"
    if told in {"yes", "true", "1"} or (implied and told not in {"no", "false", "0"}):
        return True, False
    return True, True


def speed_kmh(tags: Mapping[str, str]) -> float:
    """Speed driven in km/h: a share of the limit, which is the tag's or that of the class."""
    found = _SPEED.fullmatch(tags.get("maxspeed", "").strip())
    limit = float(found[1]) * _UNIT[found[2]] if found else 0.0
    return DRIVEN_SHARE * (limit if limit > 0 else LIMIT_KMH[tags["highway"]])


def _runs(way: Any, tags: Mapping[str, str]) -> Iterator[_Way]:
    run: list[tuple[int, float, float]] = []
    for node in [*way.nodes, None]:
        if node is not None and node.location.valid():
            if not run or run[-1][0] != node.ref:
                run.append((node.ref, node.location.lon, node.location.lat))
            continue
        if len(run) > 1:
            refs, lon, lat = zip(*run, strict=True)
            yield _Way(id=way.id, refs=refs, lon=lon, lat=lat, tags=tags)
        run = []


def _junctions(ways: Sequence[_Way]) -> set[int]:
    """Nodes where a way begins, ends, or meets another or itself."""
    if not ways:
        return set()
    refs, uses = np.unique(np.concatenate([way.refs for way in ways]), return_counts=True)
    return set(refs[uses > 1].tolist()) | {ref for way in ways for ref in (way.refs[0], way.refs[-1])}


def _links(way: _Way, meeting: set[int]) -> Iterator[tuple[str, int, int, bytes, str | None, float]]:
    """Links of a way between junctions; a loop is cut in its middle, so that no link ends where it begins."""
    cuts = [at for at, ref in enumerate(way.refs) if ref in meeting]
    cuts = sorted({*cuts, *((a + b) // 2 for a, b in pairwise(cuts) if way.refs[a] == way.refs[b])})
    along, against = directions(way.tags)
    name, speed = way.tags.get("name") or way.tags.get("ref"), speed_kmh(way.tags)
    for a, b in pairwise(cuts):
        xy = np.column_stack([way.lon[a : b + 1], way.lat[a : b + 1]])
        key = f"{way.id}:{way.refs[a]}:{a}"
        if along:
            yield f"{key}+", way.refs[a], way.refs[b], bytes(shapely.to_wkb(shapely.linestrings(xy))), name, speed
        if against:
            yield f"{key}-", way.refs[b], way.refs[a], bytes(shapely.to_wkb(shapely.linestrings(xy[::-1]))), name, speed
