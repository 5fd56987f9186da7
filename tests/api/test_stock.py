"""Stock plans over a tiny real lake: three warehouses, quantiles that can be read off, costs as the flows keep them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely
from starlette.testclient import TestClient

from urbancast.api.app import create_app
from urbancast.core.place import PlaceKind
from urbancast.core.product import LANGS, Licence, Measure, Product, Stock
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import local_midnight
from urbancast.evaluation import stock as scoring
from urbancast.lake import forecasts, observations, places, releases, scores, serving
from urbancast.lake.store import Lake

TZ = "America/Chicago"
TODAY = date(2025, 11, 10)
ORIGIN = datetime(2025, 11, 10, 15, tzinfo=UTC)
FIRST = local_midnight(TODAY + timedelta(days=1), TZ)
AREAS = {"6": ("Lake View", -87.65), "8": ("Near North", -87.63), "32": ("Loop", -87.60)}
NEED = {"6": 100.0, "8": 50.0, "32": 0.0}
STEPS = (0.2, 0.4, 0.7, 1.0, 1.3, 1.6, 2.0)


def word(text: str) -> dict[str, str]:
    return dict.fromkeys(LANGS, text)


def measure(name: str, **more: Any) -> Measure:
    return Measure(id=name, label=word(name), unit=word("trips"), **more)


MEASURES = (
    measure("starts"),
    measure("net", signed=True),
    measure("need", derived_from="starts"),
    measure("peak", derived_from="starts"),
    measure("outflow", signed=True, derived_from="net"),
)
STOCK = Stock(starts="starts", net_outflow="net", need="need", peak="peak", outflow="outflow", days=3, turns=2.0)


def product(folder: Path, **more: Any) -> Product:
    basis: dict[str, Any] = {
        "id": "scooters", "city": "Testville", "country": "US", "tz": TZ, "verb": word("Stock"),
        "question": word("How many?"), "place_kind": PlaceKind.ZONE, "place_word": word("area"), "grain": "1d",
        "horizon": timedelta(days=7), "lenses": ("zone", "stock"), "measures": MEASURES, "folder": folder,
        "licences": (Licence(source="trips", name="CC0", url="https://example.org", attribution="Testville"),),
        "centre": (-87.63, 41.9), "stock": STOCK, "historical": True,
    }  # fmt: skip
    return Product(**(basis | more))


def row(place: str, name: str, time: datetime, release: str, level: float) -> dict[str, Any]:
    shift = -20.0 if name in ("net", "outflow") else 0.0
    values = [level * step + shift for step in STEPS]
    return {"place": place, "measure": name, "origin": ORIGIN, "time": time, "release": release,
            "mean": level + shift, **dict(zip(QUANTILE_COLUMNS, values, strict=True))}  # fmt: skip


def issue(lake: Lake) -> None:
    rows = []
    for back in range(7):
        time = local_midnight(TODAY + timedelta(days=1 + back), TZ)
        for place in AREAS:
            rows += [row(place, name, time, f"{name}-gbm", 10.0) for name in ("starts", "net")]
    for place, level in {**NEED, "": 120.0}.items():
        rows += [row(place, name, FIRST, "starts-gbm", level) for name in ("need", "peak")]
        rows.append(row(place, "outflow", FIRST, "net-gbm", 20.0))
    signed = ["net", "outflow"]
    forecasts.add(lake, "scooters", pl.DataFrame(rows), run="t", issued_at=ORIGIN, signed=signed)


def count(lake: Lake) -> None:
    """Ten days in which every second trip from 6 ends at 8."""
    rows = []
    for back in range(1, 11):
        day = TODAY - timedelta(days=back)
        time = local_midnight(day, TZ)
        for place, starts, net in (("6", 20.0, 10.0), ("8", 10.0, -10.0), ("32", 0.0, 0.0)):
            known = {"place": place, "time": time, "draw": 0, "available_at": time + timedelta(hours=31)}
            rows += [{**known, "measure": "starts", "value": starts}, {**known, "measure": "net", "value": net}]
    observations.add(lake, "scooters", pl.DataFrame(rows), run="t", fetched_at=ORIGIN, first_contact=ORIGIN)


def score(lake: Lake, *, days: int) -> None:
    """Windows in which ours costs 1 a place, last week's stock 3 on even days and 2 on odd ones, at every level."""
    parts = []
    for back in range(days):
        time = local_midnight(TODAY - timedelta(days=4 + back), TZ)
        plan = {"place": "6", "measure": "need", "origin": time, "time": time, "value": 10.0, "last_week": 10.0}
        quantiles = dict.fromkeys(QUANTILE_COLUMNS, 10.0)
        frame = pl.DataFrame([plan | quantiles]).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
        sums = scoring.costs(frame, kind="backtest", tz=TZ)
        parts.append(sums.with_columns(pinball=pl.lit(1.0), baseline_pinball=pl.lit(3.0 if back % 2 == 0 else 2.0)))
    scores.add(lake, "scooters", pl.concat(parts), run="t")


