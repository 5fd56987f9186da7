"""The real road graph, zones, made forecasts and one whole answer: what the route benchmark asks of everyone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import shapely

from urbancast.geo import timing
from urbancast.geo.along import along, trace, visits
from urbancast.geo.network import DAY_TYPES, Network
from urbancast.geo.pieces import Pieces, cut
from urbancast.geo.routing import BuiltIn, Point

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
GRAPH, ZONES = DATA / "network", DATA / "nyc" / "taxi_zones.geojson"
DEPART = datetime(2022, 6, 1, 17, 40, tzinfo=ZoneInfo("America/New_York"))
DEPARTURES = 24
PATHS = 3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is compared: least seconds as searched; per path its links, seconds, zones, and sums by departure."""

    searched_s: float
    links: list[frozenset[int]]
    seconds: list[float]
    zones: list[set[str]]
    expected: list[list[float]]


@dataclass(frozen=True, kw_only=True)
class World:
    """Tables as read; forecasts of events an hour by zone (rows) and hour since departure's (columns), made."""

    nodes: pl.DataFrame
    edges: pl.DataFrame
    times: pl.DataFrame
    places: pl.DataFrame
    network: Network
    pieces: Pieces
    rates: Any

    @cached_property
    def road_m(self) -> Any:
        """Metres of road in each zone; shape (zones,)."""
        found = np.bincount(self.pieces.place, self.pieces.length_m, len(self.pieces.places))
        return np.maximum(found, 1.0)

    def pairs(self, count: int) -> list[tuple[Point, Point]]:
        """Seeded pairs of points a little off two junctions, at least 500 m apart."""
        random, found = np.random.default_rng(20), []
        while len(found) < count:
            a, b = random.integers(0, len(self.network.lon), 2)
            ends = [(float(self.network.lon[k]), float(self.network.lat[k])) for k in (a, b)]
            if np.hypot(*(np.subtract(*ends) * (84_000, 111_000))) > 500:
                found.append((ends[0], ends[1]))
        return found


def read() -> World | None:
    """The world of the benchmark; null, with the name said, where a file is absent."""
    for path in (GRAPH, ZONES):
        if not path.exists():
            print(f"skipped: {path.relative_to(DATA.parent)} is absent")
            return None
    nodes = pl.read_csv(GRAPH / "manhattan_points.csv", has_header=False, new_columns=["node", "lat", "lon"])
    edges = pl.read_csv(GRAPH / "manhattan_edges.csv", has_header=False, new_columns=["link", "from_node", "to_node"])
    hours = [str(hour) for hour in range(24)]
    parts = [
        pl.read_csv(GRAPH / f"manhattan_{name}.csv", has_header=False, new_columns=["link", *hours])
        .unpivot(index="link", variable_name="hour", value_name="seconds")
        .with_columns(pl.col("hour").cast(pl.Int64), day_type=pl.lit(day))
        for name, day in zip(("week", "sat", "sun"), DAY_TYPES, strict=True)
    ]
    features = json.loads(ZONES.read_text())["features"]
    places = pl.DataFrame(
        {
            "place": [str(feature["properties"]["location_id"]) for feature in features],
            "geometry": [shapely.to_wkb(shapely.geometry.shape(feature["geometry"])) for feature in features],
        }
    )
    network = Network.of_tables(nodes, edges, pl.concat(parts))
    pieces = cut(network, places)
    rates = np.random.default_rng(8).gamma(0.3, 0.1, (len(pieces.places), DEPARTURES + 8))
    return World(nodes=nodes, edges=edges, times=pl.concat(parts), places=places, network=network, pieces=pieces,
                 rates=rates)  # fmt: skip


def answer(world: World, router: BuiltIn, start: Point, end: Point) -> Answer:
    """Ours, whole: paths, their lines cut at zones, stays in zones, and sums of zone-hours at every departure."""
    departs = timing.hours_after(DEPART, DEPARTURES)
    hour = np.array([(depart - DEPART).total_seconds() + DEPART.minute * 60 for depart in departs])[:, None]
    frozen = world.network.seconds[max(0, DEPART.weekday() - 4), DEPART.hour]
    searched, links, seconds, zones, expected = [], [], [], [], []
    for path in router.route(start, end, depart_local=DEPART, count=PATHS):
        times = router.retime(path, departs)
        found = along(path, world.pieces, times)
        weight = found.length_m / world.road_m[found.place]
        column = ((hour + times.enter_s[:, found.step]) // 3600).astype(np.int64)  # the hour a link is entered
        expected.append((world.rates[found.place, column] * weight).sum(axis=1).tolist())
        trace(path, found)
        zones.append({world.pieces.places[zone] for zone in found.place[visits(found)]})
        seconds.append(path.seconds)
        part = path.to_share - path.from_share
        links.append(frozenset(path.links[part > 1e-6].tolist()))
        searched.append(float((part * frozen[path.links]).sum()))
    return Answer(searched_s=min(searched), links=links, seconds=seconds, zones=zones, expected=expected)


def hour_of(departure: int, entered_s: float) -> int:
    """Column of the forecasts at which a departure enters something."""
    return int((timedelta(hours=departure).total_seconds() + DEPART.minute * 60 + entered_s) // 3600)
