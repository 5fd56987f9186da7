from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, strategies as st

from urbancast.core.errors import ContractError
from urbancast.geo.network import LEAST_KMH, MOST_KMH, Network

NODES = pl.DataFrame({"node": [1, 2, 3], "lon": [-73.98, -73.97, -73.97], "lat": [40.75, 40.75, 40.76]})
EDGES = pl.DataFrame({"link": [1, 2, 3, 4], "from_node": [1, 2, 3, 2], "to_node": [2, 3, 1, 1]})


def times(link, seconds, *, day_type="weekday", hour=8):
    return pl.DataFrame({"link": [link], "day_type": [day_type], "hour": [hour], "seconds": [seconds]})


def test_a_straight_link_is_as_long_as_the_way_between_its_nodes():
    network = Network.of_tables(NODES, EDGES)
    assert network.length_m == pytest.approx([843.2, 1111.95, 1395.5, 843.2], rel=1e-3)
    assert np.diff(network.vertex).tolist() == [2, 2, 2, 2]


def test_a_drawn_link_keeps_its_vertices_and_their_length():
    line = shapely.linestrings([[-73.98, 40.75], [-73.975, 40.755], [-73.97, 40.75]])
    edges = EDGES.with_columns(shape=pl.Series([shapely.to_wkt(line), None, None, None]))
    network = Network.of_tables(NODES, edges)
    assert network.length_m[0] == pytest.approx(2 * np.hypot(555.97, 421.6), rel=1e-3)
    assert network.vertex_share[:3] == pytest.approx([0, 0.5, 1], abs=1e-4)
    assert network.twin.tolist() == [-1, -1, -1, -1]


def test_a_street_of_two_directions_knows_its_twin():
    assert Network.of_tables(NODES, EDGES).twin.tolist() == [3, -1, -1, 0]


@given(seed=st.integers(0, 10_000))
def test_what_is_dumped_is_loaded_as_it_was(town, seed):
    network = town(seed, side=3)
    again = Network.load(network.dump())
    assert again.dump() == network.dump()
    assert again.names == network.names
    assert again.counts == network.counts
    for name in ("lon", "start", "end", "length_m", "name", "seconds", "vertex", "vertex_lat"):
        assert np.array_equal(getattr(again, name), getattr(network, name))


@pytest.mark.parametrize("packed", [b"", b"PK\x03\x04 not a zip", b"\x80\x04K\x01."])
def test_bytes_of_something_else_are_refused(packed):
    with pytest.raises(ContractError, match="network: expected what dump wrote"):
        Network.load(packed)


@pytest.mark.parametrize(("seconds", "kmh"), [(0, MOST_KMH), (1, MOST_KMH), (5000, LEAST_KMH)])
def test_a_time_that_no_car_drives_is_clipped_and_counted(seconds, kmh):
    network = Network.of_tables(NODES, EDGES, times(1, seconds))
    assert network.counts["times_clipped"] == 1
    assert network.seconds[0, 8, 0] == pytest.approx(network.length_m[0] / kmh * 3.6, rel=1e-6)


def test_an_hour_without_a_time_gets_the_links_own_mean():
    network = Network.of_tables(NODES, EDGES, pl.concat([times(1, 60), times(1, 100, hour=9)]))
    assert network.seconds[0, 8:11, 0].tolist() == [60, 100, 80]
    assert network.counts["times_filled"] == 4 * 72 - 2
    assert network.seconds[2, 3, 1] == pytest.approx(network.length_m[1] / 25 * 3.6)


def test_a_given_speed_and_length_count_where_no_time_is_known():
    edges = EDGES.with_columns(speed_kmh=pl.lit(36.0), length_m=pl.Series([500.0, None, -1.0, float("nan")]))
    network = Network.of_tables(NODES, edges)
    assert network.length_m == pytest.approx([500, 1111.95, 1395.5, 843.2], rel=1e-3)
    assert network.seconds[1, 0] == pytest.approx(network.length_m / 10)


