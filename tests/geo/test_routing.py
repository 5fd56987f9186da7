from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import QueryError
from urbancast.geo import timing
from urbancast.geo.alternatives import MOST_LONGER, MOST_SHARED, Quest
from urbancast.geo.metric import distance_m
from urbancast.geo.network import Network
from urbancast.geo.routing import BuiltIn, shared_length
from urbancast.geo.search import Graph
from urbancast.geo.snap import Snapper

DEPART = datetime(2022, 6, 1, 17, 58, 30, tzinfo=ZoneInfo("America/New_York"))
SEEDS = st.integers(0, 100_000)


def ends(seed, network):
    """Two points on the town at least 150 m apart."""
    random = np.random.default_rng(seed)
    low, high = (np.array([f(network.lon), f(network.lat)]) for f in (np.min, np.max))
    while True:
        start, end = random.uniform(low, high, (2, 2))
        if distance_m(*start, to_lon=end[0], to_lat=end[1]) > 150:
            return tuple(start), tuple(end)


def plain_seconds(network, weight_s, start, end):
    """Least seconds from spot to spot, by the textbook with a heap."""
    leaving = {}
    for link, a, b in zip(range(network.links), network.start.tolist(), network.end.tolist(), strict=True):
        leaving.setdefault(a, []).append((b, float(weight_s[link])))
    best = float("inf")
    for link, share in zip(start.links.tolist(), start.shares.tolist(), strict=True):
        for until in end.shares[end.links == link].tolist():
            best = min(best, (until - share) * weight_s[link]) if until > share else best
    queue = [
        ((1 - share) * float(weight_s[link]), int(network.end[link]))
        for link, share in zip(start.links.tolist(), start.shares.tolist(), strict=True)
    ]
    heapq.heapify(queue)
    reached = {}
    while queue:
        cost, node = heapq.heappop(queue)
        if node in reached:
            continue
        reached[node] = cost
        for other, seconds in leaving.get(node, []):
            heapq.heappush(queue, (cost + seconds, other))
    for link, share in zip(end.links.tolist(), end.shares.tolist(), strict=True):
        best = min(best, reached[int(network.start[link])] + share * float(weight_s[link]))
    return best


@settings(max_examples=25)
@given(seed=SEEDS)
def test_the_first_way_costs_what_a_plain_search_finds(town, seed):
    network = town(seed, side=5)
    snapper = Snapper(network)
    start, end = (snapper.snap(*point) for point in ends(seed, network))
    weight_s = network.seconds[0, 17].astype(float)
    way = Quest(graph=Graph(network), start=start, end=end, weight_s=weight_s).ways(1)[0]
    assert way.seconds == pytest.approx(plain_seconds(network, weight_s, start, end), rel=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS, depart=st.datetimes(datetime(2022, 3, 12, 20), datetime(2022, 3, 13, 6), timezones=st.just(UTC)))
def test_paths_obey_their_limits_and_the_clock(town, seed, depart):
    network = town(seed)
    router = BuiltIn(network)
    start, end = ends(seed, network)
    paths = router.route(start, end, depart_local=depart.astimezone(DEPART.tzinfo), count=3)
    assert 1 <= len(paths) <= 3
    for path in paths:
        check_path(network, path, start, end)
        assert paths[0].seconds <= path.seconds <= MOST_LONGER * paths[0].seconds
        assert path.shared_length == pytest.approx(shared_length(path, paths[0]))
        others = [
            shared_m(network, path, other) / min(path.length_m, other.length_m) for other in paths if other is not path
        ]
        assert all(share <= MOST_SHARED + 1e-9 for share in others)


def check_path(network, path, start, end):
    """Links join, entries rise, sums add up, the line begins and ends at the snapped ends."""
    assert (network.end[path.links[:-1]] == network.start[path.links[1:]]).all()
    assert (np.diff(path.enter_s) > 0).all()
    assert path.enter_s[0] == 0
    assert path.enter_s[-1] + path.link_s[-1] == pytest.approx(path.seconds)
    assert path.link_m.sum() == pytest.approx(path.length_m)
    assert Network.steps_m(path.lon, path.lat).sum() == pytest.approx(path.length_m, rel=2e-3)
    assert len(path.first_vertex) == len(path.links) + 1
    for row, (point, snapped) in enumerate(zip((start, end), path.snapped_m, strict=True)):
        assert distance_m(*point, to_lon=path.lon[-row], to_lat=path.lat[-row]) == pytest.approx(snapped, abs=3)


def shared_m(network, path, other):
    """Metres of the stretches of links that both drive, by looking at each stretch."""
    total = 0.0
    for link, a, b in zip(path.links, path.from_share, path.to_share, strict=True):
        for same, c, d in zip(other.links, other.from_share, other.to_share, strict=True):
            total += max(0.0, min(b, d) - max(a, c)) * network.length_m[link] if same == link else 0.0
    return total


@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_same_question_has_the_same_answer_and_retiming_it_too(town, seed):
    network = town(seed)
    router = BuiltIn(network)
    start, end = ends(seed, network)
    paths = router.route(start, end, depart_local=DEPART)
    again = BuiltIn(Network.load(network.dump())).route(start, end, depart_local=DEPART)
    assert [path.links.tolist() for path in paths] == [path.links.tolist() for path in again]
    for path in paths:
        times = router.retime(path, timing.hours_after(DEPART))
        assert times.enter_s[0] == pytest.approx(path.enter_s)
        assert times.seconds[0] == pytest.approx(path.seconds)
        assert times.seconds.shape == (24,)
        for row in (7, 23):
            part = path.to_share - path.from_share
            alone = timing.read(network, path.links, part, [times.depart[row]])
            assert times.enter_s[row] == pytest.approx(alone.enter_s[0])


