"""Roads: built from what was pulled, and served with each street's share of its zone's events as known then."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Source
from urbancast.core.time import as_utc, iso
from urbancast.flows.job import Job
from urbancast.geo import pieces as cutting, shares
from urbancast.geo.network import Network
from urbancast.geo.pieces import Pieces
from urbancast.geo.streets import Streets
from urbancast.lake import network as kept, places, raw, serving
from urbancast.portals import layouts
from urbancast.portals.fetched import Fetched

ROLE = "network"
KEEP = timedelta(days=28)  # roads of a portal are asked, and shares made, anew after this
HOURS = tuple(f"h{hour:02d}" for hour in range(24))
_VERSION = 1  # of what is built from the same inputs


def is_due(job: Job, source: Source) -> bool:
    """Whether a pull asks the source: of roads at a portal only where the newest kept page is old."""
    if source.role != ROLE or source.name in job.links:
        return True
    pages = raw.manifest(job.lake, job.product.id, source.name)
    newest = pages["fetched_at"].max()
    return not isinstance(newest, datetime) or job.now - as_utc(newest) >= KEEP


def put(job: Job) -> dict[str, Any]:
    """Build the roads and cut them by the zones, where their inputs are new; counts of what was used and refused.

    Real roads are never cut by schematic zones: nothing is built.
    """
    known = places.get(job.lake, job.product.id)
    key = _key(job, known)
    if key is None:
        return {"roads": "none"}
    if job.provenance != "sample" and bool(known["is_schematic"].any()):
        return {"roads": "need real boundaries"}
    packed = kept.built(job.lake, job.product.id, key)
    if packed is None:
        frames = {source.name: _newest(job, source) for source in _sources(job)}
        network = _network(job, [frame for frame in frames.values() if frame is not None])
        cut = cutting.cut(network, known)
        bare = Streets(
            network=network, pieces=cut, trips=_trips(cut, [f for f in frames.values() if f is not None]),
            row_street=np.zeros(0, dtype=np.int64), row_place=np.zeros(0, dtype=np.int64), row_share=np.zeros(0),
            events=np.zeros(0),
        )  # fmt: skip
        packed = bare.dump()
        kept.put(job.lake, job.product.id, key, packed)
    found = Streets.load(packed)
    return {"roads": key, **found.network.counts, "pieces": len(found.pieces)}


def version(job: Job, origin: datetime) -> dict[str, str]:
    """Name of the roads to serve from an origin, as ``{"network": name}``; empty for a product without roads.

    Kept as served for 28 days, or while newer inputs make no roads; then, or when roads or zones changed, shares are
    made anew from the events available at the origin.
    """
    known = places.get(job.lake, job.product.id) if job.recipe.events and _sources(job) else pl.DataFrame()
    key = _key(job, known) if known.height else None
    packed = kept.built(job.lake, job.product.id, key) if key else None
    row = serving.current(job.lake).get(job.product.id)
    named = row["versions"].get(ROLE) if row else None
    if packed is None or key is None:
        return {ROLE: named} if key and named else {}
    if isinstance(named, str) and _is_current(Streets.load(kept.load(job.lake, job.product.id, named)), key, origin):
        return {ROLE: named}
    bare = Streets.load(packed)
    made = shares.build(bare.network, bare.pieces, known, _events(job, origin), bare.trips)
    facts = {**made.facts, "built": key, "known_at": iso(origin), "counts": dict(bare.network.counts)}
    whole = Streets(
        network=made.network, pieces=made.pieces, row_street=made.row_street, row_place=made.row_place,
        row_share=made.row_share, events=made.events, trips=made.trips, facts=facts,
    )  # fmt: skip
    return {ROLE: kept.keep(job.lake, job.product.id, whole.dump())}


def _is_current(served: Streets, key: str, origin: datetime) -> bool:
    age = origin - datetime.fromisoformat(served.facts["known_at"])
    return served.facts["built"] == key and timedelta(0) <= age < KEEP


def _sources(job: Job) -> list[Source]:
    return [source for source in job.recipe.sources if source.role == ROLE]


def _key(job: Job, known: pl.DataFrame) -> str | None:
    """Hash of the newest pages and the zones; null without pages."""
    named = [source.name for source in _sources(job)]
    pages = raw.manifest(job.lake, job.product.id).filter(pl.col("source").is_in(named))
    newest = pages.group_by("source", maintain_order=True).last().sort("source")
    if newest.is_empty():
        return None
    parts = [f"{source}:{sha}" for source, sha in newest.select("source", "sha256").iter_rows()]
    zones = known.select("place", "geometry").sort("place").hash_rows(seed=0).to_numpy().tobytes()
    return hashlib.sha256("|".join([str(_VERSION), *parts]).encode() + zones).hexdigest()[:24]


def _newest(job: Job, source: Source) -> pl.DataFrame | None:
    """Canonical rows of a source's newest page: an older file of roads is no part of them."""
    pages = raw.read(job.lake, job.product.id, source.name)
    if not pages:
        return None
    return layouts.parse(source, Fetched.of_page(pages[-1].manifest, pages[-1].payload))


