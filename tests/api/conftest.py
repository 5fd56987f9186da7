"""A tiny real lake: a city of four counters and a city of three zones, on the eve of a clock change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely
from fastapi import APIRouter
from starlette.testclient import TestClient

from urbancast.api.access import Operator, Reader
from urbancast.api.app import create_app
from urbancast.api.gate import Gate
from urbancast.api.targets import target
from urbancast.core.place import PlaceKind
from urbancast.core.product import COVERED, Licence, Measure, Product
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, instants
from urbancast.lake import audit, forecasts, keys, observations, places, releases, runs, scores, serving, verdicts
from urbancast.lake.keys import Key
from urbancast.lake.store import Lake

ORIGIN = datetime(2021, 10, 30, tzinfo=UTC)  # Paris leaves summer time on the 31st at 01:00 UTC
NOW = ORIGIN + 6 * HOUR
QUANTILE_FACTORS = (0.6, 0.7, 0.85, 1.0, 1.15, 1.3, 1.4)
TERMS = Licence(source="counts", name="ODbL", url="https://example.org/odbl", attribution="City of Tests")
SITES = {"a": (48.8600, 2.3500), "b": (48.8700, 2.3600), "c": (48.8500, 2.3400), "shut": (48.8550, 2.3700)}
ZONES = {"1": ("Astoria", -73.93), "2": ("Harlem", -73.91), "3": ("Battery Park", -73.89)}


def word(text: str) -> dict[str, str]:
    return {"en": text, "es": text, "fr": text}


def make_product(id: str, folder: Path, **more: Any) -> Product:  # noqa: A002
    basis: dict[str, Any] = {
        "id": id, "city": "Testville", "country": "FR", "tz": "Europe/Paris", "verb": word("Ride"),
        "question": word("How many?"), "place_kind": PlaceKind.SITE, "place_word": word("counter"), "grain": "1h",
        "horizon": timedelta(hours=72), "lenses": ("zone",), "licences": (TERMS,), "folder": folder,
        "measures": (Measure(id="bicycles", label=word("Bicycles"), unit=word("bicycles/h")),),
        "centre": (2.35, 48.86),
    }  # fmt: skip
    return Product(**(basis | more))


def expected(place: str, at: datetime, release: str) -> float:
    """Mean that a release of the tests forecasts: by place, hour and release, so that a mix-up shows."""
    level = 100.0 * (1 + "abc".find(place)) if place in "abc" else 0.02 * int(place)
    return level * (1 + at.hour / 24) * (0.5 if "base" in release else 1.0)


@dataclass
class City:
    """A lake and what stands in it; `serve` issues forecasts from an origin and moves `serving`."""

    lake: Lake
    catalog: dict[str, Product]
    served: dict[str, dict[str, str]] = field(default_factory=dict)

    def issue(self, product: str, origin: datetime, release: str, measure: str) -> None:
        ids = list(SITES)[:3] if measure == "bicycles" else list(ZONES)
        rows = [
            {"place": place, "measure": measure, "origin": origin, "time": at, "release": release}
            | dict(zip(QUANTILE_COLUMNS, (f * expected(place, at, release) for f in QUANTILE_FACTORS), strict=True))
            | {"mean": expected(place, at, release)}
            for place in ids
            for at in instants(origin, origin + self.catalog[product].horizon, HOUR)
        ]
        forecasts.add(self.lake, product, pl.DataFrame(rows), run="t", issued_at=origin + HOUR)

    def serve(self, product: str, origin: datetime, *, releases_by: dict[str, str] | None = None) -> None:
        self.served[product] = releases_by or self.served[product]
        for measure, release in self.served[product].items():
            for name in (release, f"{measure}-base"):
                self.issue(product, origin, name, measure)
        serving.move(
            self.lake, product=product, origin=origin, releases=self.served[product], versions={}, run="t",
            provenance="sample", data_to=origin - 10 * HOUR, moved_at=origin + HOUR,
        )  # fmt: skip

    def client(self, **more: Any) -> TestClient:
        options = {"catalog": self.catalog, "clock": lambda: NOW, "poll_seconds": 0.0} | more
        return TestClient(create_app(self.lake.url, **options), raise_server_exceptions=False)


def add_places(lake: Lake, product: str, rows: list[dict[str, Any]]) -> None:
    basis = {"part_of": None, "area_km2": 1.0, "attributes": "{}", "valid_from": datetime(2020, 1, 1, tzinfo=UTC)}
    schema = {"part_of": pl.String, "valid_to": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame([basis | {"valid_to": None} | row for row in rows], schema_overrides=schema)
    places.put(lake, product, frame.with_columns(pl.col("valid_from").cast(pl.Datetime("us", "UTC"))))


def add_releases(lake: Lake, product: str, measure: str, *, primary: str) -> None:
    basis = {"product": product, "measure": measure, "trained_until": ORIGIN - 5 * DAY, "path": "none", "run": "t"}
    rows = [
        basis | {"release": f"{measure}-base", "number": 0, "candidate": "climatology", "facts": "{}",
                 "created_at": ORIGIN - 4 * DAY},
        basis | {"release": f"{measure}-gbm", "number": 1, "candidate": "gbm",
                 "facts": f'{{"primary": "{primary}"}}', "created_at": ORIGIN - 3 * DAY},
    ]  # fmt: skip
    releases.add(lake, pl.DataFrame(rows))


def add_scores(lake: Lake, product: str, measure: str, ids: list[str], *, kind: str, days: int, held: float) -> None:
    """Two scored values an hour and day, `held` of them inside the range on even days, all on odd ones."""
    rows = []
    for back in range(1, days + 1):
        day = (ORIGIN - back * DAY).date()
        for release, share in ((f"{measure}-gbm", held if back % 2 == 0 else 1.0), (f"{measure}-base", 0.0)):
            for place in ids:
                rows += [score_row(place, measure, release, kind, day, hour, share) for hour in range(24)]
    scores.add(lake, product, pl.DataFrame(rows).with_columns(pl.col("how").cast(pl.Int16)), run="t")


def score_row(place: str, measure: str, release: str, kind: str, day: Any, hour: int, share: float) -> dict[str, Any]:
    sums = dict.fromkeys(
        ("absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80", "value", "mean"), 6.0
    )
    beside = {f"baseline_{name}": 8.0 for name in ("absolute_error", "squared_error", "deviance", "pinball", "crps")}
    keys = {"place": place, "measure": measure, "release": release, "kind": kind, "day": day, "reach_band": "0-24 h"}
    how = day.weekday() * 24 + hour
    return {**keys, "how": how, "n": 2, **sums, "hits_80": 2 * share, "plain_hits_80": 2 * share, **beside}


def add_counts(lake: Lake, product: str) -> None:
    """Counts of 35 days for sites a and b; c has none."""
    start, end = ORIGIN - 35 * DAY, ORIGIN - 9 * HOUR
    rows = [
        {"place": place, "measure": "bicycles", "time": at, "draw": 0, "value": expected(place, at, "truth"),
         "available_at": at + HOUR}
        for place in "ab" for at in instants(start, end, HOUR)
    ]  # fmt: skip
    observations.add(lake, product, pl.DataFrame(rows), run="t", fetched_at=NOW, first_contact=NOW)


def add_crashes(lake: Lake, product: str) -> None:
    """One crash a day in zone 1 at 05:00 UTC; the source has covered every hour up to nine before the origin."""
    hours = instants(ORIGIN - 20 * DAY, ORIGIN - 9 * HOUR, HOUR)
    covered = [{"place": "", "measure": COVERED, "time": at, "value": 1.0} for at in hours]
    crashes = [{"place": "1", "measure": "crashes", "time": at, "value": 1.0} for at in hours if at.hour == 5]
    frame = pl.DataFrame(covered + crashes).with_columns(draw=pl.lit(0), available_at=pl.col("time") + HOUR)
    observations.add(lake, product, frame, run="t", fetched_at=NOW, first_contact=NOW)


def build(folder: Path) -> City:
    """Both cities: bikes served by a trained release, crashes too, an empty product beside."""
    lake = Lake.open(str(folder / "lake"))
    own = folder / "product"
    own.mkdir()
    (own / "outline.csv").write_text("part,lat,lon\n0,40.6,-74.0\n0,40.9,-74.0\n0,40.9,-73.8\n0,40.6,-73.8\n")
    (own / "landmarks.csv").write_text("name,lat,lon\nBig Tower,48.8601,2.3501\nFar Castle,48.8620,2.3200\n")
    sparse = Measure(id="crashes", label=word("Injury crashes"), unit=word("crashes/h"), sparse=True)
    zones = {"tz": "America/New_York", "place_kind": PlaceKind.ZONE, "measures": (sparse,), "centre": (-73.9, 40.75)}
    catalog = {
        "bikes": make_product("bikes", own),
        "crashes": make_product("crashes", own, **zones),
        "empty": make_product("empty", own),
    }
    site_rows = [
        {"place": id_, "kind": "site", "name": f"Counter {id_.upper()}", "lat": lat, "lon": lon,
         "geometry": shapely.to_wkb(shapely.Point(lon, lat)), "is_schematic": False,
         "valid_to": ORIGIN - 100 * DAY if id_ == "shut" else None}
        for id_, (lat, lon) in SITES.items()
    ]  # fmt: skip
    zone_rows = [
        {"place": id_, "kind": "zone", "name": name, "lat": 40.75, "lon": lon, "is_schematic": True,
         "geometry": shapely.to_wkb(shapely.box(lon - 0.01, 40.7, lon + 0.01, 40.8))}
        for id_, (name, lon) in ZONES.items()
    ]  # fmt: skip
    add_places(lake, "bikes", site_rows)
    add_places(lake, "crashes", zone_rows)
    city = City(lake, catalog)
    for product, measure, primary in (("bikes", "bicycles", "mae"), ("crashes", "crashes", "poisson_deviance")):
        add_releases(lake, product, measure, primary=primary)
    add_counts(lake, "bikes")
    add_crashes(lake, "crashes")
    add_scores(lake, "bikes", "bicycles", ["a", "b"], kind="replay", days=20, held=0.5)
    add_scores(lake, "bikes", "bicycles", ["a"], kind="live", days=3, held=0.5)
    add_scores(lake, "crashes", "crashes", list(ZONES), kind="replay", days=10, held=0.5)
    for back in range(3, -1, -1):
        city.serve("bikes", ORIGIN - back * DAY, releases_by={"bicycles": "bicycles-gbm"})
    city.serve("crashes", ORIGIN, releases_by={"crashes": "crashes-gbm"})
    runs.record(lake, "empty", "r1", flow="train", step="fit", state="started", at=NOW - timedelta(minutes=1),
                facts={"progress": 0.4})  # fmt: skip
    add_verdict(lake)
    return city


def add_verdict(lake: Lake) -> None:
    row = {
        "product": "bikes", "measure": "bicycles", "challenger": "bicycles-gbm", "champion": "bicycles-base",
        "action": "promoted", "wins": True, "skill": 0.25, "low": 0.2, "high": 0.3, "reason": "better", "numbers": "{}",
        "kind": "live", "decided_at": ORIGIN - 3 * DAY, "run": "t",
    }  # fmt: skip
    verdicts.add(lake, pl.DataFrame([row]))


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """A city that no test changes."""
    return build(tmp_path_factory.mktemp("city"))


def copy_of(city: City, folder: Path) -> City:
    """The same city in a lake of its own."""
    shutil.copytree(city.lake.url, folder / "lake")
    return City(Lake.open(str(folder / "lake")), city.catalog, dict(city.served))


@pytest.fixture
def moving_city(city: City, tmp_path: Path) -> City:
    """A city of this test alone."""
    return copy_of(city, tmp_path)


@pytest.fixture(scope="session")
def client(city: City) -> Iterator[TestClient]:
    """A client of the app over the unchanging city."""
    with city.client() as client:
        yield client


@pytest.fixture(scope="session")
def with_boundaries(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the same city whose zones are real boundaries."""
    city = copy_of(city, tmp_path_factory.mktemp("real"))
    rows = places.get(city.lake, "crashes").with_columns(is_schematic=pl.lit(False)).drop("product")
    places.put(city.lake, "crashes", rows)
    with city.client() as client:
        yield client


NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
probe = APIRouter()


@probe.get("/v1/seen")
async def seen(who: Reader) -> dict[str, str]:
    return {"name": who.name, "role": who.role}


@probe.post("/v1/done")
async def done(who: Operator) -> dict[str, str]:
    return {"name": who.name}


@dataclass
class Door:
    """A lake with a key of each role, and apps before it whose clock moves by hand."""

    lake: Lake
    keys: dict[str, Key]
    texts: dict[str, str]
    now: datetime = NOON

    def open(
        self,
        *,
        client: str = "testclient",
        base_url: str = "http://testserver",
        behind: dict[str, int] | None = None,
        **more: Any,
    ) -> TestClient:
        """A client at an address; ``behind``: ports of loopback by the name under which the gate shows them."""
        app = create_app(self.lake.url, catalog={}, clock=lambda: self.now, poll_seconds=0.0, **more)
        app.router.routes[:0] = probe.routes
        for name, port in (behind or {}).items():
            app.state.gate = Gate({name: target(name, f"http://127.0.0.1:{port}")})
        return TestClient(app, base_url=base_url, client=(client, 1), raise_server_exceptions=False)

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[role]}"}

    def log_in(self, client: TestClient, role: str) -> dict[str, Any]:
        reply = client.post("/v1/session", json={"key": self.texts[role]})
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    def audit(self) -> list[tuple[str, str, str]]:
        """Actor, action and outcome of each entry, the oldest first."""
        return [(row["actor"], row["action"], row["outcome"]) for row in audit.read(self.lake)][::-1]


@pytest.fixture(scope="session")
def first_door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A door with a key of each role, which no test changes."""
    lake = Lake.open(str(tmp_path_factory.mktemp("door") / "lake"))
    made = {role: keys.new(lake, name=f"the {role}", role=role, at=NOON) for role in ("reader", "operator")}
    return Door(lake, {role: key for role, (key, _) in made.items()}, {role: text for role, (_, text) in made.items()})


@pytest.fixture
def door(first_door: Door, tmp_path: Path) -> Door:
    """A door with a key of each role, of this test alone."""
    shutil.copytree(first_door.lake.url, tmp_path / "lake")
    return Door(Lake.open(str(tmp_path / "lake")), first_door.keys, first_door.texts)
