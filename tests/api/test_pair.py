from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely
from starlette.testclient import TestClient

from tests.api.conftest import (
    NOW,
    ORIGIN,
    QUANTILE_FACTORS,
    City,
    add_places,
    add_releases,
    make_product,
    score_row,
    word,
)  # fmt: skip
from urbancast.core.place import PlaceKind, band_id, pair_id
from urbancast.core.product import Measure, Pairs
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, instants
from urbancast.geo import bands
from urbancast.lake import forecasts, observations, places, quarantine, scores, serving
from urbancast.lake.store import Lake

# Squares of 0.01 degrees in a row, about 1.1 km a side; the field lies 17 km off.
ZONES = {"1": ("Old Town", 2.30), "2": ("Harbour", 2.31), "3": ("Field", 2.50)}
PAIRS = Pairs(bands_km=(1.5, 8.0), hubs=("3",), least_draws=30)
DIRECT = {"1>2": 9.0, "2>1": 12.0, "1>1": 5.0, "1>3": 30.0, ">2": 11.0}
BANDS = dict(zip(bands.every(PAIRS), (6.0, 8.0, 25.0, 7.0, 20.0, 40.0, 15.0), strict=True))
MINUTES = Measure(id="minutes", label=word("minutes"), unit=word("minutes"), kind="duration", draws=True)
PATH = "/v1/products/taxi"


def minutes(place: str, hour: int, release: str) -> float:
    return (DIRECT | BANDS)[place] * (1 + hour / 24) * (0.8 if "base" in release else 1.0)


def issue(city: City, origin: Any, ids: list[str]) -> None:
    for release in ("minutes-gbm", "minutes-base"):
        rows = [
            {"place": place, "measure": "minutes", "origin": origin, "time": at, "release": release}
            | {"mean": minutes(place, at.hour, release)}
            | {name: f * minutes(place, at.hour, release) for name, f in zip(QUANTILE_COLUMNS, QUANTILE_FACTORS)}  # noqa: B905
            for place in ids
            for at in instants(origin, origin + 2 * DAY, HOUR)
        ]
        forecasts.add(city.lake, "taxi", pl.DataFrame(rows), run="t", issued_at=origin + HOUR)
    serving.move(
        city.lake, product="taxi", origin=origin, releases={"minutes": "minutes-gbm"}, versions={}, run="t",
        provenance="sample", data_to=origin - 10 * DAY, moved_at=origin + HOUR,
    )  # fmt: skip


def add_trips(lake: Lake) -> None:
    """Ninety trips from 1 to 2, nine from 2; ten rows refused between 1 and 2, thirty within 1."""
    hours = instants(ORIGIN - 20 * DAY, ORIGIN - 20 * DAY + 9 * HOUR, HOUR)
    trips = [("1>2", at, draw) for at in hours for draw in range(10)] + [("2>1", at, 100) for at in hours]
    frame = pl.DataFrame(trips, schema=["place", "time", "draw"], orient="row").with_columns(
        measure=pl.lit("minutes"), value=pl.lit(10.0), available_at=pl.col("time") + 10 * DAY
    )
    observations.add(lake, "taxi", frame, run="t", fetched_at=NOW, first_contact=NOW)
    out = [("1", "2", n) for n in range(10)] + [("1", "1", n) for n in range(30)]
    refused = pl.DataFrame(
        {"source": "trips", "row": [f'{{"id":"{n}","from":"{a}","to":"{b}"}}' for a, b, n in out], "rule": "too_short",
         "reason": "a minute or less"}
    )  # fmt: skip
    quarantine.add(lake, "taxi", refused, run="t")


def add_record(lake: Lake) -> None:
    rows = [
        score_row("1>2", "minutes", release, "replay", (ORIGIN - back * DAY).date(), hour, 0.5)
        for back in range(1, 31)
        for release in ("minutes-gbm", "minutes-base")
        for hour in range(24)
    ]
    scores.add(lake, "taxi", pl.DataFrame(rows).with_columns(pl.col("how").cast(pl.Int16)), run="t")


