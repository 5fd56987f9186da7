"""Words for a trip from one zone to another: how long, how sure, and what the number does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from urbancast.api.sentences import DASH, SIMULATED, inside, number
from urbancast.core.product import LANGS, Lang, Text

_TRIP: Text = {
    "en": "{verb} from {start} to {end}, leaving {when}: about {middle} {unit}; 8 in 10 trips take {low}–{high}.",
    "es": "{verb} de {start} a {end}, saliendo {when}: unos {middle} {unit}; 8 de cada 10 viajes tardan entre {low} "
    "y {high}.",
    "fr": "{verb} de {start} à {end}, départ {when} : environ {middle} {unit} ; 8 trajets sur 10 durent de {low} "
    "à {high}.",
}
_NOTHING: Text = {
    "en": "{verb} from {start} to {end}, leaving {when}: no forecast was made for that.",
    "es": "{verb} de {start} a {end}, saliendo {when}: no hay pronóstico.",
    "fr": "{verb} de {start} à {end}, départ {when} : pas de prévision.",
}
_USUAL: dict[str, Text] = {
    "longer": {"en": "Longer than usual ({usual}).", "es": "Más que de costumbre ({usual}).",
               "fr": "Plus long que d'habitude ({usual})."},
    "usual": {"en": "About as usual ({usual}).", "es": "Como de costumbre ({usual}).",
              "fr": "Comme d'habitude ({usual})."},
    "shorter": {"en": "Shorter than usual ({usual}).", "es": "Menos que de costumbre ({usual}).",
                "fr": "Plus court que d'habitude ({usual})."},
}  # fmt: skip
_AREAS: Text = {
    "en": "From {word} to {word}, not door to door.",
    "es": "De {word} a {word}, no de puerta a puerta.",
    "fr": "De {word} à {word}, pas de porte à porte.",
}
_WITHIN: Text = {
    "en": "Anywhere within this {word}, not door to door.",
    "es": "En cualquier parte de esta {word}, no de puerta a puerta.",
    "fr": "N'importe où dans ce {word}, pas de porte à porte.",
}
_BAND: Text = {
    "en": "Too few trips go this way: this is what trips of {span} take.",
    "es": "Pocos viajes hacen este trayecto: esto tardan los viajes de {span}.",
    "fr": "Trop peu de trajets par ici : voici ce que durent les trajets de {span}.",
}
_HUB: Text = {
    "en": "{span} from or to {hubs}",
    "es": "{span} desde o hasta {hubs}",
    "fr": "{span} depuis ou vers {hubs}",
}
_OVER: Text = {"en": "over {low} km", "es": "más de {low} km", "fr": "plus de {low} km"}
_OR: Text = {"en": " or ", "es": " o ", "fr": " ou "}
_UNKNOWN_BAND: Text = {
    "en": "This is what trips with an unknown end take.",
    "es": "Esto tardan los viajes con un extremo desconocido.",
    "fr": "Voici ce que durent les trajets dont une extrémité est inconnue.",
}
_UNKNOWN: Text = {"en": "an unknown place", "es": "un lugar desconocido", "fr": "un lieu inconnu"}


@dataclass(frozen=True, kw_only=True)
class Trip:
    """What a sentence is about. ``start``, ``end``: names, None where unknown; times are local; ``band``: see Book.

    ``numbers``: middle, low, high and usual (None where not known), in ``unit``; None without a forecast.
    """

    verb: Text
    place_word: Text
    unit: Text
    start: str | None
    end: str | None
    at: datetime
    now: datetime
    grain: str
    numbers: tuple[float, float, float, float | None] | None
    comparison: str | None
    band: Mapping[str, Any] | None
    hubs: tuple[str, ...]
    record: Text
    is_simulated: bool


def tell(trip: Trip) -> dict[Lang, str]:
    """Return the answer's sentence by language."""
    return {lang: _tell(trip, lang) for lang in LANGS}


def _tell(trip: Trip, lang: Lang) -> str:
    head = {
        "verb": trip.verb[lang],
        "start": trip.start or _UNKNOWN[lang],
        "end": trip.end or _UNKNOWN[lang],
        "when": inside(trip.at, trip.now, trip.grain, lang),
    }
    if trip.numbers is None:
        return _NOTHING[lang].format(**head)
    middle, low, high, usual = trip.numbers
    said = {"middle": number(middle, lang), "low": number(low, lang), "high": number(high, lang)}
    areas = _WITHIN if trip.start is not None and trip.start == trip.end else _AREAS
    parts = [
        _TRIP[lang].format(**head, **said, unit=trip.unit[lang]),
        _band(trip, lang),
        _USUAL[trip.comparison][lang].format(usual=number(usual, lang)) if usual and trip.comparison else "",
        areas[lang].format(word=trip.place_word[lang]),
        trip.record[lang],
        SIMULATED[lang] if trip.is_simulated else "",
    ]
    return " ".join(part for part in parts if part)


def _band(trip: Trip, lang: Lang) -> str:
    if trip.band is None:
        return ""
    if trip.band["kind"] == "unknown":
        return _UNKNOWN_BAND[lang]
    low, high = (
        None if limit is None else number(limit, lang) for limit in (trip.band["low_km"], trip.band["high_km"])
    )
    span = _OVER[lang].format(low=low) if high is None else f"{low}{DASH}{high} km"
    if trip.band["kind"] == "hub":
        span = _HUB[lang].format(span=span, hubs=_OR[lang].join(trip.hubs))
    return _BAND[lang].format(span=span)
