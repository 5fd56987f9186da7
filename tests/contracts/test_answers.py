"""What every product answers through the API, and how it says that it has no answer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from urbancast.api.app import create_app
from urbancast.core.place import PlaceKind
from urbancast.core.product import LANGS, Product
from urbancast.core.time import UTC_US, as_grain, floor, instants, iso
from urbancast.geo.streets import Streets
from urbancast.lake import forecasts, network, places, serving
from urbancast.lake.store import Lake

if TYPE_CHECKING:
    from conftest import Tiny

NOWHERE = "Nowhere Lane of Nobody"
SEA = {"lat": 0.0, "lon": 0.0}
LENSES = {"zone": ("answer",), "pair": ("pair",), "route": ("route", "near"), "stock": ("stock-plan",)}
PROBLEM = {"type", "title", "status", "detail", "state", "expected", "found", "action"}


def client_of(lake: Lake, product: Product, now: datetime) -> TestClient:
    app = create_app(lake.url, catalog={product.id: product}, clock=lambda: now, poll_seconds=0.0)
    return TestClient(app, raise_server_exceptions=False)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a product is asked: its API over its tiny lake, minutes after its forecasts were made."""

    tiny: Tiny
    client: TestClient

    @property
    def product(self) -> Product:
        return self.tiny.product

    @cached_property
    def rows(self) -> pl.DataFrame:
        """Forecasts served of the measure that is shown first, whole pairs alone of pairs."""
        row = serving.current(self.tiny.lake)[self.product.id]
        release = row["releases"][self.product.measure.id]
        rows = forecasts.read(self.tiny.lake, self.product.id, origin=row["origin"], release=release)
        rows = rows.filter(pl.col("measure") == self.product.measure.id).sort("place", "time")
        is_whole = pl.lit(value=True) if self.product.pairs is None else pl.col("place").str.contains("^[^~>]+>[^>]+$")
        return rows.filter(is_whole)

    @property
    def place(self) -> str:
        """A place with forecasts."""
        return str(self.rows["place"][0])

    @property
    def at(self) -> str:
        """A time ahead that the place is open at."""
        times = self.rows.filter(pl.col("place") == self.place)["time"]
        time: datetime = times[len(times) // 2]
        return iso(time)

    @cached_property
    def streets(self) -> Streets:
        """Roads as served."""
        name = serving.current(self.tiny.lake)[self.product.id]["versions"]["network"]
        return Streets.load(network.load(self.tiny.lake, self.product.id, name))

    @property
    def is_schematic(self) -> bool:
        """Whether an address cannot be put into a zone."""
        return self.product.shape_kind is PlaceKind.ZONE and bool(self.tiny.panel.places["is_schematic"].any())

    def get(self, path: str, **params: str) -> Any:
        return self.client.get(f"/v1/products/{self.product.id}/{path}", params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.client.post(f"/v1/products/{self.product.id}/{path}", json=body)

    def ask(self, what: str) -> Any:
        """Ask the plainest question of a lens."""
        if what == "answer":
            return self.post("answer", {"place": self.place, "at": self.at})
        if what == "pair":
            start, _, end = self.place.partition(">")
            return self.get("pair", **{"from": start, "to": end, "at": self.at})
        if what == "route":
            ends = [{"place": self.streets.pieces.places[row]} for row in self.streets.pieces.place[[0, -1]].tolist()]
            return self.post("route", {"from": ends[0], "to": ends[1], "depart_at": self.at})
        if what == "near":
            lon, lat = self.streets.middle[0]
            return self.post("near", {"lat": float(lat), "lon": float(lon), "radius_m": 2000})
        return self.get(what)


@pytest.fixture(scope="module")
def desk(tiny: Tiny) -> Iterator[Desk]:
    """The API of every product in turn."""
    with client_of(tiny.lake, tiny.product, tiny.job.now + timedelta(minutes=5)) as client:
        yield Desk(tiny=tiny, client=client)


def in_three_languages(texts: Mapping[str, str]) -> None:
    assert set(texts) == set(LANGS)
    assert all(text.strip() for text in texts.values())
    assert len(set(texts.values())) == len(LANGS)


def with_a_range(answer: Mapping[str, Any], what: str) -> bool:
    """Whether the first number of an answer stands beside a range that holds it or lies around it."""
    if what == "route":
        known = answer["routes"][0]["interval"]
    elif what == "stock-plan":
        known = {"low": answer["rows"][0]["need"]["q10"], "high": answer["rows"][0]["need"]["q90"]}
    else:
        known = answer["interval"]
    return bool(known["low"] <= known["high"])


def test_every_lens_answers_in_three_languages_with_unit_range_and_where_it_comes_from(desk: Desk) -> None:
    promised = [vars(licence) for licence in desk.product.licences]
    card = (desk.product.folder / "card.md").read_text(encoding="utf-8")
    for what in (question for lens in desk.product.lenses for question in LENSES[lens]):
        response = desk.ask(what)
        assert response.status_code == 200, response.text
        answer = response.json()
        in_three_languages(answer["sentence"])
        assert set(answer["unit"]) == set(LANGS)
        assert what == "near" or with_a_range(answer, what)
        assert answer["origin"] == iso(desk.tiny.job.now)
        assert answer["data_to"] < answer["origin"]
        assert answer["release"] in set(forecasts.read(desk.tiny.lake, desk.product.id)["release"])
        assert (answer["provenance"], answer["simulated"]) == ("sample", True)
        assert answer["licences"] == promised
        assert all(text in card for licence in promised for text in (licence["name"], licence["url"]))


def test_every_payload_says_that_it_is_simulated(desk: Desk) -> None:
    listed = desk.client.get("/v1/products").json()
    payloads = [*listed, desk.get("map", at=desk.at).json(), desk.get("places").json(), desk.get("track-record").json()]
    payloads.append(desk.get("forecast", place=desk.place, **{"from": iso(desk.tiny.job.now)}).json())
    for payload in payloads:
        assert (payload["provenance"], payload["simulated"]) == ("sample", True)
    assert desk.client.get("/v1/status").json()["simulated"] is True
    lines = desk.get("export/forecasts.csv").text.splitlines()
    assert lines[0].endswith("provenance,simulated")
    assert len(lines) > 1
    assert all(line.endswith("sample,true") for line in lines[1:])


def test_the_list_of_products_keeps_the_promise(desk: Desk) -> None:
    (listed,) = desk.client.get("/v1/products").json()
    product = desk.product
    assert (listed["id"], listed["state"]) == (product.id, "ready")
    assert listed["lenses"] == list(product.lenses)
    assert listed["licences"] == [vars(licence) for licence in product.licences]
    assert listed["serving"]["origin"] == iso(desk.tiny.job.now)
    assert all(listed["serving"]["is_baseline"].values())


def refused(response: Any, state: str) -> None:
    """The answer is a problem of that name which says what was expected, what was found and what to do."""
    assert 400 <= response.status_code <= 503, response.text
    assert response.status_code != 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert set(found) >= PROBLEM
    assert found["state"] == state, found
    assert found["detail"].strip()
    for member in ("expected", "found", "action"):
        assert isinstance(found[member], str), member
        assert found[member].strip(), member


def test_times_and_measures_that_cannot_be_answered_are_named(desk: Desk) -> None:
    late = iso(desk.tiny.job.now + timedelta(days=3650))
    for path, params in (("forecast", {"place": desk.place}), ("map", {})):
        refused(desk.get(path, **params, at="soon"), "malformed-time")
        refused(desk.get(path, **params, at=late), "beyond-horizon")
        refused(desk.get(path, **params, at="1900-01-01T00:00Z"), "before-record")
        refused(desk.get(path, **params, measure="smiles"), "unknown-measure")
        refused(desk.get(path, **params, colour="blue"), "malformed-query")
    for what in ("answer", "pair", "route"):
        ends = {"place": desk.place} if what == "answer" else {"from": {"place": "1"}, "to": {"place": "2"}}
        is_known = what in {question for lens in desk.product.lenses for question in LENSES[lens]} | {"answer"}
        field = "depart_at" if what == "route" else "at"
        if is_known:
            refused(desk.post(what, ends | {field: 7}), "malformed-query")
    refused(desk.get("forecast"), "malformed-query")


def test_places_that_cannot_be_answered_are_named(desk: Desk) -> None:
    is_paired, by_pairs = desk.product.pairs is not None, desk.place.partition(">")
    strange = f"{NOWHERE}>{NOWHERE}" if is_paired else NOWHERE
    refused(desk.get("forecast", place=strange), "unknown-place")
    refused(desk.post("answer", {"place": strange}), "unknown-place")
    lon, lat = desk.product.centre
    unknown = "needs-boundaries" if desk.is_schematic else "address-unknown"
    away = "needs-boundaries" if desk.is_schematic else "outside-area"
    if is_paired:
        end = {"place": by_pairs[2]}
        refused(desk.get("pair", **{"from": NOWHERE, "to": by_pairs[2]}), "unknown-place")
        refused(desk.post("pair", {"from": NOWHERE, "to": end}), unknown)
        refused(desk.post("pair", {"from": SEA, "to": end}), "outside-area")
        refused(desk.post("answer", {"address": NOWHERE}), "needs-two-ends")
        if desk.is_schematic:
            refused(desk.post("pair", {"from": {"lat": lat, "lon": lon}, "to": end}), "needs-boundaries")
        return
    refused(desk.post("answer", {"address": NOWHERE}), unknown)
    refused(desk.post("answer", SEA), "outside-area")
    corner = far_corner(desk)
    refused(desk.post("answer", corner), away)
    if "route" in desk.product.lenses:
        end = {"place": desk.place}
        refused(desk.post("route", {"from": NOWHERE, "to": end}), "address-unknown")
        refused(desk.post("route", {"from": SEA, "to": end}), "outside-area")
        refused(desk.post("near", SEA), "outside-area")


def far_corner(desk: Desk) -> dict[str, float]:
    """A corner of the places' bounds: inside the area that is looked at, and on no site."""
    west, south, _, _ = desk.client.get("/v1/products").json()[0]["bounds"]
    return {"lat": south - 0.01, "lon": west - 0.01}


def test_a_name_of_several_places_is_answered_with_them(desk: Desk) -> None:
    known = desk.client.app.state.urbancast.view(desk.product.id).atlas.gazetteer  # type: ignore[attr-defined]
    words = sorted({word for name in desk.tiny.panel.places["name"] for word in name.split() if len(word) > 3})
    several = next((word for word in words if len(known.best(word)) > 1), None)
    if several is None:  # every word of this city's names means one place
        return
    asked = {"from": several, "to": several} if desk.product.pairs is not None else {"address": several}
    response = desk.post("pair" if desk.product.pairs is not None else "answer", asked)
    refused(response, "ambiguous-address")
    assert len(response.json()["candidates"]) > 1


def test_a_lens_that_a_product_has_not_is_named(desk: Desk) -> None:
    ends = {"from": {"place": desk.place}, "to": {"place": desk.place}}
    questions = {
        "pair": [("get", "pair", {"from": desk.place, "to": desk.place}), ("post", "pair", ends)],
        "route": [("post", "route", ends), ("post", "near", {"lat": 1.0, "lon": 1.0})],
        "stock": [("get", "stock-plan", {}), ("get", "stock-plan.csv", {}), ("post", "stock-plan", {})],
    }
    for lens, asked in questions.items():
        for verb, path, told in asked if lens not in desk.product.lenses else ():
            refused(desk.get(path, **told) if verb == "get" else desk.post(path, told), "no-such-lens")


def test_a_product_without_forecasts_is_not_ready(desk: Desk, tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    places.put(lake, desk.product.id, desk.tiny.panel.places.drop("product", strict=False))
    with client_of(lake, desk.product, desk.tiny.job.now) as client:
        early = Desk(tiny=desk.tiny, client=client)
        (listed,) = client.get("/v1/products").json()
        assert listed["serving"] is None
        answers = [early.get("map"), early.get("forecast", place=early.place), early.get("export/forecasts.csv")]
        answers += [early.ask(question) for lens in desk.product.lenses for question in LENSES[lens]]
        answers.append(client.get("/readyz"))
    for response in answers[:-1]:
        refused(response, "not-ready")
        assert int(response.headers["retry-after"]) > 0
    assert answers[-1].status_code == 503


def test_an_hour_that_is_closed_says_when_it_opens(desk: Desk) -> None:
    product, now = desk.product, desk.tiny.job.now
    if product.is_open is None:
        return
    grain = as_grain(product.grain)
    times = pl.Series("time", instants(floor(now, grain), now + product.horizon - grain, grain), dtype=UTC_US)
    shut = times.filter(~product.is_open(times))
    assert len(shut) > 0
    response = desk.get("forecast", place=desk.place, at=iso(shut[0]))
    assert response.status_code == 200
    answer = response.json()
    assert (answer["state"], answer["mean"]) == ("closed", None)
    assert answer["reason"]
    assert answer["action"]
    in_three_languages(answer["sentence"])


def test_a_source_that_has_ended_says_so_of_times_after_it(desk: Desk, tmp_path: Path) -> None:
    if not desk.product.historical:
        return
    shutil.copytree(desk.tiny.lake.url, tmp_path / "lake")
    lake, row = Lake.open(str(tmp_path / "lake")), serving.current(desk.tiny.lake)[desk.product.id]
    kept = {name: row[name] for name in ("origin", "releases", "versions", "data_to")}
    moved = row["moved_at"] + timedelta(seconds=1)
    serving.move(lake, product=desk.product.id, moved_at=moved, run="test", provenance="extract", **kept)
    with client_of(lake, desk.product, desk.tiny.job.now + timedelta(days=900)) as client:
        ended = Desk(tiny=desk.tiny, client=client)
        late = iso(desk.tiny.job.now + timedelta(days=900))
        refused(ended.get("forecast", place=ended.place, at=late), "historical")
        assert ended.get("forecast", place=ended.place).json()["simulated"] is False