def build_taxi(folder: Path, *, is_schematic: bool) -> City:
    own = folder / "product"
    own.mkdir(parents=True)
    (own / "outline.csv").write_text("part,lat,lon\n0,48.8,2.2\n0,48.9,2.2\n0,48.9,2.6\n0,48.8,2.6\n")
    (own / "landmarks.csv").write_text("name,lat,lon\nBig Tower,48.855,2.304\nOld Bridge,48.856,2.318\n")
    more = {"place_kind": PlaceKind.PAIR, "lenses": ("pair",), "measures": (MINUTES,), "pairs": PAIRS}
    more |= {"horizon": timedelta(days=2), "verb": word("Take a cab"), "place_word": word("quarter")}
    city = City(Lake.open(str(folder / "lake")), {"taxi": make_product("taxi", own, **more)})
    add_places(city.lake, "taxi", [
        {"place": id_, "kind": "zone", "name": name, "lat": 48.855, "lon": lon + 0.005, "is_schematic": is_schematic,
         "geometry": shapely.to_wkb(shapely.box(lon, 48.85, lon + 0.01, 48.86))}
        for id_, (name, lon) in ZONES.items()
    ])  # fmt: skip
    add_releases(city.lake, "taxi", "minutes", primary="pinball")
    add_trips(city.lake)
    add_record(city.lake)
    issue(city, ORIGIN, [*DIRECT, *BANDS])
    return city


@pytest.fixture(scope="module")
def taxi_city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return build_taxi(tmp_path_factory.mktemp("taxi"), is_schematic=False)


@pytest.fixture(scope="module")
def taxi(taxi_city: City) -> Iterator[TestClient]:
    with taxi_city.client() as client:
        yield client


@pytest.fixture(scope="module")
def schematic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with build_taxi(tmp_path_factory.mktemp("schematic"), is_schematic=True).client() as client:
        yield client


