"""A real route in Manhattan: three years of reports, real zones, a real road graph, from pull to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from starlette.testclient import TestClient

from urbancast import products
from urbancast.api.app import create_app
from urbancast.flows import forecast, pull, train
from urbancast.flows.opening import Origin, jobs
from urbancast.geo.network import Network
from urbancast.lake import places
from urbancast.lake.store import Lake

pytestmark = pytest.mark.real
AS_OF = datetime(2021, 3, 1, 5, tzinfo=UTC)
PULLED = datetime(2023, 1, 2, tzinfo=UTC)
BATTERY, HARLEM = {"lat": 40.7045, "lon": -74.0155}, {"lat": 40.8116, "lon": -73.9465}
RIVER, BROOKLYN = {"lat": 40.7600, "lon": -74.0150}, {"lat": 40.6600, "lon": -73.9600}
FILES = {
    "crashes": "nyc/injury_crashes_2020_2022.parquet",
    "places": "nyc/taxi_zones.geojson",
    "nodes": "network/manhattan_points.csv",
    "edges": "network/manhattan_edges.csv",
    "times_week": "network/manhattan_week.csv",
    "times_sat": "network/manhattan_sat.csv",
    "times_sun": "network/manhattan_sun.csv",
}


@pytest.fixture(scope="module")
def lake(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Lake:
    links = {name: str(shared_data(file)) for name, file in FILES.items()}
    made = Lake.open(str(tmp_path_factory.mktemp("manhattan") / "lake"))
    with jobs(["nyc_crashes"], made, Origin(links=links), now=PULLED) as (job,):
        pull.run(job)
        train.baselines(job.at(AS_OF))
        forecast.run(job.at(AS_OF))
    return made


@pytest.fixture(scope="module")
def client(lake: Lake) -> Iterator[TestClient]:
    app = create_app(lake.url, catalog={"nyc_crashes": products.get("nyc_crashes")}, poll_seconds=0.0)
    with TestClient(app) as client:
        yield client


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/products/nyc_crashes/route", json=body)


def test_battery_park_to_harlem(client: TestClient) -> None:
    found = ask(client, **{"from": BATTERY, "to": HARLEM}).json()
    assert found["provenance"] == "extract"
    assert found["simulated"] is False
    assert 2 <= len(found["routes"]) <= 3
    for route in found["routes"]:
        assert 12_000 < route["length_m"] < 22_000
        assert 600 < route["duration_s"] < 7_200
        assert 0.001 < route["expected"] < 0.2
        assert sum(zone["expected"] for zone in route["zones"]) == pytest.approx(route["expected"], rel=1e-3)
    assert any(zone["is_flagged"] for route in found["routes"] for zone in route["zones"])
    by_hour = {row["at_local"][11:13]: row["routes"][0]["expected"] for row in found["departures"]}
    assert by_hour["17"] > 2 * by_hour["03"]


def test_zones_along_a_route_are_those_of_an_exact_geometric_check(client: TestClient, lake: Lake) -> None:
    """Edges of zones run within centimetres of avenues: zones drawn a metre smaller and larger bound what is told."""
    zones = places.get(lake, "nyc_crashes")
    shapes = dict(zip(zones["place"], shapely.from_wkb(zones["geometry"].to_numpy()), strict=True))
    for route in ask(client, **{"from": BATTERY, "to": HARLEM}).json()["routes"]:
        line = shapely.LineString(route["geometry"]["coordinates"])
        told = dict.fromkeys(shapes, 0.0)
        for zone in route["zones"]:
            told[zone["place"]] += zone["length_m"]
        for place, shape in shapes.items():
            least, most = (length_m(shapely.intersection(line, shapely.buffer(shape, by))) for by in (-1e-5, 1e-5))
            assert least - 5 <= told[place] <= most + 5, place


def length_m(shape: shapely.Geometry) -> float:
    parts = [shapely.get_coordinates(part).T for part in shapely.get_parts(shape) if part.geom_type == "LineString"]
    return sum(float(Network.steps_m(lon, lat).sum()) for lon, lat in parts)


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ({"from": RIVER, "to": HARLEM}, "outside-area"),
        ({"from": BATTERY, "to": BROOKLYN}, "no-road-data"),
        ({"from": "JFK Airport", "to": HARLEM}, "no-road-data"),
        ({"from": HARLEM, "to": HARLEM}, "same-ends"),
        ({"from": {"lat": 48.86, "lon": 2.35}, "to": HARLEM}, "outside-area"),
    ],
)
def test_real_ends_that_cannot_be_driven_have_names(client: TestClient, ends: dict[str, Any], state: str) -> None:
    response = ask(client, **ends)
    assert (response.status_code, response.json()["state"]) == (422, state)


def test_an_ambiguous_name_gives_its_candidates(client: TestClient) -> None:
    response = ask(client, **{"from": "Harlem", "to": BATTERY})
    assert response.json()["state"] == "ambiguous-address"
    assert len(response.json()["candidates"]) > 1


def test_what_lies_ahead_in_midtown(client: TestClient) -> None:
    body = {"lat": 40.7527, "lon": -73.9772, "radius_m": 1000, "heading": 29}
    found = client.post("/v1/products/nyc_crashes/near", json=body).json()
    assert 1 <= len(found["warnings"]) <= 3
    for warning in found["warnings"]:
        assert warning["events"] >= 2
        assert warning["lift"] > found["cutoff"]["lift"] >= 1
        assert warning["years"] == pytest.approx(1.15, abs=0.1)  # what was known then, not three years
