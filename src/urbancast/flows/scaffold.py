"""A new product folder that already works: the files of ``template`` filled in, places beside them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from string import Template

import polars as pl
import shapely
from shapely.geometry import MultiPolygon

from urbancast.core.errors import QueryError
from urbancast.flows import clocks
from urbancast.geo import outline as geo_outline, places as shapes
from urbancast.portals import media, read

FILES = ("product.py", "recipe.py", "observe.py", "sample.py", "card.md")
OFFSET_FORM = "%Y-%m-%dT%H:%M:%S%.f%:z"
PLACES = 12
MARGIN_DEG = 0.02
COARSE_DEG = 0.002  # about 200 m: an outline is a sketch


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a new product is about; ``facts``: further words for the templates (see ``template``)."""

    id: str
    city: str = "My City"
    country: str = ""
    tz: str = "Europe/Brussels"
    lat: float = 48.0
    lon: float = 2.0
    facts: Mapping[str, object] = field(default_factory=dict)


def write(
    into: Path, outline: Outline, places: pl.DataFrame | None = None, *, area: MultiPolygon | None = None
) -> Path:
    """Write the folder ``into/<id>`` and return it; QueryError where the name cannot be one or the folder exists.

    ``places``: place, name, lat, lon, area_km2 (zones); by default a dozen simulated sites around the centre.
    ``area``: outline of the served area, by default a box around the places.
    """
    _require(outline)
    folder = into / outline.id
    if folder.exists():
        raise QueryError("folder-exists", expected="a new folder", found=folder.name,
                         action="choose another name or remove it")  # fmt: skip
    folder.mkdir(parents=True)
    words = _words(outline)
    for name in FILES:
        text = files("urbancast.flows").joinpath("template", f"{name}.txt").read_text(encoding="utf-8")
        (folder / name).write_text(Template(text).substitute(words), encoding="utf-8")
    (folder / "__init__.py").write_text(f'"""{outline.city}."""\n', encoding="utf-8")
    known = _lattice(outline) if places is None else places
    _write_places(folder, known)
    _write_outline(folder, area if area is not None else _box(known))
    return folder


def write_zones(into: Path, outline: Outline, boundaries: Path, *, place: str, name: str) -> Path:
    """Write the folder of a product of zones: places, outline and the source of boundaries from a GeoJSON file."""
    payload = boundaries.read_bytes()
    features = read.frame(payload, media.of("", boundaries.name, payload))
    for flag, column in (("--place-id", place), ("--place-name", name)):
        if column not in features.columns:
            known = ", ".join(column for column in features.columns if column != "geometry")
            raise QueryError("unknown-property", expected=f"a property of {boundaries.name}: {known}",
                             found=repr(column), action=f"correct {flag}")  # fmt: skip
    found = shapes.from_features(features, {"place": place, "name": name}).places
    also = tuple(column for column in features.columns if column not in {place, name, "geometry"})
    source = f"PLACES = counts.boundaries(place={place!r}, name={name!r}, also={also!r}, licence=LICENCE)\n"
    words = {
        "place_kind": "ZONE", "place_word": '{"en": "zone", "es": "zona", "fr": "zone"}',
        "places_source": source, "places_name": ", PLACES",
        "places_card": "\n- `places`: boundaries of the zones, under the same terms until you name others.",
    }  # fmt: skip
    whole = shapely.union_all(shapely.from_wkb(found["geometry"].to_numpy()))
    centre = whole.representative_point()
    told = replace(outline, lat=centre.y, lon=centre.x, facts={**outline.facts, **words})
    coarse = geo_outline.as_multipolygon(geo_outline.make_polygonal(whole.buffer(COARSE_DEG).simplify(COARSE_DEG)))
    return write(into, told, found.select("place", "name", "lat", "lon", "area_km2"), area=coarse)


