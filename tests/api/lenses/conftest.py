"""A lattice of streets over the three zones of the tests' city, with a history that lies on one avenue of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from urbancast.core.time import HOUR
from urbancast.geo import pieces, shares
from urbancast.geo.network import DAY_TYPES, Network
from urbancast.geo.streets import Streets
from urbancast.lake import network as kept, places, releases, serving
from urbancast.lake.store import Lake

ORIGIN = datetime(2021, 10, 30, tzinfo=UTC)  # of the tests' city
LON = np.round(np.arange(-73.938, -73.880, 0.004), 6)
LAT = np.round(np.arange(40.704, 40.798, 0.006), 6)
AVENUE = float(LON[3])  # where most of the past lies
DISPERSION = 0.4


def roads(*, without: float | None = None, until: float | None = None) -> Network:
    """Two-way streets between neighbours; ``without``: a longitude that no street crosses, ``until``: nor lies beyond.

    Links are taken out by hand: tables keep only roads that all reach each other.
    """
    node = {(x, y): n for n, (x, y) in enumerate((x, y) for x in range(len(LON)) for y in range(len(LAT)))}
    nodes = pl.DataFrame({"node": list(node.values()), "lon": [float(LON[x]) for x, _ in node],
                          "lat": [float(LAT[y]) for _, y in node]})  # fmt: skip
    pairs = [(n, node[to]) for (x, y), n in node.items() for to in ((x + 1, y), (x, y + 1)) if to in node]
    both = pairs + [(b, a) for a, b in pairs]
    edges = pl.DataFrame({"link": range(len(both)), "from_node": [a for a, _ in both], "to_node": [b for _, b in both]})
    times = pl.DataFrame(
        [(link, day, hour, 40.0 + 20.0 * (7 <= hour < 20)) for link in range(len(both)) for day in DAY_TYPES
         for hour in range(24)], schema=["link", "day_type", "hour", "seconds"], orient="row",
    )  # fmt: skip
    network = Network.of_tables(nodes, edges, times)
    cut = without or until
    if cut is None:
        return network
    is_west, ends_west = network.lon[network.start] < cut, network.lon[network.end] < cut
    keep = is_west & ends_west if until else is_west == ends_west
    held = np.diff(network.vertex)[keep]
    vertices = np.repeat(keep, np.diff(network.vertex))
    return replace(
        network, start=network.start[keep], end=network.end[keep], length_m=network.length_m[keep],
        name=network.name[keep], seconds=network.seconds[:, :, keep],
        vertex=np.concatenate([[0], np.cumsum(held)]).astype(np.int64), vertex_lon=network.vertex_lon[vertices],
        vertex_lat=network.vertex_lat[vertices],
    )  # fmt: skip


def history() -> pl.DataFrame:
    """600 crashes over two years: two of three on the avenue, the others anywhere on the lattice."""
    rng = np.random.default_rng(7)
    n = 600
    on_avenue = rng.random(n) < 2 / 3
    lon = np.where(on_avenue, AVENUE, rng.choice(LON, n))
    lat = rng.uniform(LAT[0], LAT[-1], n)
    times = [ORIGIN - timedelta(days=730) + timedelta(days=730 * i / n) for i in range(n)]
    return pl.DataFrame({"lat": lat, "lon": lon, "time": times})


def streets(zones: pl.DataFrame, *, has_trips: bool = True, **cut: float) -> Streets:
    """Streets of the lattice with the shares of that history."""
    network = roads(**cut)
    parts = pieces.cut(network, zones)
    trips = np.full((len(parts.places), 168), 50.0) if has_trips else None
    if trips is not None:
        trips[:, np.arange(168) % 24 < 6] = 5.0
    return shares.build(network, parts, zones, history(), trips)


@dataclass(frozen=True, kw_only=True)
class Roads:
    """A client of the city with roads, and the streets it was given."""

    client: TestClient
    streets: Streets | None
    city: Any

    def route(self, start: Any, end: Any, **more: Any) -> Any:
        """Response to a question for a route."""
        body = {"from": start, "to": end, **more}
        return self.client.post("/v1/products/crashes/route", json={k: v for k, v in body.items() if v is not None})

    def near(self, **body: Any) -> Any:
        """Response to a question for what lies ahead."""
        return self.client.post("/v1/products/crashes/near", json=body)


Make = Callable[..., Any]


def serve_roads(own: Any, name: str | None, *, provenance: Any, moved_at: datetime) -> None:
    """Move `serving` to roads of that name, None for none."""
    serving.move(
        own.lake, product="crashes", origin=ORIGIN, releases={"crashes": "crashes-spread"},
        versions={"network": name} if name else {}, run="roads", provenance=provenance, data_to=ORIGIN - 10 * HOUR,
        moved_at=moved_at,
    )  # fmt: skip


def _city(city: Any, folder: Path, *, is_real: bool, provenance: Any, found: Streets | None) -> Any:
    """The city in a lake of its own whose crashes are answered by route; zones are real or a schematic."""
    shutil.copytree(city.lake.url, folder / "lake")
    catalog = city.catalog | {"crashes": replace(city.catalog["crashes"], lenses=("route", "zone"))}
    own = type(city)(Lake.open(str(folder / "lake")), catalog, dict(city.served))
    places.put(own.lake, "crashes", _zones(own.lake).with_columns(is_schematic=pl.lit(not is_real)))
    row = releases.read(own.lake, "crashes").filter(pl.col("release") == "crashes-gbm")
    facts = f'{{"primary": "poisson_deviance", "dispersion": {DISPERSION}}}'
    releases.add(own.lake, row.with_columns(release=pl.lit("crashes-spread"), facts=pl.lit(facts)))
    own.issue("crashes", ORIGIN, "crashes-spread", "crashes")
    name = None if found is None else kept.keep(own.lake, "crashes", found.dump())
    serve_roads(own, name, provenance=provenance, moved_at=ORIGIN + 2 * HOUR)
    return own


def _zones(lake: Lake) -> pl.DataFrame:
    return places.get(lake, "crashes").drop("product")


@pytest.fixture(scope="session")
def make_roads(city: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Make a client of a city with roads; more as in ``streets``."""
    opened = []

    def make(*, is_real: bool = True, provenance: str = "extract", has_roads: bool = True, **more: Any) -> Roads:
        found = streets(_zones(city.lake), **more) if has_roads else None
        own = _city(city, tmp_path_factory.mktemp("roads"), is_real=is_real, provenance=provenance, found=found)
        client = own.client()
        client.__enter__()
        opened.append(client)
        return Roads(client=client, streets=found, city=own)

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def move_roads() -> Make:
    """Serve other roads in a city: ``move_roads(made, name, hours)``."""

    def move(made: Roads, name: str | None, hours: int) -> None:
        serve_roads(made.city, name, provenance="extract", moved_at=ORIGIN + hours * HOUR)
        made.client.app.state.urbancast.follower.look()  # type: ignore[attr-defined]

    return move


@pytest.fixture(scope="session")
def roads_city(make_roads: Make) -> Roads:
    """The city with roads over real zones."""
    made: Roads = make_roads()
    return made


@pytest.fixture(scope="session")
def simulated(make_roads: Make) -> Roads:
    """The city with simulated roads over schematic zones."""
    made: Roads = make_roads(is_real=False, provenance="sample")
    return made
