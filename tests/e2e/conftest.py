"""A small town in a real lake, filled through the lake's own functions, served by the real API, seen in chromium."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import polars as pl
import pytest
import shapely
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from urbancast.api.app import create_app
from urbancast.api.routes.pages import web_folder
from urbancast.core.place import PlaceKind
from urbancast.core.product import COVERED, Licence, Measure, Product
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, instants
from urbancast.lake import forecasts, observations, places, releases, runs, scores, serving, verdicts
from urbancast.lake.store import Lake

NOW = datetime(2026, 11, 21, 11, 20, tzinfo=UTC)
ORIGIN = NOW.replace(hour=5, minute=0)
WIDTHS = (-0.42, -0.32, -0.16, 0.0, 0.17, 0.36, 0.5)
REPLAYED_DAYS = 40
UTC_US = pl.Datetime("us", "UTC")
FLAGS = (
    "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# The map is drawn by WebGL in software; the page around it needs no GPU at all, nor a process of its own each time.
WITH_WEBGL = (
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing", "--in-process-gpu",
    "--process-per-site",
)  # fmt: skip
READY_S = 20.0
Open = Callable[..., Page]
LOOKS: Any = {"locale": "en-GB", "reduced_motion": "reduce"}
TERMS = Licence(source="counts", name="ODbL 1.0", url="https://example.org/odbl", attribution="City of Tests")
PARTS = {"green": 0.6, "blue": 0.4}  # of what both together count
SITES = {
    "s1": ("Harbour Bridge N-S", 48.86, 2.35), "s2": ("Harbour Bridge S-N", 48.86, 2.35),
    "s3": ("Old Market", 48.87, 2.37), "s4": ("Opera", 48.85, 2.33), "s5": ("West Gate", 48.865, 2.31),
    "s6": ("Silent Quay", 48.845, 2.36),
}  # fmt: skip


def fill(lake: Lake, product: Product, shapes: pl.DataFrame, *, now: datetime, ids: list[str] | None = None) -> None:
    """Places, releases, counts, a week of past forecasts, the served one, scores and a verdict of a product.

    ``shapes``: places-table columns without product; ``ids``: what is forecast, where that is not the shapes.
    The last id has no forecast.
    """
    origin = now.replace(hour=5, minute=0, second=0, microsecond=0)
    places.put(lake, product.id, shapes)
    ids = ids or shapes["place"].sort().to_list()
    for measure in product.measures:
        _release(lake, product, measure, origin)
        _count(lake, product, measure, ids, origin)
        for back in range(7, -1, -1):
            for number, share in ((0, 0.9), (1, 1.0)):
                _issue(lake, product, measure, ids[:-1], origin - back * DAY, number=number, share=share)
        _score(lake, product, measure, ids[:-1], origin)
    runs.record(lake, product.id, "e2e", flow="verify", step="score", state="done", at=origin + HOUR)
    serving.move(
        lake, product=product.id, origin=origin, releases={one.id: f"{one.id}-1" for one in product.measures},
        versions={}, provenance="sample", data_to=origin - 6 * HOUR, moved_at=origin + HOUR, run="e2e",
    )  # fmt: skip


def _expected(ids: list[str], times: list[datetime], measure: Measure) -> pl.DataFrame:
    """Mean by place and time: two rush hours, a level by place."""
    table = pl.DataFrame({"place": ids}).with_row_index("rank").join(pl.DataFrame({"time": times}), how="cross")
    hour = pl.col("time").dt.hour().cast(pl.Float64)
    day = 0.06 + (-((hour - 8) / 1.8).pow(2)).exp() + 1.2 * (-((hour - 17) / 2.2).pow(2)).exp()
    spread = ((pl.col("rank") * 37) % 17 + 1) / 17
    level = 0.004 + 0.03 * spread if measure.sparse else 15 + 420 * spread.pow(2)
    if measure.kind == "duration":
        day, level = 1 + 0.4 * day, 6 + 38 * spread
    level = level * PARTS.get(measure.id, 1.0)
    return table.with_columns(pl.col("time").cast(UTC_US), mean=day * level).drop("rank")


def _issue(
    lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime, *, number: int, share: float
) -> None:
    """Forecasts of one release: the baseline's (number 0) are a tenth lower."""
    times = instants(origin, origin + product.horizon, HOUR)
    means = _expected(ids, times, measure).with_columns(pl.col("mean") * share)
    own = pl.lit(0.0) if measure.sparse else pl.col("mean")
    bands = {name: (own * (1 + width)).clip(0.0) for name, width in zip(QUANTILE_COLUMNS, WIDTHS, strict=True)}
    frame = means.with_columns(
        measure=pl.lit(measure.id),
        origin=pl.lit(origin).cast(UTC_US),
        release=pl.lit(f"{measure.id}-{number}"),
        **bands,
    )
    forecasts.add(lake, product.id, frame, run="e2e", issued_at=origin + HOUR)