def _network(job: Job, frames: list[pl.DataFrame]) -> Network:
    """Network of what the frames hold, told by their columns: an extract, or nodes, edges and times."""
    extract = [frame for frame in frames if "bytes" in frame.columns]
    nodes = [frame for frame in frames if {"node", "lat", "lon"} <= set(frame.columns)]
    edges = [frame for frame in frames if {"from_node", "to_node"} <= set(frame.columns)]
    times = [_long(frame) for frame in frames if "day_type" in frame.columns]
    if len(extract) == 1 and not nodes and not edges:
        payload = extract[0]["bytes"][0]
        return Network.of_osm(payload, form="osm.pbf" if b"OSMHeader" in payload[:64] else "osm")
    if extract or len(nodes) != 1 or len(edges) != 1:
        raise ContractError(
            f"{job.product.id}: expected the roads as nodes and edges, or as one extract, found {len(nodes)} tables of "
            f"nodes, {len(edges)} of edges and {len(extract)} extracts; name one kind with --source"
        )
    return Network.of_tables(nodes[0], edges[0], pl.concat(times) if times else None)


def _long(wide: pl.DataFrame) -> pl.DataFrame:
    """Times as link, day_type, hour, seconds."""
    rows = wide.unpivot(HOURS, index=["link", "day_type"], variable_name="hour", value_name="seconds")
    return rows.with_columns(hour=pl.col("hour").str.slice(1).cast(pl.Int64))


def _trips(cut: Pieces, frames: list[pl.DataFrame]) -> Any:
    """Trips an hour by place and local hour of week; shape (places, 168), (places, 0) where there is no such table."""
    tables = [frame for frame in frames if "trips" in frame.columns]
    if not tables:
        return np.zeros((len(cut.places), 0))
    number = {name: row for row, name in enumerate(cut.places)}
    rows = tables[0].filter(pl.col("place").is_in(cut.places) & pl.col("hour_of_week").is_between(0, 167)).drop_nulls()
    out = np.full((len(cut.places), 168), np.nan)
    at = rows["place"].replace_strict(number, return_dtype=pl.Int64).to_numpy()
    out[at, rows["hour_of_week"].to_numpy()] = rows["trips"].to_numpy()
    return out


def _events(job: Job, origin: datetime) -> pl.DataFrame:
    """Events available at the origin."""
    if job.recipe.events is None:
        raise ContractError(f"{job.product.id}: expected Recipe.events to split zones over roads, found none; add it")
    frames = {}
    for source in job.recipe.sources:
        if source.role == "observations":
            pages = raw.read(job.lake, job.product.id, source.name, until=origin)
            parsed = [layouts.parse(source, Fetched.of_page(page.manifest, page.payload)) for page in pages]
            empty = pl.DataFrame(schema={**source.schema, "_row": pl.Int64})
            frames[source.name] = pl.concat(parsed, how="diagonal_relaxed") if parsed else empty
    return job.recipe.events(frames).filter(pl.col("available_at") <= origin)
