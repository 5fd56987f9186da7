"""Names to places: search over zones, sites, streets and landmarks that forgives case, accents, unfinished words.

Streets are those of the places' attributes (``streets``: name, lat, lon, …); their kinds may be shortened or left
out (``c/``, ``avda.``), as may the small words between.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import unicodedata
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from urbancast.geo.index import ZoneIndex
from urbancast.geo.metric import distance_m

LANDMARK, STREET = "landmark", "street"
_SHORT = {
    **dict.fromkeys(("c", "cl", "cll"), "calle"),
    **dict.fromkeys(("av", "ave", "avd", "avda"), "avenida"),
    **dict.fromkeys(("pl", "pza", "plz", "plza"), "plaza"),
    **dict.fromkeys(("po", "pso", "ps"), "paseo"),
    **dict.fromkeys(("ctra", "crta"), "carretera"),
    **dict.fromkeys(("gta", "glta"), "glorieta"),
    **dict.fromkeys(("rda",), "ronda"),
    **dict.fromkeys(("bd", "bld", "blvd", "boul"), "boulevard"),
    **dict.fromkeys(("st", "str"), "street"),
}
_KINDS = {*_SHORT.values(), "bulevar", "callejon", "camino", "costanilla", "cuesta", "pasaje", "rue", "travesia"}
_SMALL = {"a", "d", "da", "de", "del", "des", "du", "el", "l", "la", "las", "le", "les", "los", "of", "the", "y"}
_APOSTROPHES = str.maketrans("", "", "'’‘`\u00b4\u02bc")
_SAME_SPOT_M = 3_000.0  # a landmark and a place of the same name this near are one answer


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One found name. ``place`` is null for a landmark in no known zone.

    ``tier``: how well it fits; 0 the whole name or id, 1 its beginning, 2 all words, 3 beginnings of words.
    """

    name: str
    kind: str
    place: str | None
    lat: float
    lon: float
    part_of: str | None = None
    tier: int = 0


class Gazetteer:
    """Full-text index in memory (SQLite FTS5), safe to share between threads."""

    def __init__(
        self, places: pl.DataFrame, landmarks: pl.DataFrame | None = None, *, index: ZoneIndex | None = None
    ) -> None:
        """Index a places table and landmarks (name, lat, lon); ``index`` tells which real zone holds a landmark."""
        self._places = _place_hits(places)
        self._hits = self._places + _street_hits(places) + _landmark_hits(landmarks, index)
        self._names = [fold(hit.name) for hit in self._hits]
        self._cores = [core(hit.name) if hit.kind == STREET else "" for hit in self._hits]
        self._ids = {fold(hit.place or ""): row for row, hit in enumerate(self._places)}
        self._lock = threading.Lock()
        self._words = sqlite3.connect(":memory:", check_same_thread=False)
        self._words.execute(
            "CREATE VIRTUAL TABLE words USING fts5(text, tokenize='unicode61 remove_diacritics 2', prefix='2 3')"
        )
        self._words.executemany(
            "INSERT INTO words(rowid, text) VALUES (?, ?)", [(i, _words_of(hit)) for i, hit in enumerate(self._hits)]
        )

    def search(self, text: str, limit: int = 8) -> list[Hit]:
        """Best hits first: by tier, then places before landmarks, shorter names, name and id."""
        wanted = fold(text)
        if not wanted:
            return []
        found = self._matching(wanted) or self._matching(core(text), kind=STREET)
        named = {self._ids[wanted]} if wanted in self._ids else set()
        hits = [replace(self._hits[row], tier=0 if row in named else self._tier(row, wanted)) for row in found | named]
        return sorted(hits, key=_order)[:limit]

    def _matching(self, wanted: str, *, kind: str | None = None) -> set[int]:
        """Rows that hold every word, or the beginning of it."""
        query = " AND ".join(f'"{word}"*' for word in wanted.split())
        if not query:
            return set()
        with self._lock:
            found = {row for (row,) in self._words.execute("SELECT rowid FROM words WHERE words MATCH ?", (query,))}
        return {row for row in found if kind is None or self._hits[row].kind == kind}

    def best(self, text: str) -> list[Hit]:
        """The hits that fit equally well and better than all others: none = unknown, several = ambiguous.

        Places known to be the same spot (a landmark of the name of a place, or inside another hit) count once.
        """
        hits = self.search(text, limit=len(self._hits))
        equal = [hit for hit in hits if hit.tier == hits[0].tier]
        kept: list[Hit] = []
        for hit in equal:
            if not any(_is_same(hit, other) for other in kept):
                kept.append(hit)
        return kept

    def nearest(self, lon: float, lat: float) -> tuple[Hit, float] | None:
        """Place whose centre is nearest to a point, and its distance in metres; null without places.

        Says what is near, not which zone holds the point: that is ``ZoneIndex``.
        """
        if not self._places:
            return None
        lons, lats = np.array([[hit.lon, hit.lat] for hit in self._places]).T
        away = distance_m(lon, lat, to_lon=lons, to_lat=lats)
        first = int(away.argmin())
        return self._places[first], float(away[first])

    def _tier(self, row: int, wanted: str) -> int:
        hit, name = self._hits[row], self._names[row]
        bare = fold(hit.name.translate(_APOSTROPHES))
        if wanted in (name, bare):
            return 0
        if hit.kind == STREET and core(wanted) == self._cores[row]:
            return 1
        if any(known.startswith(wanted) for known in (name, bare)):
            return 1
        return 2 if set(wanted.split()) <= set(fold(_words_of(hit)).split()) else 3