def ask(client: TestClient, start: str, end: str, **more: str) -> dict[str, Any]:
    answer = client.get(f"{PATH}/pair", params={"from": start, "to": end, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_pair_with_trips_answers_for_itself(taxi: TestClient) -> None:
    found = ask(taxi, "1", "2", at="2021-10-30T18:00Z")
    assert (found["place"], found["is_direct"], found["band"], found["state"]) == ("1>2", True, None, "forecast")
    assert (found["from"]["name"], found["to"]["name"]) == ("Old Town", "Harbour")
    assert found["median"] == pytest.approx(minutes("1>2", 18, "gbm"), abs=1e-3)
    assert found["interval"]["low"] == pytest.approx(0.7 * found["median"], abs=1e-2)
    assert found["usual"] == pytest.approx(0.8 * found["mean"], abs=1e-2)
    assert found["comparison"] == "longer"
    assert found["distance_km"] == pytest.approx(0.7, abs=0.05)
    assert found["simulated"] is True
    assert found["data_to"]


def test_a_rare_pair_answers_by_its_band_and_says_so(taxi: TestClient) -> None:
    found = ask(taxi, "2", "3")
    assert found["is_direct"] is False
    assert found["place"] == "2>3"
    assert found["band"] == {"kind": "hub", "low_km": 8.0, "high_km": None}
    assert found["median"] == pytest.approx(minutes(band_id("hub", 8.0, None), NOW.hour, "gbm"), abs=1e-3)
    assert "over 8 km from or to Field" in found["sentence"]["en"]
    within = ask(taxi, "2", "2")
    assert within["band"] == {"kind": "city", "low_km": 0.0, "high_km": 1.5}


def test_an_unknown_end_is_a_category_of_its_own(taxi: TestClient) -> None:
    direct, band = ask(taxi, "", "2"), ask(taxi, "1", "")
    assert (direct["is_direct"], direct["from"]["name"], direct["distance_km"]) == (True, None, None)
    assert band["band"]["kind"] == "unknown"
    assert "an unknown place" in direct["sentence"]["en"]


def test_every_pair_of_zones_has_an_answer(taxi: TestClient) -> None:
    for start in (*ZONES, ""):
        for end in (*ZONES, ""):
            found = ask(taxi, start, end)
            assert found["state"] == "forecast"
            assert found["is_direct"] == (pair_id(start, end) in DIRECT)
            values = [found["quantiles"][name] for name in QUANTILE_COLUMNS]
            assert values == sorted(values)


def test_the_next_departures_follow(taxi: TestClient) -> None:
    series = ask(taxi, "1", "2", at="2021-10-30T18:20Z")["series"]
    assert len(series) == 24
    assert series[0]["time"] == "2021-10-30T18:00:00Z"
    expected = [minutes("1>2", hour % 24, "gbm") for hour in range(18, 42)]
    assert [each["q50"] for each in series] == pytest.approx(expected, abs=1e-3)
    assert len(ask(taxi, "1", "2", at="2021-10-31T22:00Z")["series"]) == 2


def test_sentences_say_area_to_area_in_three_languages(taxi: TestClient) -> None:
    said = ask(taxi, "1", "2", at="2021-10-30T18:00Z")["sentence"]
    assert said["en"].startswith(
        "Take a cab from Old Town to Harbour, leaving today at 20:00: about 16 minutes; 8 in 10 trips take 11–20."
    )
    assert "not door to door" in said["en"]
    assert "no de puerta a puerta" in said["es"]
    assert "pas de porte à porte" in said["fr"]
    assert all(text.endswith((".", ". ")) and "  " not in text for text in said.values())
    after = ask(taxi, "1", "2", at="2021-10-31T18:00Z")["sentence"]  # summer time has ended that night
    assert "leaving tomorrow at 19:00" in after["en"]
    assert "saliendo mañana a las 19:00" in after["es"]
    assert "within this quarter" in ask(taxi, "1", "1")["sentence"]["en"]


def test_the_record_counts_trips(taxi: TestClient) -> None:
    found = ask(taxi, "1", "2")
    assert found["record"]["state"] == "held"
    assert found["record"]["held"] == 0.5
    assert "of 60 trips here" in found["record"]["sentence"]["en"]
    early = ask(taxi, "2", "1")["record"]
    assert early["state"] == "too_early"
    assert early["city"]["held"] == 0.5
    assert found["skill"]["score"] == "pinball"


def test_the_share_of_refused_rows_is_that_of_the_pair_or_of_all(taxi: TestClient) -> None:
    assert ask(taxi, "1", "2")["shares"] == {"quarantined": 0.1, "scope": "pair"}
    assert ask(taxi, "1", "1")["shares"] == {"quarantined": 1.0, "scope": "pair"}
    assert ask(taxi, "2", "3")["shares"] == {"quarantined": round(40 / 139, 4), "scope": "all"}


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        ({"place": "1"}, {"place": "2"}, "1>2"),
        ("Old Town", "harbour", "1>2"),
        ({"lat": 48.855, "lon": 2.305}, {"lat": 48.852, "lon": 2.318}, "1>2"),
        ("Big Tower", {"address": "Old Bridge"}, "1>2"),
        ({"lat": 48.851, "lon": 2.301}, {"lat": 48.859, "lon": 2.309}, "1>1"),
        ("Old Town", "Old Town", "1>1"),
    ],
)
def test_ends_are_points_addresses_or_places(taxi: TestClient, start: Any, end: Any, place: str) -> None:
    answer = taxi.post(f"{PATH}/pair", json={"from": start, "to": end})
    assert answer.status_code == 200, answer.text
    assert answer.json()["place"] == place
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("body", "status", "state"),
    [
        ({"from": "Big Tower", "to": "Big Tower"}, 422, "same-ends"),
        ({"from": {"lat": 48.855, "lon": 2.305}, "to": {"lat": 48.8551, "lon": 2.305}}, 422, "same-ends"),
        ({"from": {"lat": 48.855, "lon": 2.40}, "to": "Harbour"}, 422, "outside-area"),
        ({"from": {"lat": 10, "lon": 2.40}, "to": "Harbour"}, 422, "outside-area"),
        ({"from": "Old", "to": "Harbour"}, 422, "ambiguous-address"),
        ({"from": "Atlantis", "to": "Harbour"}, 404, "address-unknown"),
        ({"from": {"place": "9"}, "to": "Harbour"}, 404, "unknown-place"),
        ({"from": "Harbour"}, 422, "malformed-query"),
        ({"from": {"lat": 48.855}, "to": "Harbour"}, 422, "malformed-query"),
        ({"from": "Harbour", "to": "Field", "at": "2022-01-01T00:00Z"}, 422, "beyond-horizon"),
        ({"from": "Harbour", "to": "Field", "at": "2020-01-01T00:00Z"}, 422, "before-record"),
        ({"from": "Harbour", "to": "Field", "at": "soon"}, 422, "malformed-time"),
    ],
)
def test_what_cannot_be_answered_is_a_named_state(
    taxi: TestClient, body: dict[str, Any], status: int, state: str
) -> None:
    answer = taxi.post(f"{PATH}/pair", json=body)
    assert (answer.status_code, answer.json()["state"]) == (status, state)
    assert answer.json()["action"]


