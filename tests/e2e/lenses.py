"""A town with every lens: each product small, in a real lake, filled through the lake's own functions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import shapely

from tests.e2e.conftest import BICYCLES, CRASHES, NOW, ORIGIN, fill, promise, shape_rows, texts
from urbancast.core.place import PlaceKind, band_id, pair_id
from urbancast.core.product import Measure, Occupancy, OccupancyPart, Pairs, Product
from urbancast.core.time import DAY, HOUR
from urbancast.geo import pieces, shares
from urbancast.geo.network import Network
from urbancast.lake import network, serving
from urbancast.lake.store import Lake

WEST, SOUTH, EAST, NORTH = 2.30, 48.83, 2.39, 48.88
FIRST_HOUR, LAST_HOUR = 9, 20
RESIDENTS, VISITORS = 0.6, 0.1
COLUMNS, ROWS = 16, 13  # corners of the town's streets
FAST_KMH, SLOW_KMH = 50.0, 24.0


def build(folder: Path) -> tuple[Lake, dict[str, Product]]:
    """Nine zones in a square, asked in every way."""
    own = folder / "product"
    own.mkdir()
    corners = ((SOUTH, WEST), (NORTH, WEST), (NORTH, EAST), (SOUTH, EAST))
    (own / "outline.csv").write_text("part,lat,lon\n" + "".join(f"0,{lat},{lon}\n" for lat, lon in corners))
    (own / "landmarks.csv").write_text("name,lat,lon\nTall Tower,48.861,2.352\n")
    lake = Lake.open(str(folder / "lake"))
    catalog = {one.id: one for one in (kerb(lake, own), roads(lake, own), taxi(lake, own))}
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
    return json.dumps({"capacity": {"paid": 3000, "green": 2200, "blue": 800}, "streets": streets,
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