def _count(lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime) -> None:
    """Counts of five weeks until six hours before the origin, off the mean by a share that walks with the hour."""
    times = instants(origin - 35 * DAY, origin - 6 * HOUR, HOUR)
    noise = ((pl.col("time").dt.hour().cast(pl.Int64) * 29 + pl.col("time").dt.ordinal_day() * 53) % 23 - 11) / 40
    found = _expected(ids, times, measure).with_columns(value=(pl.col("mean") * (1 + noise)).round())
    if measure.sparse:
        dice = (pl.col("place").hash(7) // 3 + pl.col("time").dt.epoch("s") // 3600 * 7919) % 997 / 997
        found = found.with_columns(value=pl.lit(1.0)).filter(dice < pl.col("mean"))
        hours = {"place": [""] * len(times), "time": times, "value": 1.0}
        covered = pl.DataFrame(hours, schema_overrides={"time": UTC_US})
        found = pl.concat([found.select("place", "time", "value", measure=pl.lit(measure.id)),
                           covered.with_columns(measure=pl.lit(COVERED))])  # fmt: skip
    frame = found.with_columns(draw=pl.lit(0, pl.Int64), available_at=pl.col("time") + HOUR)
    if "measure" not in frame.columns:
        frame = frame.with_columns(measure=pl.lit(measure.id))
    frame = frame.select("place", "measure", "time", "draw", "value", "available_at")
    observations.add(lake, product.id, frame, run="e2e", fetched_at=origin, first_contact=origin)


def _release(lake: Lake, product: Product, measure: Measure, origin: datetime) -> None:
    primary = "poisson_deviance" if measure.sparse else "mae"
    rows = [
        {
            "product": product.id, "release": f"{measure.id}-{number}", "measure": measure.id, "number": number,
            "candidate": candidate, "trained_until": origin - 10 * DAY, "path": "none",
            "facts": f'{{"primary": "{primary}"}}', "created_at": origin - (10 - number) * DAY, "run": "e2e",
        }
        for number, candidate in enumerate(("climatology", "gbm"))
    ]  # fmt: skip
    releases.add(lake, pl.DataFrame(rows))
    told = {"product": product.id, "measure": measure.id, "champion": f"{measure.id}-0", "numbers": "{}",
            "kind": "live", "run": "e2e"}  # fmt: skip
    verdicts.add(lake, pl.DataFrame([
        told | {"challenger": f"{measure.id}-1", "action": "promoted", "wins": True, "skill": 0.22, "low": 0.18,
                "high": 0.25, "reason": "better on 16 folds, range held", "decided_at": origin - 9 * DAY},
        told | {"challenger": f"{measure.id}-linear", "action": "refused", "wins": False, "skill": 0.01, "low": -0.02,
                "high": 0.03, "reason": "within noise", "decided_at": origin - 10 * DAY},
    ]))  # fmt: skip


def _score(lake: Lake, product: Product, measure: Measure, ids: list[str], origin: datetime) -> None:
    """Replay of forty days and backtest of sixty before, two reach bands; the range holds about 8 in 10."""
    for kind, first, last in (("replay", 1, REPLAYED_DAYS), ("backtest", REPLAYED_DAYS + 1, REPLAYED_DAYS + 60)):
        days = [(origin - back * DAY).date() for back in range(first, last + 1)]
        table = (
            pl.DataFrame({"place": ids}).with_row_index("rank")
            .join(pl.DataFrame({"day": days}), how="cross")
            .join(pl.DataFrame({"hour": list(range(24))}), how="cross")
        )  # fmt: skip
        dice = (pl.col("rank") * 7 + pl.col("hour") * 13 + pl.col("day").dt.ordinal_day() * 29).cast(pl.Int64) % 100
        error = 10.0 + 8.0 * (pl.col("rank") % 5) + pl.col("hour") % 7
        sums = dict.fromkeys(("absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80"), error)
        better = 1.12 + 0.02 * (dice % 15)
        beside = {f"baseline_{name}": error * better for name in list(sums)[:5]}
        frame = table.with_columns(
            measure=pl.lit(measure.id), release=pl.lit(f"{measure.id}-1"), kind=pl.lit(kind),
            reach_band=pl.when(pl.col("hour") < 12).then(pl.lit("0-24 h")).otherwise(pl.lit("24-48 h")),
            how=((pl.col("day").dt.weekday().cast(pl.Int16) - 1) * 24 + pl.col("hour").cast(pl.Int16)),
            n=pl.lit(1, pl.Int64), value=error, mean=error,
            hits_80=(dice < 79).cast(pl.Float64), plain_hits_80=(dice < 82).cast(pl.Float64),
            **sums, **beside,
        ).drop("rank", "hour")  # fmt: skip
        scores.add(lake, product.id, frame, run="e2e")


def start_training(lake: Lake, product: str, *, now: datetime) -> None:
    """A product still at work: 40 % of its backtest."""
    runs.record(
        lake, product, "e2e", flow="backtest", step="fold 2 of 3", state="started", at=now - timedelta(minutes=1),
        facts={"progress": 0.4},
    )  # fmt: skip


def texts(en: str, es: str, fr: str) -> dict[str, str]:
    return {"en": en, "es": es, "fr": fr}


BICYCLES = Measure(id="bikes", label=texts("bicycles", "bicicletas", "vélos"),
                   unit=texts("bicycles/h", "bicicletas/h", "vélos/h"))  # fmt: skip
CRASHES = Measure(id="crashes", label=texts("injury crashes", "accidentes", "accidents"),
                  unit=texts("crashes/h", "accidentes/h", "accidents/h"), sparse=True)  # fmt: skip


def promise(folder: Path, name: str, verb: dict[str, str], measure: Measure, kind: PlaceKind) -> Product:
    return Product(
        id=name, city=f"{name.title()}ville", country="FR", tz="Europe/Paris", verb=verb,
        question=texts("How many?", "¿Cuántos?", "Combien ?"), place_kind=kind,
        place_word=texts("place", "lugar", "lieu"), grain="1h", horizon=timedelta(hours=48), lenses=("zone",),
        measures=(measure,), licences=(TERMS,), folder=folder, centre=(2.345, 48.857),
    )  # fmt: skip


def shape_rows(kind: str, named: dict[str, tuple[str, float, float]], shapes: list[shapely.Geometry]) -> pl.DataFrame:
    rows = [
        {
            "place": place, "kind": kind, "name": name, "part_of": None, "lat": lat, "lon": lon, "area_km2": 1.0,
            "geometry": shapely.to_wkb(shape), "is_schematic": kind == "zone", "attributes": "{}",
            "valid_from": datetime(2020, 1, 1, tzinfo=UTC), "valid_to": None,
        }
        for (place, (name, lat, lon)), shape in zip(named.items(), shapes, strict=True)
    ]  # fmt: skip
    schema = {"part_of": pl.String, "valid_from": UTC_US, "valid_to": UTC_US}
    return pl.DataFrame(rows, schema_overrides=schema)


@dataclass(kw_only=True)
class Town:
    """The served town: where it listens, its lake, and what stands in it."""

    url: str
    lake: Lake
    catalog: dict[str, Product]
    client: httpx.Client = field(repr=False)

    def answer(self, product: str, place: str, at: str) -> dict[str, Any]:
        """Return the API's own answer."""
        reply = self.client.get(f"/v1/products/{product}/forecast", params={"place": place, "at": at})
        return reply.raise_for_status().json()

    def promote(self, product: str) -> str:
        """Let a new release of the first measure serve; its name."""
        measure = self.catalog[product].measure
        row = releases.read(self.lake, product, measure=measure.id).tail(1)
        name = f"{measure.id}-{row['number'].item() + 1}"
        new = row.with_columns(release=pl.lit(name), number=pl.col("number") + 1)
        releases.add(self.lake, new.with_columns(created_at=pl.lit(NOW).cast(UTC_US)))
        served = forecasts.read(self.lake, product, origin=ORIGIN, measure=measure.id, release=row["release"].item())
        frame = served.drop("product", "run", "issued_at").with_columns(release=pl.lit(name))
        forecasts.add(self.lake, product, frame, run="e2e", issued_at=NOW)
        serving.move(
            self.lake, product=product, origin=ORIGIN, releases={measure.id: name}, versions={}, provenance="sample",
            data_to=ORIGIN - 6 * HOUR, moved_at=NOW, run="e2e",
        )  # fmt: skip
        return name


def build(folder: Path) -> tuple[Lake, dict[str, Product]]:
    """Six counters, nine zones in a square, and a product whose first forecast is still being made."""
    own = folder / "product"
    own.mkdir()
    (own / "outline.csv").write_text("part,lat,lon\n0,48.83,2.30\n0,48.88,2.30\n0,48.88,2.39\n0,48.83,2.39\n")
    (own / "landmarks.csv").write_text("name,lat,lon\nTall Tower,48.861,2.352\n")
    lake = Lake.open(str(folder / "lake"))
    ride = promise(own, "ride", texts("Ride", "Pedalear", "Rouler"), BICYCLES, PlaceKind.SITE)
    drive = promise(own, "drive", texts("Drive", "Conducir", "Conduire"), CRASHES, PlaceKind.ZONE)
    park = promise(own, "park", texts("Park", "Aparcar", "Stationner"), BICYCLES, PlaceKind.SITE)
    fill(lake, ride, shape_rows("site", SITES, [shapely.Point(lon, lat) for _, lat, lon in SITES.values()]), now=NOW)
    boxes = [shapely.box(2.30 + 0.03 * x, 48.83 + 0.05 / 3 * y, 2.33 + 0.03 * x, 48.83 + 0.05 / 3 * (y + 1))
             for y in range(3) for x in range(3)]  # fmt: skip
    zones = {f"z{i + 1}": (f"Zone {'ABCDEFGHI'[i]}", box.centroid.y, box.centroid.x) for i, box in enumerate(boxes)}
    fill(lake, drive, shape_rows("zone", zones, boxes), now=NOW)
    start_training(lake, park.id, now=NOW)
    return lake, {one.id: one for one in (ride, drive, park)}


@pytest.fixture(scope="session")
def web() -> Path:
    """Folder of the built web app."""
    folder = web_folder()
    if not (folder / "index.html").is_file():
        pytest.skip("needs the built web app; make web")
    return folder


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Iterator[Town]:
    """The town behind the real API on a free port of this machine."""
    with serve(*build(tmp_path_factory.mktemp("town")), web) as served:
        yield served


@pytest.fixture(scope="session")
def lens_town(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Iterator[Town]:
    """A town with every lens: kerbs, journeys, roads and warehouses."""
    from tests.e2e import lenses

    with serve(*lenses.build(tmp_path_factory.mktemp("lenses")), web) as served:
        yield served


@contextmanager
def serve(lake: Lake, catalog: dict[str, Product], web: Path) -> Iterator[Town]:
    """Serve a lake by the real API on a free port of this machine."""
    app = create_app(lake.url, catalog=catalog, clock=lambda: NOW, poll_seconds=0.3, web=web)
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=READY_S) as client:
        deadline = monotonic() + READY_S
        while client.get("/v1/status").raise_for_status().json()["looked_at"] is None:
            assert monotonic() < deadline, "the lake was not read in time"
        yield Town(url=url, lake=lake, catalog=catalog, client=client)
    server.should_exit = True
    thread.join(READY_S)
    door.close()


@pytest.fixture(scope="module")  # its event loop must not outlive the browser tests
def playwright(chromium: str) -> Iterator[Playwright]:
    assert chromium
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Chromium with WebGL in software and a profile of its own."""
    with playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *WITH_WEBGL]) as found:
        yield found


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all pages that need none of their own: what was fetched and compiled once stays so."""
    with browser.new_context(**LOOKS) as found:
        yield found


@pytest.fixture
def visit(desk: BrowserContext, town: Town) -> Iterator[Open]:
    """Open an address of the map; afterwards nothing may have gone wrong unseen, nor left this machine."""
    with visiting(desk, town.url) as go:
        yield go


@pytest.fixture
def look(desk: BrowserContext, lens_town: Town) -> Iterator[Open]:
    """Open an address of the town with every lens, watched in the same way."""
    with visiting(desk, lens_town.url) as go:
        yield go


@contextmanager
def visiting(desk: BrowserContext, url: str) -> Iterator[Open]:
    """Open pages of ``url``: no error may go unseen, no request leave this machine."""
    contexts: list[BrowserContext] = []
    pages: list[Page] = []
    troubles: list[str] = []

    def go(where: str = "", *, size: tuple[int, int] = (1280, 800), by: Browser | None = None, **more: Any) -> Page:
        context = desk
        if by is not None or more:
            context = (by or desk.browser).new_context(**LOOKS, **more)  # type: ignore[union-attr]
            contexts.append(context)
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.set_default_timeout(READY_S * 1000)
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("console", lambda line: troubles.append(f"console: {line.text}") if is_trouble(line) else None)
        page.on("request", lambda asked: troubles.append(f"left: {asked.url}") if is_foreign(asked.url) else None)
        page.goto(f"{url}/{where}")
        return page

    def is_trouble(line: ConsoleMessage) -> bool:
        # A named no-answer is a 4xx: the browser logs it, the page says it.
        return line.type == "error" and "status of 4" not in line.text

    def is_foreign(asked: str) -> bool:
        return not asked.startswith((url, "data:", "blob:"))

    yield go
    for page in pages:
        if not page.is_closed():
            page.evaluate("localStorage.clear()")
            page.close()
    for context in contexts:
        context.close()
    assert troubles == []