def build(folder: Path, *, provenance: Any = "sample") -> Lake:
    lake = Lake.open(str(folder / "lake"))
    shapes = [
        {"place": place, "kind": "zone", "name": name, "part_of": "North", "lat": 41.9, "lon": lon, "area_km2": 1.0,
         "geometry": shapely.to_wkb(shapely.box(lon - 0.005, 41.89, lon + 0.005, 41.91)), "is_schematic": True,
         "attributes": "{}", "valid_from": datetime(2020, 1, 1, tzinfo=UTC), "valid_to": None}
        for place, (name, lon) in AREAS.items()
    ]  # fmt: skip
    kinds = {"valid_to": pl.Datetime("us", "UTC"), "valid_from": pl.Datetime("us", "UTC")}
    places.put(lake, "scooters", pl.DataFrame(shapes, schema_overrides=kinds))
    named = [
        {"product": "scooters", "release": f"{name}-{candidate}", "measure": name, "number": number,
         "candidate": candidate, "trained_until": ORIGIN, "path": "none", "facts": "{}", "created_at": ORIGIN,
         "run": "t"}
        for name in ("starts", "net") for number, candidate in enumerate(("climatology", "gbm"))
    ]  # fmt: skip
    releases.add(lake, pl.DataFrame(named))
    issue(lake)
    count(lake)
    score(lake, days=24)
    serving.move(
        lake, product="scooters", origin=ORIGIN, releases={"starts": "starts-gbm", "net": "net-gbm"}, versions={},
        run="t", provenance=provenance, data_to=ORIGIN - timedelta(days=1), moved_at=ORIGIN,
    )  # fmt: skip
    return lake


def over(folder: Path, **more: Any) -> TestClient:
    own = folder / "product"
    own.mkdir(exist_ok=True)
    (own / "outline.csv").write_text("part,lat,lon\n0,41.8,-87.7\n0,42.0,-87.7\n0,42.0,-87.5\n0,41.8,-87.5\n")
    lake = build(folder, **more)
    plain = product(own, id="plain", lenses=("zone",), stock=None)
    catalog = {"scooters": product(own), "plain": plain}
    app = create_app(lake.url, catalog=catalog, clock=lambda: ORIGIN, poll_seconds=0.0)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with over(tmp_path_factory.mktemp("stock")) as found:
        yield found


