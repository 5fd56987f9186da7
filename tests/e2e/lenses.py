"""A town with every lens: each product small, in a real lake, filled through the lake's own functions."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely

from tests.e2e.conftest import BICYCLES, CRASHES, NOW, ORIGIN, fill, promise, shape_rows, texts
from urbancast.core.place import PlaceKind, band_id, pair_id
from urbancast.core.product import Measure, Occupancy, OccupancyPart, Pairs, Product, Stock
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, instants
from urbancast.geo import pieces, shares
from urbancast.geo.network import Network
from urbancast.lake import forecasts, network, observations, places, releases, runs, scores, serving
from urbancast.lake.store import Lake

WEST, SOUTH, EAST, NORTH = 2.30, 48.83, 2.39, 48.88
FIRST_HOUR, LAST_HOUR = 9, 20
RESIDENTS, VISITORS = 0.2, 0.1
COLUMNS, ROWS = 16, 13  # corners of the town's streets
FAST_KMH, SLOW_KMH = 50.0, 24.0
MIDNIGHT = ORIGIN.replace(hour=23)  # of the town's next day
SPREAD = (-1.6, -1.3, -0.7, 0.0, 0.7, 1.3, 1.6)  # quantiles in standard deviations


def build(folder: Path) -> tuple[Lake, dict[str, Product]]:
    """Nine zones in a square, asked in every way."""
    own = folder / "product"
    own.mkdir()
    corners = ((SOUTH, WEST), (NORTH, WEST), (NORTH, EAST), (SOUTH, EAST))
    (own / "outline.csv").write_text("part,lat,lon\n" + "".join(f"0,{lat},{lon}\n" for lat, lon in corners))
    (own / "landmarks.csv").write_text("name,lat,lon\nTall Tower,48.861,2.352\n")
    lake = Lake.open(str(folder / "lake"))
    catalog = {one.id: one for one in (kerb(lake, own), roads(lake, own), taxi(lake, own), depots(lake, own))}
    return lake, catalog


def zones() -> pl.DataFrame:
    """Zones A to I, three by three, as boundaries that hold points."""
    width, height = (EAST - WEST) / 3, (NORTH - SOUTH) / 3
    boxes = [
        shapely.box(WEST + width * x, SOUTH + height * y, WEST + width * (x + 1), SOUTH + height * (y + 1))
        for y in range(3)
        for x in range(3)
    ]
    named = {f"z{i + 1}": (f"Zone {'ABCDEFGHI'[i]}", box.centroid.y, box.centroid.x) for i, box in enumerate(boxes)}
    return shape_rows("zone", named, boxes).with_columns(is_schematic=pl.lit(value=False))


def is_open(times: pl.Series) -> pl.Series:
    """Regulated from 09 to 21 of the town's clock."""
    return times.dt.convert_time_zone("Europe/Paris").dt.hour().is_between(FIRST_HOUR, LAST_HOUR)


def kerb(lake: Lake, folder: Path) -> Product:
    """Paid spaces in two colours, free ones an estimate."""
    words = {"label": texts("paid spaces", "plazas pagadas", "places payées"),
             "unit": texts("paid spaces", "plazas pagadas", "places payées"), "kind": "amount"}  # fmt: skip
    measures = tuple(Measure(id=name, **words) for name in ("paid", "green", "blue"))
    parts = (("green", RESIDENTS, "green"), ("blue", VISITORS, "blue"))
    occupancy = Occupancy(
        total="paid",
        parts=tuple(OccupancyPart(measure=name, label=texts(said, said, said), prior=(prior,) * 24)
                    for name, prior, said in parts),
        source=texts("An assumption.", "Un supuesto.", "Une hypothèse."),
    )  # fmt: skip
    product = dataclasses.replace(
        promise(folder, "kerb", texts("Park", "Aparcar", "Se garer"), BICYCLES, PlaceKind.ZONE),
        rank=1, measures=measures, occupancy=occupancy, is_open=is_open,
        closed=texts("Not regulated: parking is free.", "No regulado: gratis.", "Non réglementé : gratuit."),
    )  # fmt: skip
    fill(lake, product, zones().with_columns(attributes=pl.struct("place", "lat", "lon").map_elements(
        _spaces, return_dtype=pl.String)), now=NOW)  # fmt: skip
    return product


def _spaces(place: dict[str, object]) -> str:
    """Spaces of a zone by colour, and its two streets."""
    name, lat, lon = place["place"], place["lat"], place["lon"]
    near = {"green": 40.0, "blue": 12.0}
    streets = [[f"{name} Street", lat, lon, near], [f"{name} Lane", float(str(lat)) + 0.001, lon, near]]
    return json.dumps({"capacity": {"paid": 1500, "green": 1000, "blue": 500}, "streets": streets,
                       "valid_from": "2026-01-01"})  # fmt: skip