def roads(edges, *, kmh=36.0):
    """Network of a few nodes in a row and a column, both ways between the pairs given."""
    nodes = pl.DataFrame({"node": range(9), "lon": [-73.98 + 0.005 * (k % 3) for k in range(9)],
                          "lat": [40.75 + 0.005 * (k // 3) for k in range(9)]})  # fmt: skip
    ways = [*edges, *((b, a) for a, b in edges)]
    table = pl.DataFrame({"link": range(len(ways)), "from_node": [a for a, _ in ways], "to_node": [b for _, b in ways]})
    return Network.of_tables(nodes, table.with_columns(speed_kmh=pl.lit(kmh)))


LINE = roads([(0, 1), (1, 2)])
RING = roads([(0, 1), (1, 2), (2, 5), (5, 8), (8, 7), (7, 6), (6, 3), (3, 0)])
WEST, EAST = (-73.98, 40.75), (-73.97, 40.75)


def test_where_there_is_one_way_there_is_one_path():
    assert len(BuiltIn(LINE).route(WEST, EAST, depart_local=DEPART)) == 1


def test_the_other_way_round_a_block_is_found():
    paths = BuiltIn(RING).route(WEST, (-73.97, 40.7599), depart_local=DEPART)
    assert len(paths) == 2
    assert paths[1].shared_length == 0
    assert paths[0].length_m < paths[1].length_m < 1.4 * paths[0].length_m


def test_a_detour_of_more_than_two_fifths_is_no_alternative():
    assert len(BuiltIn(RING).route(WEST, EAST, depart_local=DEPART)) == 1


def test_one_path_asked_is_one_path_given():
    assert len(BuiltIn(RING).route(WEST, (-73.97, 40.7599), depart_local=DEPART, count=1)) == 1


def test_both_ends_on_one_link_drive_a_part_of_it():
    path = BuiltIn(LINE).route((-73.979, 40.75), (-73.976, 40.75), depart_local=DEPART)[0]
    assert len(path.links) == 1
    assert (path.from_share[0], path.to_share[0]) == pytest.approx((0.2, 0.8), abs=1e-3)
    assert path.length_m == pytest.approx(0.6 * LINE.length_m[0], rel=1e-3)
    assert path.seconds == pytest.approx(path.length_m / 10, rel=1e-3)


def test_against_a_one_way_street_one_drives_round_the_block():
    ring = roads([(0, 1), (1, 2), (2, 5), (5, 4), (4, 3), (3, 0)])
    clockwise = [(0, 1), (1, 2), (2, 5), (5, 4), (4, 3), (3, 0)]
    kept = np.isin(ring.start * 9 + ring.end, ring_keys(ring, clockwise))
    one_way = only(ring, kept)
    path = BuiltIn(one_way).route((-73.976, 40.75), (-73.979, 40.75), depart_local=DEPART)[0]
    assert path.links[0] == path.links[-1]
    assert path.length_m == pytest.approx(one_way.length_m.sum() - 0.6 * one_way.length_m[path.links[0]], rel=1e-3)
    assert path.to_share[0] == 1
    assert path.from_share[-1] == 0


def ring_keys(network, pairs):
    """Keys of links between nodes numbered by their place in the network."""
    row = {}
    for node, (lon, lat) in enumerate(zip(network.lon, network.lat, strict=True)):
        row[round((lon + 73.98) / 0.005) + 3 * round((lat - 40.75) / 0.005)] = node
    return [row[a] * 9 + row[b] for a, b in pairs]


def only(network, kept):
    """Network of some links, as straight as they are."""
    return replace(
        network, start=network.start[kept], end=network.end[kept], length_m=network.length_m[kept],
        name=network.name[kept], seconds=network.seconds[:, :, kept],
        vertex=np.arange(0, 2 * int(kept.sum()) + 1, 2),
        vertex_lon=network.vertex_lon[np.repeat(kept, 2)], vertex_lat=network.vertex_lat[np.repeat(kept, 2)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [
        (WEST, WEST, "same-ends"),
        (WEST, (-73.98, 40.75002), "same-ends"),
        ((-73.98, 40.7497), (-73.98, 40.7494), "same-ends"),
        (WEST, (-73.9, 40.75), "no-road-data"),
        ((-73.98, 40.7), EAST, "no-road-data"),
    ],
)
def test_ends_that_are_no_trip_are_told_by_name(start, end, state):
    with pytest.raises(QueryError) as refused:
        BuiltIn(LINE).route(start, end, depart_local=DEPART)
    assert refused.value.state == state


def test_ends_that_no_road_joins_are_told_so():
    there = only(LINE, LINE.start < LINE.end)
    with pytest.raises(QueryError, match="no way from the one to the other") as refused:
        BuiltIn(there).route(EAST, WEST, depart_local=DEPART)
    assert refused.value.state == "no-path"


def test_routes_on_the_real_graph_differ_and_obey_their_limits(manhattan):
    router = BuiltIn(manhattan)
    random = np.random.default_rng(4)
    found = []
    for a, b in random.integers(0, len(manhattan.lon), (40, 2)):
        if abs(manhattan.lat[a] - manhattan.lat[b]) < 0.002:
            continue
        start, end = ((manhattan.lon[node] + 2e-4, manhattan.lat[node]) for node in (a, b))
        paths = router.route(start, end, depart_local=DEPART)
        for path in paths:
            check_path(manhattan, path, start, end)
            assert path.seconds <= MOST_LONGER * paths[0].seconds
        found.append(len(paths))
    assert len(found) > 30
    assert np.mean(found) > 2.5