def plan(client: TestClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/products/scooters/stock-plan?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_place(found: dict[str, Any], column: str) -> dict[str, Any]:
    return {row["place"]: row[column] for row in found["rows"]}


def test_the_stock_is_the_quantile_of_the_need_over_the_turns(client: TestClient) -> None:
    found = plan(client)
    assert by_place(found, "stock") == {"6": 80, "8": 40, "32": 0}  # 1.6 × need at 90 %, by 2 turns
    assert found["parameters"]["service_level"] == 0.9
    assert found["parameters"]["turns_is_default"] is True
    assert by_place(plan(client, "turns=4&service_level=0.5"), "stock") == {"6": 25, "8": 13, "32": 0}
    assert by_place(plan(client, "service_level=0.925"), "stock")["6"] == 90  # half way from 1.6 to 2.0


def test_costs_decide_the_level_by_themselves(client: TestClient) -> None:
    by_cost, by_level = plan(client, "shortage_cost=9&idle_cost=1"), plan(client)
    assert by_place(by_cost, "stock") == by_place(by_level, "stock")
    assert by_cost["parameters"] | {"level": 0.9} == by_cost["parameters"]
    assert by_cost["parameters"]["service_level"] is None
    assert by_cost["backtest"]["cost"] == pytest.approx(10 * by_level["backtest"]["cost"])


def test_the_first_day_and_the_parts_of_the_need_are_told(client: TestClient) -> None:
    found = plan(client)
    assert (found["first_day"], found["days"]) == ("2025-11-11", 3)
    own = next(row for row in found["rows"] if row["place"] == "6")
    assert own["name"] == "Lake View"
    assert own["need"] == {"mean": 100.0, "q10": 40.0, "q90": 160.0}
    assert own["net_outflow"] == {"mean": 0.0, "q10": -12.0, "q90": 12.0}
    assert found["total"]["peak"] == {"mean": 60.0, "q10": 24.0, "q90": 96.0}
    assert found["total"]["stock"] == 120
    assert found["simulated"] is True
    assert set(found["sentence"]) == set(LANGS)
    assert [caveat["id"] for caveat in found["caveats"]] == ["censored", "turns", "standing-derived"]


def test_a_fleet_is_shared_out_exactly_and_worth_the_same_everywhere(client: TestClient) -> None:
    found = plan(client, "fleet=60")
    shares = by_place(found, "allocation")
    assert sum(shares.values()) == 60
    assert shares == {"6": 40, "8": 20, "32": 0}  # the same quantile of needs of one shape
    short = by_place(found, "shortage_chance")
    assert short["6"] == pytest.approx(short["8"], abs=0.02)
    assert found["sentence"]["en"].count("60") >= 1


@pytest.mark.parametrize("fleet", [0, 1, 7, 119, 500, 100_000])
def test_the_whole_fleet_is_shared_out_whatever_its_size(client: TestClient, fleet: int) -> None:
    assert sum(by_place(plan(client, f"fleet={fleet}"), "allocation").values()) == fleet


def test_without_standing_it_is_where_trips_ended_and_said_so(client: TestClient) -> None:
    found = plan(client, "fleet=60")
    assert found["standing"]["is_given"] is False
    assert found["standing"]["places"] == {"6": 20, "8": 40}  # ends: 10 and 20 a day
    assert [(move["from"], move["to"], move["count"]) for move in found["transfers"]] == [("8", "6", 20)]


def test_standing_is_given_by_id_or_name_and_moved_over_the_least_distance(client: TestClient) -> None:
    body = {"fleet": 60, "standing": {"loop": 30, "8": 30}}
    found = client.post("/v1/products/scooters/stock-plan", json=body).json()
    assert found["standing"] == {"is_given": True, "source": "given", "total": 60, "places": {"8": 30, "32": 30}}
    moves = {(move["from"], move["to"]): move["count"] for move in found["transfers"]}
    assert moves == {("32", "6"): 30, ("8", "6"): 10}
    assert "standing-derived" not in [caveat["id"] for caveat in found["caveats"]]


def test_the_realised_cost_is_looked_up_with_its_paired_interval(client: TestClient) -> None:
    found = plan(client)["backtest"]
    assert (found["kind"], found["windows"], found["level"]) == ("backtest", 24, 0.9)
    assert found["cost"] == 0.5  # of scooters: trips by turns
    assert found["cost_last_week"] == 1.25
    assert found["low"] < found["saving"] == 0.75 < found["high"]


def test_a_table_holds_the_same_rows_with_their_provenance(client: TestClient) -> None:
    answer = client.get("/v1/products/scooters/stock-plan.csv?fleet=60")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["place"]: int(row["allocation"]) for row in rows} == {"6": 40, "8": 20, "32": 0}
    assert {row["simulated"] for row in rows} == {"True"}
    assert {row["first_day"] for row in rows} == {"2025-11-11"}


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("service_level=0.99", "service-level-not-forecast"),
        ("service_level=0.049", "service-level-not-forecast"),
        ("service_level=nan", "service-level-not-forecast"),
        ("shortage_cost=1000&idle_cost=1", "service-level-not-forecast"),
        ("service_level=0.9&shortage_cost=9&idle_cost=1", "level-and-costs"),
        ("shortage_cost=9", "level-and-costs"),
        ("shortage_cost=-9&idle_cost=1", "negative-cost"),
        ("shortage_cost=0&idle_cost=0", "negative-cost"),
        ("shortage_cost=inf&idle_cost=1", "negative-cost"),
        ("turns=0", "malformed-turns"),
        ("turns=-2", "malformed-turns"),
        ("turns=nan", "malformed-turns"),
        ("fleet=-1", "malformed-fleet"),
        ("fleet=1.5", "malformed-fleet"),
        ("fleet=99999999999", "malformed-fleet"),
        ("fleet=many", "malformed-query"),
        ("days=9", "beyond-horizon"),
        ("days=2", "malformed-query"),
    ],
)
def test_a_bad_question_is_a_named_state(client: TestClient, query: str, state: str) -> None:
    for path in ("stock-plan", "stock-plan.csv"):
        answer = client.get(f"/v1/products/scooters/{path}?{query}")
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["state"] == state
        assert problem["expected"]
        assert problem["found"]
        assert problem["action"]