def roads(lake: Lake, folder: Path) -> Product:
    """Crashes in the same zones, with streets in a grid: every third one is faster, one has most of the reports."""
    product = dataclasses.replace(
        promise(folder, "roads", texts("Drive", "Conducir", "Conduire"), CRASHES, PlaceKind.ZONE),
        rank=3, lenses=("route", "zone"),
    )  # fmt: skip
    known = zones()
    fill(lake, product, known, now=NOW)
    built = Network.of_tables(*streets())
    made = shares.build(built, pieces.cut(built, known), known, reports())
    serving.move(
        lake, product=product.id, origin=ORIGIN, releases={"crashes": "crashes-1"}, provenance="sample",
        versions={"network": network.keep(lake, product.id, made.dump())}, data_to=ORIGIN - 6 * HOUR,
        moved_at=ORIGIN + 2 * HOUR, run="e2e",
    )  # fmt: skip
    return product


def streets() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Corners and two-way streets between neighbouring ones."""
    lon, lat = np.linspace(WEST + 0.002, EAST - 0.002, COLUMNS), np.linspace(SOUTH + 0.002, NORTH - 0.002, ROWS)
    nodes = [{"node": y * COLUMNS + x, "lon": float(lon[x]), "lat": float(lat[y])}
             for y in range(ROWS) for x in range(COLUMNS)]  # fmt: skip
    edges = []
    for y in range(ROWS):
        for x in range(COLUMNS):
            for right, up, line in ((1, 0, y), (0, 1, x)):
                if x + right < COLUMNS and y + up < ROWS:
                    ends = (y * COLUMNS + x, (y + up) * COLUMNS + x + right)
                    name = f"{'Row' if right else 'Column'} {line}"
                    speed = FAST_KMH if line % 3 == 0 else SLOW_KMH
                    edges += [{"from_node": a, "to_node": b, "name": name, "speed_kmh": speed}
                              for a, b in (ends, ends[::-1])]  # fmt: skip
    return pl.DataFrame(nodes), pl.DataFrame(edges).with_row_index("link")


def reports() -> pl.DataFrame:
    """Two years of reported crashes: half spread evenly, half along the middle row of streets."""
    dice = np.random.default_rng(7)
    count = 3000
    lon = dice.uniform(WEST, EAST, count)
    middle = np.linspace(SOUTH + 0.002, NORTH - 0.002, ROWS)[6]
    lat = np.where(np.arange(count) % 2 == 0, middle, dice.uniform(SOUTH, NORTH, count))
    days = np.sort(dice.uniform(0, 730, count))
    times = [ORIGIN - (731 - float(day)) * DAY for day in days]
    return pl.DataFrame({"lat": lat, "lon": lon, "time": times})


def taxi(lake: Lake, folder: Path) -> Product:
    """Minutes between zones: pairs from A are forecast as such, all others by the band of their distance."""
    minutes = Measure(
        id="minutes", label=texts("taxi minutes", "minutos en taxi", "minutes de taxi"),
        unit=texts("minutes", "minutos", "minutes"), kind="duration", draws=True,
    )  # fmt: skip
    pairs = Pairs(bands_km=(2.0, 4.0), least_draws=30)
    product = dataclasses.replace(
        promise(folder, "taxi", texts("Taxi", "Taxi", "Taxi"), minutes, PlaceKind.PAIR),
        rank=5, lenses=("pair",), pairs=pairs,
    )  # fmt: skip
    own = [pair_id("z1", f"z{n}") for n in range(1, 10)]
    bands = [band_id("city", low, high) for low, high in ((0.0, 2.0), (2.0, 4.0), (4.0, None))]
    fill(lake, product, zones(), now=NOW, ids=[*own, *bands, band_id("unknown", 0.0, None)])
    return product


def depots(lake: Lake, folder: Path) -> Product:
    """Scooters by zone and day, and what three days together need."""
    trips, scooters = texts("trips/day", "viajes/día", "trajets/jour"), texts("scooters", "patinetes", "trottinettes")
    own = {
        "starts": ("starts", trips, 0.0),
        "net_outflow": ("net_outflow", scooters, 1.0),
        "need": ("starts", trips, 0.0),
        "peak": ("starts", trips, 0.0),
        "outflow": ("net_outflow", scooters, 1.0),
    }
    measures = tuple(
        Measure(id=name, label=unit, unit=unit, signed=bool(signed), derived_from=None if name == part else part)
        for name, (part, unit, signed) in own.items()
    )
    product = dataclasses.replace(
        promise(folder, "depots", texts("Stock", "Reponer", "Stocker"), BICYCLES, PlaceKind.ZONE),
        rank=4, lenses=("stock", "zone"), measures=measures, grain="1d", horizon=timedelta(days=7),
        stock=Stock(starts="starts", net_outflow="net_outflow", need="need", peak="peak", outflow="outflow", days=3,
                    turns=2.5),
    )  # fmt: skip
    shapes = zones()
    places.put(lake, product.id, shapes)
    ids = shapes["place"].sort().to_list()
    releases.add(lake, pl.DataFrame([
        {"product": product.id, "release": f"{name}-1", "measure": name, "number": 1, "candidate": "gbm",
         "trained_until": ORIGIN - 10 * DAY, "path": "none", "facts": '{"primary": "mae"}', "created_at": ORIGIN,
         "run": "e2e"} for name in ("starts", "net_outflow")]))  # fmt: skip
    for name, (part, _, _) in own.items():
        times = instants(MIDNIGHT, MIDNIGHT + 7 * DAY, DAY) if name == part else [MIDNIGHT]
        _issue_days(lake, product, f"{part}-1", name, [*ids, ""] if name == "need" else ids, times)
    _count_days(lake, product, ids)
    _cost(lake, product, ids)
    runs.record(lake, product.id, "e2e", flow="verify", step="score", state="done", at=ORIGIN + HOUR)
    serving.move(
        lake, product=product.id, origin=ORIGIN, releases={name: f"{name}-1" for name in ("starts", "net_outflow")},
        versions={}, provenance="sample", data_to=ORIGIN - 6 * HOUR, moved_at=ORIGIN + HOUR, run="e2e",
    )  # fmt: skip
    return product


def _level(measure: str, rank: int) -> float:
    """Mean of a measure at the zone of this rank."""
    base = 12.0 + 9.0 * ((rank * 5) % 9)
    scale = {"starts": 0.7, "net_outflow": 0.1, "need": 1.1, "peak": 0.8, "outflow": 0.3}[measure]
    return base * scale * (1 if measure not in ("net_outflow", "outflow") or rank % 2 else -1)


def _issue_days(lake: Lake, product: Product, release: str, measure: str, ids: list[str], times: list[Any]) -> None:
    """Forecast of daily rows; the empty place is all together."""
    rows = []
    for rank, place in enumerate(ids):
        mean = _level(measure, rank) if place else sum(_level(measure, n) for n in range(9))
        width, foot = 2 + 0.25 * abs(mean), -1e9 if measure in ("net_outflow", "outflow") else 0.0
        bands = {name: max(mean + width * step, foot) for name, step in zip(QUANTILE_COLUMNS, SPREAD, strict=True)}
        rows += [{"place": place, "measure": measure, "time": time, "mean": mean, **bands} for time in times]
    frame = pl.DataFrame(rows).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")), origin=pl.lit(ORIGIN).cast(pl.Datetime("us", "UTC")),
        release=pl.lit(release),
    )  # fmt: skip
    signed = [one.id for one in product.measures if one.signed]
    forecasts.add(lake, product.id, frame, run="e2e", issued_at=ORIGIN + HOUR, signed=signed)


def _count_days(lake: Lake, product: Product, ids: list[str]) -> None:
    """Four weeks of days as counted: what they are expected to be."""
    times = instants(MIDNIGHT - 28 * DAY, MIDNIGHT - DAY, DAY)
    rows = [
        {"place": place, "measure": measure, "time": time, "value": round(_level(measure, rank))}
        for measure in ("starts", "net_outflow") for rank, place in enumerate(ids) for time in times
    ]  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(
        pl.col("value").cast(pl.Float64), pl.col("time").cast(pl.Datetime("us", "UTC")), draw=pl.lit(0, pl.Int64)
    )
    frame = frame.with_columns(available_at=pl.col("time") + DAY)
    observations.add(lake, product.id, frame.select("place", "measure", "time", "draw", "value", "available_at"),
                     run="e2e", fetched_at=ORIGIN, first_contact=ORIGIN)  # fmt: skip


def _cost(lake: Lake, product: Product, ids: list[str]) -> None:
    """What plans of five weeks would have cost at two service levels; last week's stock cost a quarter more."""
    days = [(ORIGIN - back * DAY).date() for back in range(1, 36)]
    table = pl.DataFrame({"place": ids}).join(pl.DataFrame({"day": days}), how="cross")
    error = 3.0 + pl.col("day").dt.ordinal_day() % 5
    for level in ("0.80", "0.90"):
        sums = dict.fromkeys(("absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80"), error)
        beside = {f"baseline_{name}": error * 1.25 for name in list(sums)[:5]}
        frame = table.with_columns(
            measure=pl.lit("need"), release=pl.lit(f"stock:{level}"), kind=pl.lit("replay"), how=pl.lit(0, pl.Int16),
            reach_band=pl.lit("0-24 h"), n=pl.lit(1, pl.Int64), value=error, mean=error,
            hits_80=pl.lit(float(level)), plain_hits_80=pl.lit(float(level)), **sums, **beside,
        )  # fmt: skip
        scores.add(lake, product.id, frame, run="e2e")
