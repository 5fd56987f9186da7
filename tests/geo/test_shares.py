"""Shares of a zone's events by street: counted, shrunk, adding up, and never lost along an edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import ContractError
from urbancast.geo import pieces, shares
from urbancast.geo.index import ZoneIndex
from urbancast.geo.network import Network
from urbancast.geo.streets import Streets

WEST, MIDDLE, EAST = -74.00, -73.99, -73.98
SOUTH, NORTH = 40.70, 40.71
START = datetime(2021, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def zones() -> pl.DataFrame:
    """Two zones whose common edge lies 10 m east of the middle street."""
    edge = MIDDLE + 0.00012
    boxes = [shapely.box(WEST - 0.005, SOUTH - 0.005, edge, NORTH + 0.005),
             shapely.box(edge, SOUTH - 0.005, EAST + 0.005, NORTH + 0.005)]  # fmt: skip
    return pl.DataFrame({"place": ["a", "b"], "geometry": [shapely.to_wkb(box) for box in boxes]})


@pytest.fixture(scope="module")
def network() -> Network:
    """Three avenues and two cross streets, all both ways: a ladder."""
    at = [(lon, lat) for lon in (WEST, MIDDLE, EAST) for lat in (SOUTH, NORTH)]
    nodes = pl.DataFrame({"node": range(6), "lon": [x for x, _ in at], "lat": [y for _, y in at]})
    pairs = [(0, 1), (2, 3), (4, 5), (0, 2), (2, 4), (1, 3), (3, 5)]
    both = pairs + [(b, a) for a, b in pairs]
    edges = pl.DataFrame({"link": range(14), "from_node": [a for a, _ in both], "to_node": [b for _, b in both]})
    return Network.of_tables(nodes, edges)


def history(points: list[tuple[float, float]]) -> pl.DataFrame:
    times = [START + timedelta(hours=i) for i in range(len(points))]
    schema = {"lon": pl.Float64, "lat": pl.Float64, "time": pl.Datetime("us", "UTC")}
    return pl.DataFrame({"lon": [x for x, _ in points], "lat": [y for _, y in points], "time": times}, schema=schema)


def share(built: Streets, lon: float, place: int) -> float:
    """Share of a place's events on the avenue along a longitude."""
    street = int(np.argmin(np.hypot(built.middle[:, 0] - lon, built.middle[:, 1] - (SOUTH + NORTH) / 2)))
    rows = (built.row_street == street) & (built.row_place == place)
    return float(built.row_share[rows].sum())


def test_both_ways_of_a_street_are_one(network: Network, zones: pl.DataFrame) -> None:
    built = shares.build(network, pieces.cut(network, zones), zones, history([(WEST, 40.705)]))
    assert len(built.events) == 7
    assert built.events.sum() == 1.0
    assert built.kilometres == pytest.approx(network.length_m.sum() / 2000)


def test_without_events_a_share_is_that_of_length(network: Network, zones: pl.DataFrame) -> None:
    built = shares.build(network, pieces.cut(network, zones), zones, history([]))
    assert built.share_of_place == pytest.approx([1.0, 1.0])
    assert built.facts["k"] == shares.USUAL_STRENGTH
    middle, west = share(built, MIDDLE, 0), share(built, WEST, 0)
    assert middle == pytest.approx(west, rel=1e-3)


def test_events_draw_a_share_towards_where_they_happened(network: Network, zones: pl.DataFrame) -> None:
    cut = pieces.cut(network, zones)
    few, many = (shares.build(network, cut, zones, history([(WEST, 40.705)] * n)) for n in (5, 150))
    assert share(few, WEST, 0) < share(many, WEST, 0) < 1
    n, k = 150, many.facts["k"]
    prior = share(shares.build(network, cut, zones, history([])), WEST, 0)
    assert share(many, WEST, 0) == pytest.approx((n + k * prior) / (n + k))


def test_an_event_at_a_corner_belongs_in_part_to_each_street_that_meets(network: Network, zones: pl.DataFrame) -> None:
    cut = pieces.cut(network, zones)
    corner = shares.build(network, cut, zones, history([(MIDDLE, SOUTH)]))
    assert sorted(corner.events[corner.events > 0]) == pytest.approx([1 / 3] * 3)


def test_events_far_from_streets_stay_in_the_zone_and_thin_the_shares(network: Network, zones: pl.DataFrame) -> None:
    cut = pieces.cut(network, zones)
    away = shares.build(network, cut, zones, history([(-73.995, 40.705)] * 90))
    assert away.events.sum() == 0
    k = away.facts["k"]
    assert away.share_of_place == pytest.approx([k / (90 + k), 1.0])


def test_events_beyond_the_edge_of_a_zone_stay_with_the_street_they_lie_on(
    network: Network, zones: pl.DataFrame
) -> None:
    """The avenue lies in zone a; crashes on its other side are counted in zone b and still happen on it."""
    built = shares.build(network, pieces.cut(network, zones), zones, history([(MIDDLE + 0.0003, 40.705)] * 60))
    assert share(built, MIDDLE, 1) > 0.5
    first, place, weight = built.weights
    avenue = [p for p in range(len(built.pieces)) if first[p + 1] > first[p] and 1 in place[first[p] : first[p + 1]]
              and built.pieces.place[p] == 0]  # fmt: skip
    assert avenue
    for piece in avenue:
        rows = slice(first[piece], first[piece + 1])
        assert weight[rows][place[rows] == 1].sum() > 0.5


POINT = st.tuples(st.floats(WEST - 0.004, EAST + 0.004), st.floats(SOUTH - 0.004, NORTH + 0.004))


@settings(max_examples=12)
@given(points=st.lists(POINT, max_size=60))
def test_no_event_counts_twice_and_shares_never_exceed_the_zone(
    network: Network, zones: pl.DataFrame, points: list[tuple[float, float]]
) -> None:
    built = shares.build(network, pieces.cut(network, zones), zones, history(points))
    placed = shares.place(network, built.street, ZoneIndex(zones), [x for x, _ in points], [y for _, y in points])
    assert np.bincount(placed.event, placed.weight, max(len(points), 1)).max(initial=0) <= 1 + 1e-9
    assert (built.share_of_place <= 1 + 1e-9).all()
    assert (built.row_share >= 0).all()
    first, place, weight = built.weights
    ways = np.bincount(built.street)[built.street[built.pieces.link]]  # each direction is dealt all of its street
    whole = np.bincount(place, weight / np.repeat(ways, np.diff(first)), 2)
    assert whole == pytest.approx(built.share_of_place)  # dealt to pieces, nothing is lost or doubled


def test_what_is_dumped_is_loaded(network: Network, zones: pl.DataFrame) -> None:
    built = shares.build(network, pieces.cut(network, zones), zones, history([(WEST, 40.705)] * 9))
    again = Streets.load(built.dump())
    assert again.dump() == built.dump()
    assert again.facts == built.facts
    assert again.row_share.tolist() == built.row_share.tolist()
    with pytest.raises(ContractError, match="streets"):
        Streets.load(b"no file of ours")