@pytest.mark.parametrize(
    ("body", "status", "state"),
    [
        ({"standing": {"Atlantis": 3}}, 404, "unknown-place"),
        ({"standing": {"6": -1}}, 422, "malformed-standing"),
        ({"standing": {"6": 10**9}}, 422, "malformed-standing"),
        ({"standing": {"6": "some"}}, 422, "malformed-query"),
        ({"fleets": 3}, 422, "malformed-query"),
        ({"turns": 0}, 422, "malformed-turns"),
    ],
)
def test_a_bad_body_is_a_named_state(client: TestClient, body: dict[str, Any], status: int, state: str) -> None:
    answer = client.post("/v1/products/scooters/stock-plan", json=body)
    assert (answer.status_code, answer.json()["state"]) == (status, state)


def test_a_product_without_the_lens_says_so(client: TestClient) -> None:
    answer = client.get("/v1/products/plain/stock-plan")
    assert (answer.status_code, answer.json()["state"]) == (404, "no-such-lens")


def test_a_net_outflow_is_told_as_leaving_and_arriving(client: TestClient) -> None:
    answer = client.get(f"/v1/products/scooters/forecast?place=6&measure=net&at={FIRST:%Y-%m-%dT%H:%MZ}").json()
    assert answer["mean"] == -10.0
    words = answer["sentence"]
    assert "about 10 more arrive than leave; 8 in 10 chance of anything from 16 more arriving to 4 more" in words["en"]
    assert "llegan unos 10 más de los que salen" in words["es"]
    assert "environ 10 de plus arrivent" in words["fr"]
    assert answer["comparison"] is None
    breaks = client.get(f"/v1/products/scooters/map?measure=net&at={FIRST:%Y-%m-%dT%H:%MZ}").json()["breaks"]
    assert breaks == sorted(breaks)
    assert breaks[1] == -breaks[4]
    assert breaks[2] == -breaks[3]


def test_an_area_is_found_by_name_and_by_number(client: TestClient) -> None:
    for text in ("Lake View", "lake vi", "6"):
        answer = client.post("/v1/products/scooters/answer", json={"address": text})
        assert answer.status_code == 200, answer.text
        assert answer.json()["place"]["id"] == "6"


def test_a_source_that_has_ended_answers_for_its_last_days_and_refuses_later_ones(tmp_path: Path) -> None:
    with over(tmp_path, provenance="extract") as ended:
        found = plan(ended)
        assert found["historical"] is True
        assert "historical" in [caveat["id"] for caveat in found["caveats"]]
        late = ended.get("/v1/products/scooters/forecast?place=6&at=2026-03-01T12:00Z")
        assert (late.status_code, late.json()["state"]) == (422, "historical")
        assert ended.get("/v1/products/scooters").json()["historical"] is True


def test_a_simulated_city_runs_on_as_if_alive(client: TestClient) -> None:
    assert client.get("/v1/products/scooters").json()["historical"] is False
    late = client.get("/v1/products/scooters/forecast?place=6&at=2026-03-01T12:00Z")
    assert late.json()["state"] == "beyond-horizon"


def test_days_before_the_first_forecast_are_on_the_axis_through_a_change_of_clocks(client: TestClient) -> None:
    found = client.get("/v1/products/scooters/map").json()
    assert found["times"]["past_first"] == "2025-10-27T05:00:00Z"  # summer time
    assert found["times"]["now"] == "2025-11-11T06:00:00Z"  # the first day forecast: nothing was for today
    past = client.get("/v1/products/scooters/forecast?place=6&from=2025-11-01T00:00Z&to=2025-11-04T12:00Z").json()
    assert [point["time"] for point in past["series"]] == [
        "2025-11-01T05:00:00Z", "2025-11-02T05:00:00Z", "2025-11-03T06:00:00Z", "2025-11-04T06:00:00Z",
    ]  # fmt: skip
    assert [point["observed"] for point in past["series"]] == [20.0] * 4


def test_what_is_usual_of_a_day_is_the_mean_of_its_weekday_through_a_change_of_clocks(client: TestClient) -> None:
    usual = client.get(f"/v1/products/scooters/map?at={FIRST:%Y-%m-%dT%H:%MZ}").json()["usual"]
    assert sorted(usual) == [0.0, 10.0, 20.0]


def test_what_is_forecast_for_the_first_day_alone_is_not_called_a_gap_of_the_place(client: TestClient) -> None:
    later = FIRST + timedelta(days=1)
    told = client.get(f"/v1/products/scooters/forecast?place=6&measure=need&at={later:%Y-%m-%dT%H:%MZ}").json()
    assert told["state"] == "no_data"
    assert "none was made of this for that time, here or elsewhere" in told["sentence"]["en"]
    assert "no usable data" not in told["sentence"]["en"]