def test_a_dead_end_and_an_island_are_cut_off_and_counted():
    nodes = pl.concat([NODES, pl.DataFrame({"node": [4, 5], "lon": [-73.9, -73.8], "lat": [40.7, 40.7]})])
    more = pl.DataFrame({"link": [5, 6, 7, 8, 1], "from_node": [3, 4, 1, 1, 2], "to_node": [4, 5, 1, 99, 3]})
    network = Network.of_tables(nodes, pl.concat([EDGES, more]))
    assert len(network.lon) == 3
    assert {name: network.counts[name] for name in network.counts if name.startswith(("links", "nodes"))} == {
        "links_read": 9,
        "links_used": 4,
        "links_cut_off": 2,
        "links_without_node": 1,
        "links_closed": 1,
        "links_repeated": 1,
        "nodes_used": 3,
        "nodes_cut_off": 2,
    }


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=40),
)
def test_every_link_read_is_used_or_counted(rows):
    nodes = pl.DataFrame({"node": range(10), "lon": np.linspace(2.3, 2.4, 10), "lat": np.linspace(48.8, 48.9, 10)})
    ring = [(100 + k, k, (k + 1) % 4) for k in range(4)]
    edges = pl.DataFrame([*ring, *rows], schema=["link", "from_node", "to_node"], orient="row")
    network = Network.of_tables(nodes, edges)
    lost = sum(network.counts[f"links_{why}"] for why in ("cut_off", "without_node", "closed", "repeated"))
    assert network.counts["links_used"] + lost == network.counts["links_read"] == len(rows) + 4
    assert network.counts["links_used"] == network.links == len(network.length_m)
    assert (network.seconds > 0).all()


SWAPPED = NODES.rename({"lon": "lat", "lat": "lon"}).with_columns(lat=pl.lit(-120.0))


@pytest.mark.parametrize(
    ("nodes", "edges", "hours", "message"),
    [
        (NODES.drop("lat"), EDGES, None, "nodes: expected columns node, lon, lat, found node, lon; add lat"),
        (SWAPPED, EDGES, None, "columns may be swapped"),
        (pl.concat([NODES, NODES[:1]]), EDGES, None, "nodes: expected one row an id, found '1' repeated"),
        (NODES, EDGES.drop("link"), None, "edges: expected columns link"),
        (NODES, EDGES[:0], None, "edges: expected rows, found none"),
        (NODES, EDGES.with_columns(to_node=pl.lit(9)), None, "expected links between known nodes"),
        (NODES, EDGES[:1], None, "expected links that can be driven in a circle"),
        (NODES, EDGES, times(1, 9, day_type="Monday"), "times: expected day_type weekday, saturday, sunday"),
        (NODES, EDGES, times(1, 9, hour=24), "hour 0 … 23, found"),
        (NODES, EDGES, pl.concat([times(1, 9), times(1, 8)]), "times: expected one row a link and hour"),
    ],
)
def test_tables_that_make_no_roads_are_refused_by_name(nodes, edges, hours, message):
    with pytest.raises(ContractError, match=message):
        Network.of_tables(nodes, edges, hours)


def test_the_real_graph_is_one_piece_with_its_noise_counted(manhattan):
    assert (len(manhattan.lon), manhattan.links) == (4091, 9452)
    assert manhattan.counts["links_cut_off"] == 0
    assert manhattan.counts["times_read"] == 9452 * 72
    speed = manhattan.length_m / manhattan.seconds * 3.6
    assert 0.01 < manhattan.counts["times_clipped"] / (9452 * 72) < 0.03
    assert speed.min() >= LEAST_KMH - 1e-3
    assert speed.max() <= MOST_KMH + 1e-3


def test_times_that_are_the_same_at_every_hour_are_held_once():
    nodes = pl.concat([NODES, pl.DataFrame({"node": [4], "lon": [-73.9], "lat": [40.7]})])
    edges = pl.concat([EDGES, pl.DataFrame({"link": [5], "from_node": [3], "to_node": [4]})])
    network = Network.of_tables(nodes, edges)
    again = Network.load(network.dump())
    for one in (network, again):
        assert one.seconds.shape == (3, 24, 4)
        assert one.seconds.strides[:2] == (0, 0)
    assert np.array_equal(again.seconds, network.seconds)
