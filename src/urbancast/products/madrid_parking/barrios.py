"""From what a file writes of a neighbourhood to its id: ``DD-BB``, codes in two columns, or a name in any spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

import polars as pl

_CODE = re.compile(r"^\s*(\d{1,2})-(\d{1,2})\b")
_DIGITS = re.compile(r"\d+")
_ARTICLES = ("EL ", "LA ", "LOS ", "LAS ")
TESTS = ("ELO MONITORIZACION", "TALLER DEVAS", "TEST PARKARE")


def folded(text: str) -> str:
    """Upper case without accents, single blanks, no code and no article before it."""
    plain = unicodedata.normalize("NFKD", _CODE.sub("", text).upper())
    name = " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
    article = next((article for article in _ARTICLES if name.startswith(article)), "")
    return name.removeprefix(article)


def is_test(text: str | None) -> bool:
    """Whether a name is one under which the operator tries its machines."""
    plain = folded(text or "")
    return any(plain.startswith(name) for name in TESTS)


def by_name(places: pl.DataFrame) -> dict[str, str]:
    """Folded name to id of a places table."""
    return {folded(name): place for place, name in places.select("place", "name").iter_rows()}


def resolve(district: str | None, barrio: str | None, text: str | None, names: Mapping[str, str]) -> str | None:
    """Id ``DD-BB`` by what is written: in the text or the code, else by name, else by both numbers."""
    for written in (text, barrio):
        if found := _CODE.match(written or ""):
            return _id(int(found.group(1)), int(found.group(2)))
    return names.get(folded(text or "")) or _of_codes(_number(district), _number(barrio))


def resolved(rows: Iterable[tuple[str | None, str | None, str | None]], names: Mapping[str, str]) -> list[str | None]:
    """Ids of rows of district code, neighbourhood code and text."""
    return [resolve(district, barrio, text, names) for district, barrio, text in rows]


def _of_codes(district: int | None, barrio: int | None) -> str | None:
    """A neighbourhood's number within its district, or with the district before it: 1 and 3, or 1 and 13."""
    if barrio is None:
        return None
    if district is not None:
        return _id(district, barrio - 10 * district if barrio > 10 * district else barrio)
    return _id(barrio // 10, barrio % 10) if barrio > 10 else None


def _number(text: str | None) -> int | None:
    found = _DIGITS.search(text or "")
    return int(found.group()) if found else None


def _id(district: int, barrio: int) -> str:
    return f"{district:02d}-{barrio:02d}"