@pytest.mark.parametrize("end", [{"lat": 48.855, "lon": 2.305}, "Big Tower", "Atlantis"])
def test_a_schematic_answers_for_names_alone(schematic: TestClient, end: Any) -> None:
    answer = schematic.post(f"{PATH}/pair", json={"from": end, "to": "Harbour"})
    assert (answer.status_code, answer.json()["state"]) == (422, "needs-boundaries")
    named = schematic.post(f"{PATH}/pair", json={"from": "Old Town", "to": "Harbour"})
    assert named.json()["place"] == "1>2"


def test_the_map_shows_minutes_from_the_busiest_zone_or_the_one_named(taxi: TestClient) -> None:
    found = taxi.get(f"{PATH}/map", params={"at": "2021-10-30T18:00Z"}).json()
    assert found["from"]["id"] == "1"
    assert found["places"] == list(ZONES)
    assert found["q50"] == pytest.approx([minutes(f"1>{end}", 18, "gbm") for end in ZONES], abs=1e-3)
    assert found["state"] == ["forecast"] * 3
    other = taxi.get(f"{PATH}/map", params={"from": "2"}).json()
    assert (other["from"]["id"], other["is_direct"]) == ("2", [True, False, False])
    assert taxi.get(f"{PATH}/map", params={"from": "9"}).json()["state"] == "unknown-place"


def test_what_other_routes_say_of_a_product_of_pairs(taxi: TestClient) -> None:
    own = taxi.get(f"{PATH}/forecast", params={"place": "1>2"}).json()
    assert own["place"]["name"] == "Old Town\N{NO-BREAK SPACE}→ Harbour"
    assert own["comparison"] is None
    rare = taxi.get(f"{PATH}/forecast", params={"place": "2>3"}).json()
    assert rare["place"]["id"] == "band:hub:8-"
    assert taxi.get(f"{PATH}/forecast", params={"place": "1"}).json()["state"] == "unknown-place"
    series = taxi.get(f"{PATH}/forecast", params={"place": "1>2", "from": "2021-10-30T00:00Z"}).json()
    assert len(series["series"]) == 48
    assert taxi.post(f"{PATH}/answer", json={"place": "1>2"}).json()["state"] == "forecast"
    assert taxi.post(f"{PATH}/answer", json={"address": "Harbour"}).json()["state"] == "needs-two-ends"
    listed = taxi.get("/v1/products").json()[0]
    assert (listed["place_kind"], listed["lenses"], listed["state"]) == ("pair", ["pair"], "ready")
    assert {shape["id"] for shape in taxi.get(f"{PATH}/places").json()["features"]} == set(ZONES)
    kinds = taxi.get(f"{PATH}/track-record").json()["kinds"]
    assert kinds["replay"]["best_places"][0]["name"] == "Old Town\N{NO-BREAK SPACE}→ Harbour"
    assert taxi.get(f"{PATH}/export/forecasts.csv").text.count("1>2") == 2 * 48


def test_products_of_places_say_that_they_know_no_pairs(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/pair", params={"from": "a", "to": "b"})
    assert (answer.status_code, answer.json()["state"]) == (404, "no-such-lens")
    assert client.get("/v1/products/bikes/map", params={"from": "a"}).json()["state"] == "no-such-lens"


def test_another_origin_may_know_other_pairs(taxi_city: City, tmp_path: Path) -> None:
    city = build_taxi(tmp_path, is_schematic=False)
    with city.client() as client:
        assert ask(client, "2", "1")["record"]["n"] == 0
        issue(city, ORIGIN + 12 * HOUR, [place for place in (*DIRECT, *BANDS) if place != "1>1"])
        client.app.state.urbancast.follower.look()  # type: ignore[attr-defined]
        assert ask(client, "1", "1", at="2021-10-31T00:00Z")["is_direct"] is False
        found = ask(client, "1", "2", at="2021-10-31T00:00Z")
        assert found["is_direct"] is True
        assert found["median"] == pytest.approx(minutes("1>2", 0, "gbm"), abs=1e-3)
        assert found["record"]["held"] in (None, 0.5)


def test_locations_of_a_pair_stand_in_no_log(taxi: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    taxi.post(f"{PATH}/pair", json={"from": {"lat": 48.855, "lon": 2.305}, "to": "Harbour"})
    told = capsys.readouterr()
    assert "48.855" not in told.out + told.err
    assert "Harbour" not in told.out + told.err


def test_the_lake_of_these_tests_keeps_zones_not_pairs(taxi_city: City) -> None:
    assert set(places.get(taxi_city.lake, "taxi")["kind"]) == {"zone"}