def fold(text: str) -> str:
    """Text in lower case without accents; anything but letters and digits becomes one space."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


def core(text: str) -> str:
    """What tells a street: its name without its kind, small words, and a house number at the end."""
    words = [_SHORT.get(word, word) for word in fold(text.replace("º", "o")).split()]
    if len(words) > 1 and words[-1].isdigit():
        words = words[:-1]
    kept = [word for word in words if word not in _SMALL and word not in _KINDS]
    return " ".join(kept or words)


def _words_of(hit: Hit) -> str:
    """Every word under which a hit is found: its name, with and without apostrophes, and its part."""
    return " ".join(fold(part) for part in (hit.name, hit.name.translate(_APOSTROPHES), hit.part_of) if part)


def _place_hits(places: pl.DataFrame) -> list[Hit]:
    rows = places.unique("place", keep="last", maintain_order=True).sort("place")
    columns = ("place", "name", "kind", "part_of", "lat", "lon")
    return [Hit(**row) for row in rows.select(columns).iter_rows(named=True)]


def _street_hits(places: pl.DataFrame) -> list[Hit]:
    """Each street once a place, at the middle of its pieces."""
    if "attributes" not in places.columns:
        return []
    rows = places.unique("place", keep="last", maintain_order=True).sort("place")
    found: list[Hit] = []
    for place, part_of, text in rows.select("place", "name", "attributes").iter_rows():
        pieces: dict[str, list[tuple[float, float]]] = {}
        for name, lat, lon, *_ in json.loads(text or "{}").get("streets", ()):
            pieces.setdefault(name, []).append((lat, lon))
        for name, points in pieces.items():
            lat, lon = np.mean(points, axis=0).tolist()
            found.append(Hit(name=name, kind=STREET, place=place, lat=lat, lon=lon, part_of=part_of))
    return found


def _landmark_hits(landmarks: pl.DataFrame | None, index: ZoneIndex | None) -> list[Hit]:
    if landmarks is None or landmarks.is_empty():
        return []
    nowhere = pl.Series("place", [None] * landmarks.height, dtype=pl.String)
    is_known = index is not None and not index.is_schematic
    held = index.locate(landmarks["lon"], landmarks["lat"]) if index is not None and is_known else nowhere
    rows = landmarks.with_columns(place=held).select("name", "place", "lat", "lon")
    return [Hit(kind=LANDMARK, **row) for row in rows.iter_rows(named=True)]


def _order(hit: Hit) -> tuple[int, int, int, str, str]:
    return hit.tier, (hit.kind == STREET) + 2 * (hit.kind == LANDMARK), len(hit.name), hit.name, hit.place or ""


def _is_same(hit: Hit, other: Hit) -> bool:
    """Whether two hits lead to one answer."""
    if hit.place is not None and hit.place == other.place and hit.name == other.name:
        return True
    if STREET not in (hit.kind, other.kind) and hit.place is not None and hit.place == other.place:
        return True
    is_near = distance_m(hit.lon, hit.lat, to_lon=other.lon, to_lat=other.lat) < _SAME_SPOT_M
    return LANDMARK in (hit.kind, other.kind) and fold(hit.name) == fold(other.name) and bool(is_near)