def _require(outline: Outline) -> None:
    is_name = re.fullmatch(r"[a-z][a-z0-9_]{2,40}", outline.id) and not keyword.iskeyword(outline.id)
    if not is_name:
        raise QueryError("malformed-id", expected="a short name of lower-case letters, digits and _", found=outline.id,
                         action="name it like ghent_bikes")  # fmt: skip
    clocks.known(outline.tz)
    if not (-90 <= outline.lat <= 90 and -180 <= outline.lon <= 180):
        raise QueryError("malformed-centre", expected="latitude −90…90 and longitude −180…180",
                         found=f"{outline.lat}, {outline.lon}", action="correct --lat and --lon")  # fmt: skip


def _words(outline: Outline) -> dict[str, object]:
    city = outline.city
    basis: dict[str, object] = {
        "id": outline.id, "city": city, "country": outline.country, "tz": outline.tz,
        "lat": round(outline.lat, 4), "lon": round(outline.lon, 4), "verb": city,
        "question_en": f"How many will be counted at each place of {city}?",
        "question_es": f"¿Cuántos se contarán en cada lugar de {city}?",
        "question_fr": f"Combien en comptera-t-on à chaque lieu de {city} ?",
        "measure": "counts", "label": "counts", "unit": "counts/h", "kind": "count", "grain": "1h", "horizon_h": 72,
        "licence": "Licence to be named", "attribution": f"Open data of {city}",
        "place_column": '"site"', "time_column": '"at"', "value_column": '"count"', "form": f'"{OFFSET_FORM}"',
        "also": "()", "place_kind": "SITE", "place_word": '{"en": "place", "es": "lugar", "fr": "lieu"}',
        "places_source": "", "places_name": "", "places_card": "",
        "columns": "`site`, `at`, `count`",
        "history_days": 120, "train_days": 100, "calibration_days": 28, "folds": 2, "fold_days": 14,
        "fit_rows": 60_000, "replay_days": 7,
        "published": "counts.publication(TZ)", "published_words": ", published the next morning",
        "published_card": "A local day can be read the next morning at nine.",
        "is_mean": False, "observe_imports": "",
        "observe_words": "summed into intervals", "observe_card": "Rows of one interval are summed.",
        "sample_words": "a dozen places that differ by luck alone",
    }  # fmt: skip
    return {**basis, **outline.facts}


def _lattice(outline: Outline) -> pl.DataFrame:
    steps = [(row, column) for row in range(3) for column in range(4)]
    return pl.DataFrame(
        {
            "place": [f"s{i + 1:02d}" for i in range(PLACES)],
            "name": [f"Site {i + 1}" for i in range(PLACES)],
            "lat": [round(outline.lat + 0.01 * (row - 1), 4) for row, _ in steps],
            "lon": [round(outline.lon + 0.015 * (column - 1.5), 4) for _, column in steps],
        }
    )


def _write_places(folder: Path, places: pl.DataFrame) -> None:
    area = pl.col("area_km2").round(3) if "area_km2" in places.columns else pl.lit(None, pl.Float64).alias("area_km2")
    places.select("place", "name", pl.lit("city").alias("part_of"), pl.col("lat", "lon").round(5), area).write_csv(
        folder / "places.csv"
    )


def _box(places: pl.DataFrame) -> MultiPolygon:
    """A box around the places: to be replaced by the city's own outline."""
    lats, lons = places["lat"].to_list(), places["lon"].to_list()
    edges = min(lons) - MARGIN_DEG, min(lats) - MARGIN_DEG, max(lons) + MARGIN_DEG, max(lats) + MARGIN_DEG
    return MultiPolygon([shapely.box(*edges)])


def _write_outline(folder: Path, area: MultiPolygon) -> None:
    rings = enumerate(polygon.exterior.coords[:-1] for polygon in area.geoms)
    lines = [f"{part},{lat:.4f},{lon:.4f}" for part, ring in rings for lon, lat in ring]
    (folder / "outline.csv").write_text("\n".join(["part,lat,lon", *lines]) + "\n", encoding="utf-8")
