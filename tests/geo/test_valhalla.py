from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import PortalError, QueryError
from urbancast.geo import timing
from urbancast.geo.along import along
from urbancast.geo.engines import router
from urbancast.geo.match import match
from urbancast.geo.network import Network
from urbancast.geo.pieces import cut
from urbancast.geo.remote import Remote
from urbancast.geo.routing import BuiltIn
from urbancast.geo.snap import Snapper
from urbancast.geo.valhalla import Valhalla, decode

FOLDER = Path(__file__).parent / "recorded"
DEPART = datetime(2022, 6, 1, 17, 58, 30, tzinfo=ZoneInfo("America/New_York"))
START, END = (-73.98, 40.75), (-73.97, 40.76)


@pytest.fixture(scope="module")
def square():
    """Streets around a square, both ways, slower in the evening by half."""
    corners = [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    at = [(-73.98 + 0.005 * a, 40.75 + 0.005 * b) for a, b in corners]
    nodes = pl.DataFrame({"node": range(8), "lon": [x for x, _ in at], "lat": [y for _, y in at]})
    ways = [(k, (k + 1) % 8) for k in range(8)] + [((k + 1) % 8, k) for k in range(8)]
    edges = pl.DataFrame({"link": range(16), "from_node": [a for a, _ in ways], "to_node": [b for _, b in ways]})
    hours = pl.DataFrame({"hour": range(24), "seconds": [60.0 if hour < 18 else 90.0 for hour in range(24)]})
    days = pl.DataFrame({"day_type": ["weekday", "saturday", "sunday"]})
    return Network.of_tables(nodes, edges, edges.select("link").join(hours, how="cross").join(days, how="cross"))


@pytest.fixture
def replies(httpserver):
    """Make the server answer with a kept reply."""

    def answer(name, status=200):
        body = json.loads((FOLDER / f"{name}.json").read_text())
        httpserver.expect_request("/route", method="POST").respond_with_json(body, status=status)
        return httpserver.url_for("/")

    return answer


def test_a_trip_is_matched_onto_our_links_with_its_own_times(square, replies, httpserver):
    paths = Valhalla(Remote("valhalla", replies("valhalla_route")), square).route(START, END, depart_local=DEPART)
    assert [(path.seconds, path.engine) for path in paths] == [(250.0, "valhalla"), (270.5, "valhalla")]
    first = paths[0]
    assert first.links.tolist() == [0, 1, 2, 3]
    assert first.enter_s == pytest.approx([0, 55, 110, 180], abs=2)
    assert first.link_s.sum() == pytest.approx(250)
    assert first.from_share == pytest.approx([0] * 4, abs=0.02)
    assert first.to_share == pytest.approx([1] * 4, abs=0.02)
    assert first.length_m == pytest.approx(1955, rel=5e-3)
    assert first.snapped_m == pytest.approx((0, 0), abs=0.2)
    assert paths[1].shared_length == 0
    asked = httpserver.log[0][0].get_json()
    assert asked["locations"] == [{"lon": -73.98, "lat": 40.75}, {"lon": -73.97, "lat": 40.76}]
    assert asked["date_time"] == {"type": 1, "value": "2022-06-01T17:58"}
    assert asked["alternates"] == 2


def test_an_alternate_that_is_nearly_the_first_is_left_out(square, replies):
    reply = json.loads((FOLDER / "valhalla_route.json").read_text())
    assert len(reply["alternates"]) == 2
    engine = Valhalla(Remote("valhalla", replies("valhalla_route")), square)
    assert len(engine.route(START, END, depart_local=DEPART)) == 2
    assert [path.seconds for path in engine.route(START, END, depart_local=DEPART, count=1)] == [250.0]


def test_its_paths_are_summed_over_our_zones_and_retimed_by_our_hours(square, replies, zones):
    engine = Valhalla(Remote("valhalla", replies("valhalla_route")), square)
    path = engine.route(START, END, depart_local=DEPART)[0]
    south, north = shapely.box(-74, 40.7, -73.9, 40.7525), shapely.box(-74, 40.7525, -73.9, 40.8)
    pieces = cut(square, zones([("south", south), ("north", north)]))
    found = along(path, pieces)
    metres = dict(zip(pieces.places, np.bincount(found.place, found.length_m), strict=True))
    assert metres == pytest.approx({"north": 834, "south": 1121}, rel=0.02)
    assert found.seconds.sum() == pytest.approx(250, rel=0.02)
    times = engine.retime(path, timing.hours_after(DEPART, 3))
    assert times.seconds[0] == pytest.approx(250)
    assert times.seconds[1] == pytest.approx(250 * 360 / (120 + 2 * 90), rel=0.02)
    assert times.link_s.sum(axis=1) == pytest.approx(times.seconds)


@pytest.mark.parametrize(
    ("name", "state"), [("valhalla_171", "no-road-data"), ("valhalla_442", "no-path"), ("valhalla_154", "no-path")]
)
def test_its_refusals_are_our_states(square, replies, name, state):
    with pytest.raises(QueryError) as refused:
        Valhalla(Remote("valhalla", replies(name, 400)), square).route(START, END, depart_local=DEPART)
    assert refused.value.state == state


def test_a_refusal_we_do_not_know_is_its_fault(square, replies):
    with pytest.raises(PortalError, match="found status 400 and code 112"):
        Valhalla(Remote("valhalla", replies("valhalla_112", 400)), square).route(START, END, depart_local=DEPART)


def test_an_engine_that_snapped_far_away_has_no_road_for_us(square, replies):
    with pytest.raises(QueryError) as refused:
        Valhalla(Remote("valhalla", replies("valhalla_route")), square).route((-73.99, 40.75), END, depart_local=DEPART)
    assert refused.value.state == "no-road-data"


def test_one_spot_is_no_question_for_it(square):
    with pytest.raises(QueryError) as refused:
        Valhalla(Remote("valhalla", "http://127.0.0.1:9"), square).route(START, START, depart_local=DEPART)
    assert refused.value.state == "same-ends"


@pytest.mark.parametrize("body", [{}, {"trip": {}}, {"trip": {"legs": [{"shape": "_"}]}}, [], {"trip": {"legs": []}}])
def test_a_reply_of_another_shape_is_its_fault(square, httpserver, body):
    httpserver.expect_request("/route").respond_with_json(body)
    with pytest.raises(PortalError, match="valhalla: expected a"):
        Valhalla(Remote("valhalla", httpserver.url_for("/")), square).route(START, END, depart_local=DEPART)


def test_when_it_is_down_the_built_in_router_answers_and_says_so(square, httpserver):
    httpserver.expect_request("/route").respond_with_data("gone", status=502)
    both = router(square, url=httpserver.url_for("/"))
    paths = both.route(START, END, depart_local=DEPART)
    assert {path.engine for path in paths} == {"built-in"}
    assert both.retime(paths[0], [DEPART]).seconds[0] == pytest.approx(paths[0].seconds)


def test_without_a_url_the_built_in_router_answers(square):
    assert isinstance(router(square), BuiltIn)


def test_what_it_drives_off_our_roads_is_on_no_link(square):
    lon, lat = np.array([-73.98, -73.977, -73.9735]), np.array([40.75, 40.75, 40.7545])
    found = match(square, Snapper(square), lon=lon, lat=lat)
    assert found.links.tolist() == [0, -1]
    assert found.link_m[1] == pytest.approx(558, rel=0.05)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_a_path_of_ours_is_matched_onto_its_own_links(town, seed):
    network = town(seed % 50, side=4)
    random = np.random.default_rng(seed)
    a, b = random.choice(len(network.lon), 2, replace=False)
    ends = ((network.lon[k] + 2e-4, network.lat[k]) for k in (a, b))
    try:
        path = BuiltIn(network).route(*ends, depart_local=DEPART)[0]
    except QueryError:
        return
    found = match(network, Snapper(network), lon=path.lon, lat=path.lat)
    ours = dict(zip(path.links.tolist(), path.link_m.tolist(), strict=True))
    driven = zip(found.links.tolist(), found.link_m.tolist(), strict=True)
    same = sum(metres for link, metres in driven if _is_same(network, link, ours))
    assert same > 0.8 * path.length_m
    assert found.link_m.sum() == pytest.approx(path.length_m, rel=5e-3)


def _is_same(network, link, ours):
    """A link of the path, or one drawn beside it between the same nodes."""
    ends = {(network.start[k], network.end[k]) for k in ours}
    return link >= 0 and (network.start[link], network.end[link]) in ends


def test_the_documented_example_of_the_encoding_is_decoded():
    assert decode("_p~iF~ps|U_ulLnnqC_mqNvxq`@") * 10 == pytest.approx(
        np.array([[-120.2, 38.5], [-120.95, 40.7], [-126.453, 43.252]])
    )
    with pytest.raises(ValueError, match="cut off"):
        decode("_p~iF~ps|U_ulL")
