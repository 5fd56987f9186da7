"""The same answer as one would write it first: scipy with an STRtree, and networkx with geopandas."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from _roads import DEPART, DEPARTURES, PATHS, Answer, World, hour_of
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

PENALTY, TRIES = 1.5, 6
MOST_SHARED, MOST_LONGER = 0.7, 1.4


class Plain:
    """Arrays, scipy's dijkstra, penalties for alternatives, and each path cut by a tree of the zones when asked."""

    def __init__(self, world: World) -> None:
        """Tables to arrays; everything else is done when asked."""
        network = world.network
        self.world, self.network = world, network
        self.nearest = cKDTree(np.column_stack([network.lon, network.lat]))
        self.link = {(a, b): k for k, (a, b) in enumerate(zip(network.start, network.end, strict=True))}
        united: dict[str, list[Any]] = {}
        for place, shape in zip(
            world.places["place"], shapely.from_wkb(world.places["geometry"].to_numpy()), strict=True
        ):
            united.setdefault(place, []).append(shape)
        self.names = sorted(united)
        self.shapes = np.array([shapely.union_all(united[name]) for name in self.names])
        self.tree = shapely.STRtree(self.shapes)

    def answer(self, start: tuple[float, float], end: tuple[float, float]) -> Answer:
        """Up to three paths with their zones and sums at every departure."""
        a, b = (int(self.nearest.query(point)[1]) for point in (start, end))
        weight = self.seconds(DEPART).copy()
        kept: list[list[int]] = []
        for _ in range(TRIES):
            links = self.path(weight, a, b)
            if self.is_other(links, kept):
                kept.append(links)
            if len(kept) == PATHS:
                break
            weight[links] *= PENALTY
        sums = [self.sums(links) for links in kept]
        return Answer(
            searched_s=float(self.seconds(DEPART)[kept[0]].sum()),
            links=[frozenset(links) for links in kept],
            seconds=[self.drive(links, DEPART)[1] for links in kept],
            zones=[zones for zones, _ in sums],
            expected=[expected for _, expected in sums],
        )

    def seconds(self, when: Any) -> Any:
        """Seconds of every link in the hour of an instant."""
        return self.network.seconds[max(0, when.weekday() - 4), when.hour].astype(float)

    def path(self, weight: Any, a: int, b: int) -> list[int]:
        """Links of the quickest way."""
        size = len(self.network.lon)
        graph = csr_matrix((weight, (self.network.start, self.network.end)), shape=(size, size))
        _, before = dijkstra(graph, indices=a, return_predecessors=True)
        nodes = [b]
        while nodes[-1] != a:
            nodes.append(int(before[nodes[-1]]))
        nodes.reverse()
        return [self.link[pair] for pair in pairwise(nodes)]

    def is_other(self, links: list[int], kept: list[list[int]]) -> bool:
        """Whether a path obeys the limits beside those kept."""
        metres, seconds = self.network.length_m, self.seconds(DEPART)
        if kept and seconds[links].sum() > MOST_LONGER * seconds[kept[0]].sum():
            return False
        return all(
            metres[list(set(links) & set(one))].sum() <= MOST_SHARED * min(metres[links].sum(), metres[one].sum())
            for one in kept
        )

    def drive(self, links: list[int], depart: Any) -> tuple[list[float], float]:
        """Second at which each link is entered, and seconds in all, by the clock."""
        entered, spent = [], 0.0
        for link in links:
            entered.append(spent)
            now = depart + timedelta(seconds=spent)
            spent += float(self.network.seconds[max(0, now.weekday() - 4), now.hour, link])
        return entered, spent

    def sums(self, links: list[int]) -> tuple[set[str], list[float]]:
        """Zones of a path, and expected events at every departure."""
        metres = self.network.length_m[links]
        step, zone, part = self.cut(links)
        is_in = part * metres[step] > 0.001
        step, zone, part = step[is_in], zone[is_in], part[is_in]
        weight = part * metres[step] / self.world.road_m[zone]
        expected = []
        for departure in range(DEPARTURES):
            entered, _ = self.drive(links, DEPART + timedelta(hours=departure))
            hours = [hour_of(departure, entered[row]) for row in step]
            expected.append(float((self.world.rates[zone, hours] * weight).sum()))
        return {self.names[k] for k in zone}, expected

    def cut(self, links: list[int]) -> tuple[Any, Any, Any]:
        """Every (step of the path, zone) that meet, with the share of the step in the zone."""
        network = self.network
        ends = [np.column_stack([v[network.start[links]], v[network.end[links]]]) for v in (network.lon, network.lat)]
        lines = shapely.linestrings(np.stack(ends, axis=-1))
        step, zone = self.tree.query(lines, predicate="intersects")
        part = shapely.length(shapely.intersection(lines[step], self.shapes[zone]))
        return step, zone, part / shapely.length(lines)[step]


class Usual(Plain):
    """A networkx graph with a weight an hour, and a geopandas overlay of each path with the zones."""

    def __init__(self, world: World) -> None:
        """Tables to a DiGraph and a GeoDataFrame; both libraries are needed."""
        super().__init__(world)
        import geopandas as gpd
        import networkx as nx

        self.geopandas, self.networkx = gpd, nx
        self.graph = nx.DiGraph()
        for link, (a, b) in enumerate(zip(world.network.start.tolist(), world.network.end.tolist(), strict=True)):
            self.graph.add_edge(a, b, link=link)
        self.zones = gpd.GeoDataFrame({"zone": range(len(self.names))}, geometry=list(self.shapes), crs=4326)

    def path(self, weight: Any, a: int, b: int) -> list[int]:
        """Links of the quickest way."""
        cost = weight.tolist()
        nodes = self.networkx.dijkstra_path(self.graph, a, b, weight=lambda _u, _v, edge: cost[edge["link"]])
        return [self.graph.edges[pair]["link"] for pair in pairwise(nodes)]

    def cut(self, links: list[int]) -> tuple[Any, Any, Any]:
        """Every (step of the path, zone) that meet, with the share of the step in the zone."""
        network = self.network
        lines = [
            shapely.LineString([(network.lon[a], network.lat[a]), (network.lon[b], network.lat[b])])
            for a, b in zip(network.start[links], network.end[links], strict=True)
        ]
        driven = self.geopandas.GeoDataFrame({"step": range(len(links))}, geometry=lines, crs=4326)
        met = self.geopandas.overlay(driven, self.zones, how="intersection", keep_geom_type=True)
        step = met["step"].to_numpy()
        part = shapely.length(met.geometry.to_numpy()) / shapely.length(np.array(lines))[step]
        return step, met["zone"].to_numpy(), part
