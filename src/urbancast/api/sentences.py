"""Plain words in three languages: what, how sure, how often that held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from urbancast.core.product import LANGS, Lang, Text

DASH = "\N{EN DASH}"
PERCENT = "\N{NO-BREAK SPACE}%"
_THOUSANDS = {"en": ",", "es": ".", "fr": "\N{NARROW NO-BREAK SPACE}"}
_DAYS: dict[Lang, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}
_MONTHS: dict[Lang, tuple[str, ...]] = {
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    "es": (
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    "fr": (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
}
_NEAR_DAYS: dict[Lang, dict[int, str]] = {
    "en": {-1: "yesterday", 0: "today", 1: "tomorrow"},
    "es": {-1: "ayer", 0: "hoy", 1: "mañana"},
    "fr": {-1: "hier", 0: "aujourd'hui", 1: "demain"},
}
_AT: dict[Lang, str] = {"en": "at", "es": "a las", "fr": "à"}
_GRAIN_WORDS: dict[Lang, dict[str, tuple[str, str]]] = {
    "en": {"1h": ("hour", "hours"), "1d": ("day", "days"), "trip": ("trip", "trips"), "": ("interval", "intervals")},
    "es": {
        "1h": ("hora", "horas"),
        "1d": ("día", "días"),
        "trip": ("viaje", "viajes"),
        "": ("intervalo", "intervalos"),
    },
    "fr": {
        "1h": ("heure", "heures"),
        "1d": ("jour", "jours"),
        "trip": ("trajet", "trajets"),
        "": ("intervalle", "intervalles"),
    },
}
_SUCH: dict[Lang, tuple[str, str]] = {"en": ("this", "this"), "es": ("esta", "este"), "fr": ("celle-ci", "celui-ci")}
_ON_AVERAGE: Text = {"en": " on average", "es": " de media", "fr": " en moyenne"}
_COLON: Text = {"en": ": ", "es": ": ", "fr": " : "}
_COMPARISONS: dict[str, Text] = {
    "busier": {"en": "Busier than usual ({usual}).", "es": "Más que de costumbre ({usual}).",
               "fr": "Plus que d'habitude ({usual})."},
    "usual": {"en": "About as usual ({usual}).", "es": "Como de costumbre ({usual}).",
              "fr": "Comme d'habitude ({usual})."},
    "quieter": {"en": "Quieter than usual ({usual}).", "es": "Menos que de costumbre ({usual}).",
                "fr": "Moins que d'habitude ({usual})."},
}  # fmt: skip
_MORE: dict[str, Text] = {
    "busier": {"en": "More than usual ({usual}).", "es": "Más que de costumbre ({usual}).",
               "fr": "Plus que d'habitude ({usual})."},
    "quieter": {"en": "Fewer than usual ({usual}).", "es": "Menos que de costumbre ({usual}).",
                "fr": "Moins que d'habitude ({usual})."},
}  # fmt: skip
_RANGE: Text = {
    "en": "about {middle} {unit}; 8 in 10 chance of {low}–{high}",
    "es": "alrededor de {middle} {unit}; 8 de cada 10 veces, entre {low} y {high}",
    "fr": "environ {middle} {unit} ; 8 chances sur 10 d'être entre {low} et {high}",
}
_CHANCE: Text = {
    "en": "{label} in about {chance}",
    "es": "{label} en alrededor de {chance}",
    "fr": "{label} dans environ {chance}",
}
_ONE_IN: Text = {
    "en": "1 in {n} {grains} like this",
    "es": "1 de cada {n} {grains} como {such}",
    "fr": "1 {grain} sur {n} comme {such}",
}
_OF_TEN: Text = {
    "en": "{n} in 10 {grains} like this",
    "es": "{n} de cada 10 {grains} como {such}",
    "fr": "{n} {grains} sur 10 comme {such}",
}
_KINDS: dict[str, Text] = {
    "live": {"en": "Forecasts made live", "es": "En pronósticos en directo", "fr": "En prévisions réelles"},
    "replay": {"en": "Replayed over past days", "es": "Repitiendo días pasados", "fr": "En rejouant des jours passés"},
    "backtest": {"en": "In a backtest", "es": "En una prueba retrospectiva", "fr": "Dans un test rétrospectif"},
}
_HELD: Text = {
    "en": "{kind}, the 80 % range held {held} (± {half}) of {n} {grains} {where}.",
    "es": "{kind}, el intervalo del 80 % acertó el {held} (± {half}) de {n} {grains} {where}.",
    "fr": "{kind}, l'intervalle à 80 % a tenu {held} (± {half}) de {n} {grains} {where}.",
}
_HERE: Text = {"en": "here at this time of day", "es": "aquí a esta hora", "fr": "ici à cette heure"}
_HERE_BY_DAY: Text = {"en": "here", "es": "aquí", "fr": "ici"}
_CITY_BY_DAY: Text = {"en": "across the city", "es": "en toda la ciudad", "fr": "dans toute la ville"}
_FLOW: Text = {
    "en": "{middle}; 8 in 10 chance of anything from {low} to {high}",
    "es": "{middle}; 8 de cada 10 veces, de {low} a {high}",
    "fr": "{middle} ; 8 chances sur 10, de {low} à {high}",
}
_LEAVING: Text = {"en": "{n} more leaving", "es": "{n} salidas de más", "fr": "{n} départs de plus"}
_ARRIVING: Text = {"en": "{n} more arriving", "es": "{n} llegadas de más", "fr": "{n} arrivées de plus"}
_EVEN: Text = {"en": "as many of both", "es": "tantas de unas como de otras", "fr": "autant des deux"}
_MORE_LEAVE: Text = {
    "en": "{n} more leave than arrive",
    "es": "salen {n} más de los que llegan",
    "fr": "{n} de plus partent qu'il n'en arrive",
}
_MORE_ARRIVE: Text = {
    "en": "{n} more arrive than leave",
    "es": "llegan {n} más de los que salen",
    "fr": "{n} de plus arrivent qu'il n'en part",
}
_BALANCED: Text = {
    "en": "as many leave as arrive",
    "es": "salen tantos como llegan",
    "fr": "autant partent qu'il n'en arrive",
}
_ABOUT: Text = {"en": "about ", "es": "unos ", "fr": "environ "}
_FLOW_USUAL: Text = {"en": "Usually {usual}.", "es": "Normalmente, {usual}.", "fr": "D'habitude, {usual}."}
_CITY: Text = {
    "en": "across the city at this time of day", "es": "en toda la ciudad a esta hora",
    "fr": "dans toute la ville à cette heure",
}  # fmt: skip
_TOO_EARLY: Text = {
    "en": "Too early to say how often the range holds here ({n} {grains} so far, {enough} needed).",
    "es": "Es pronto para decir cuántas veces acierta aquí el intervalo ({n} {grains}, hacen falta {enough}).",
    "fr": "Trop tôt pour dire combien de fois l'intervalle tient ici ({n} {grains}, il en faut {enough}).",
}
_NO_DATA: Text = {
    "en": "{when}, {place}: no forecast; this place has no usable data for that time.",
    "es": "{when}, {place}: sin pronóstico; no hay datos utilizables de este lugar para ese momento.",
    "fr": "{when}, {place} : pas de prévision ; pas de données utilisables ici pour ce moment.",
}
_NO_TIME: Text = {
    "en": "{when}, {place}: no forecast; none was made of this for that time, here or elsewhere.",
    "es": "{when}, {place}: sin pronóstico; para ese momento no se hizo ninguno, ni aquí ni en otro lugar.",
    "fr": "{when}, {place} : pas de prévision ; aucune n'a été faite pour ce moment, ici ou ailleurs.",
}
_CLOSED: Text = {
    "en": "{when}, {place}: closed; no longer counted here.",
    "es": "{when}, {place}: cerrado; aquí ya no se cuenta.",
    "fr": "{when}, {place} : fermé ; plus de comptage ici.",
}
_NEXT: Text = {"en": "Next: {when}.", "es": "Siguiente: {when}.", "fr": "Ensuite : {when}."}
SIMULATED: Text = {"en": "Simulated data.", "es": "Datos simulados.", "fr": "Données simulées."}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a sentence is about. ``at``, ``now``: local times; ``record``: the words of `held`."""

    place: str
    at: datetime
    now: datetime
    grain: str
    unit: Text
    label: Text
    mean: float
    median: float
    low: float
    high: float
    usual: float | None
    comparison: str | None
    is_chance: bool
    is_simulated: bool
    record: Text
    is_clustered: bool = False
    is_signed: bool = False


def tell(told: Told) -> dict[Lang, str]:
    """Return the answer's sentence by language."""
    return {lang: _tell(told, lang) for lang in LANGS}


def _tell(told: Told, lang: Lang) -> str:
    colon = " :" if lang == "fr" else ":"
    head = f"{when(told.at, told.now, told.grain, lang)}, {told.place}{colon} {_what(told, lang)}."
    parts = [head, _compared(told, lang), told.record[lang], SIMULATED[lang] if told.is_simulated else ""]
    return " ".join(part for part in parts if part)


def _what(told: Told, lang: Lang) -> str:
    if told.is_chance:
        words = f"{told.label[lang]}{_COLON[lang]}{every(told.mean, told.grain, lang)}"
        if not told.is_clustered:
            words = _CHANCE[lang].format(label=told.label[lang], chance=chance(told.mean, told.grain, lang))
        return words[:1].lower() + words[1:]
    if told.is_signed:
        return _flows(told, lang)
    low, high = number(told.low, lang), number(told.high, lang)
    return _RANGE[lang].format(middle=number(told.median, lang), unit=told.unit[lang], low=low, high=high)


def _flows(told: Told, lang: Lang) -> str:
    """More leave than arrive, or the other way about; never a negative number of anything."""
    low, high = _balance(told.low, lang), _balance(told.high, lang)
    return _FLOW[lang].format(middle=flow(told.median, lang, about=_ABOUT[lang]), low=low, high=high)


def _balance(net: float, lang: Lang) -> str:
    """One end of a range of net outflow."""
    if not round(net):
        return _EVEN[lang]
    return (_LEAVING if net > 0 else _ARRIVING)[lang].format(n=number(round(abs(net)), lang))


def flow(net: float, lang: Lang, *, about: str = "") -> str:
    """Net outflow in words."""
    if not round(net):
        return _BALANCED[lang]
    template = _MORE_LEAVE if net > 0 else _MORE_ARRIVE
    return template[lang].format(n=about + number(round(abs(net)), lang))


def _compared(told: Told, lang: Lang) -> str:
    if told.usual is None:
        return ""
    if told.is_signed:
        return _FLOW_USUAL[lang].format(usual=flow(told.usual, lang))
    if told.comparison is None:
        return ""
    if told.is_chance:
        template = _MORE.get(told.comparison, _COMPARISONS["usual"])[lang]
        rate = every(told.usual, told.grain, lang).removesuffix(_ON_AVERAGE[lang])
        return template.format(usual=rate if told.is_clustered else chance(told.usual, told.grain, lang, is_short=True))
    return _COMPARISONS[told.comparison][lang].format(usual=number(told.usual, lang))


def when(at: datetime, now: datetime, grain: str, lang: Lang) -> str:
    """Local day and time in words, capitalised: ``Tomorrow at 18:00``; the date once it is further than that."""
    days = (at.date() - now.date()).days
    day = _NEAR_DAYS[lang].get(days) or _date(at.date(), now.date(), lang)
    text = day if grain == "1d" else f"{day} {_AT[lang]} {at:%H:%M}"
    return text[:1].upper() + text[1:]


def inside(at: datetime, now: datetime, grain: str, lang: Lang) -> str:
    """Local day and time within a sentence: only English weekdays keep their capital."""
    text = when(at, now, grain, lang)
    return text if lang == "en" and text.split()[0] in _DAYS["en"] else _lowered(text)


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _date(day: date, today: date, lang: Lang) -> str:
    weekday, month = _DAYS[lang][day.weekday()], _MONTHS[lang][day.month - 1]
    words = f"{weekday} {day.day} de {month}" if lang == "es" else f"{weekday} {day.day} {month}"
    if day.year == today.year:
        return words
    return f"{words} de {day.year}" if lang == "es" else f"{words} {day.year}"


def number(value: float, lang: Lang) -> str:
    """Rounded number as people say it: two or three digits, the language's separators."""
    if value < 10:
        text = f"{value:.1f}" if 0 < value < 9.95 and round(value, 1) != round(value) else f"{value:.0f}"
        return text if lang == "en" else text.replace(".", ",")
    step = 10 ** max(0, math.floor(math.log10(value)) - 1) if value >= 1000 else 1
    nice = round(value / step) * step if value >= 1000 else round(value, -1 if value >= 200 else 0)
    return f"{int(nice):,}".replace(",", _THOUSANDS[lang])


def whole(value: int, lang: Lang) -> str:
    """Whole number to the last digit, with the language's separators: one to order by."""
    return f"{value:,}".replace(",", _THOUSANDS[lang])


def every(mean: float, grain: str, lang: Lang) -> str:
    """Mean of what comes in clusters, as a rate: ``one every 19 hours on average``; no chance follows from it."""
    one, many = _grain_words(grain, lang)
    if mean >= 1:
        return {
            "en": f"{number(mean, lang)} per {one}",
            "es": f"{number(mean, lang)} por {one}",
            "fr": f"{number(mean, lang)} par {one}",
        }[lang] + _ON_AVERAGE[lang]
    n = _odds(mean, lang)
    french = "une toutes les {n} {grains}" if grain == "1h" else "une tous les {n} {grains}"
    template = {"en": "one every {n} {grains}", "es": "una cada {n} {grains}", "fr": french}
    return template[lang].format(n=n, grains=many) + _ON_AVERAGE[lang]


def chance(mean: float, grain: str, lang: Lang, *, is_short: bool = False) -> str:
    """Chance of at least one, from a Poisson count of this mean: ``1 in 11 hours like this``; never ten in ten."""
    one, many = _grain_words(grain, lang)
    p = -math.expm1(-max(mean, 0.0))
    if p >= 0.25:
        template, n = _OF_TEN[lang], str(min(9, round(p * 10)))
    else:
        template, n = _ONE_IN[lang], _odds(p, lang)
    such = _SUCH[lang][grain != "1h"]  # hours are feminine, days and trips are not
    words = template.format(n=n, grain=one, grains=many, such=such)
    tail = {"en": " like this", "es": f" como {such}", "fr": f" comme {such}"}[lang]
    return words.removesuffix(tail) if is_short else words


def _odds(p: float, lang: Lang) -> str:
    """Return the odds 1/p to two digits; beyond a million it stops counting."""
    odds = min(1 / p, 1e6) if p > 0 else 1e6
    digits = max(0, math.floor(math.log10(odds)) - 1)
    return f"{round(odds / 10**digits) * 10**digits:,}".replace(",", _THOUSANDS[lang])


def held(share: Mapping[str, Any] | None, city: Mapping[str, Any] | None, so_far: int, grain: str) -> dict[Lang, str]:
    """How often the range held, by language: here, or too early here and then across the city."""
    return {lang: _held(share, city, so_far, grain, lang) for lang in LANGS}


def _held(share: Mapping[str, Any] | None, city: Mapping[str, Any] | None, so_far: int, grain: str, lang: Lang) -> str:
    if share is not None:
        return _share(share, grain, (_HERE_BY_DAY if grain == "1d" else _HERE)[lang], lang)
    many = _grain_words(grain, lang)[1]
    early = _TOO_EARLY[lang].format(n=so_far, grains=many, enough=30)
    where = (_CITY_BY_DAY if grain == "1d" else _CITY)[lang]
    return early if city is None else f"{early} {_share(city, grain, where, lang)}"


def _share(share: Mapping[str, Any], grain: str, where: str, lang: Lang) -> str:
    half = share["plus_minus"]
    return _HELD[lang].format(
        kind=_KINDS[share["kind"]][lang],
        held=f"{share['held'] * 100:.0f}{PERCENT}",
        half="?" if half is None else f"{half * 100:.0f}",
        n=f"{share['n']:,}".replace(",", _THOUSANDS[lang]),
        grains=_grain_words(grain, lang)[1],
        where=where,
    )


def no_answer(state: str, place: str, at: datetime, now: datetime, grain: str) -> dict[Lang, str]:
    """Sentence of a place without a forecast: ``no_data``, ``no_time`` (no place has one then) or ``closed``."""
    template = {"closed": _CLOSED, "no_time": _NO_TIME}.get(state, _NO_DATA)
    return {lang: template[lang].format(when=when(at, now, grain, lang), place=place) for lang in LANGS}


def not_open(
    closed: Text, place: str, at_and_opens: tuple[datetime, datetime], now: datetime, grain: str
) -> dict[Lang, str]:
    """Sentence of a place at an hour for which nothing is promised, with the product's words and the next open hour."""
    at, opens = at_and_opens
    return {
        lang: f"{when(at, now, grain, lang)}, {place}{_COLON[lang]}{_lowered(closed[lang].rstrip('.'))}. "
        f"{_NEXT[lang].format(when=inside(opens, now, grain, lang))}"
        for lang in LANGS
    }


def _grain_words(grain: str, lang: Lang) -> tuple[str, str]:
    return _GRAIN_WORDS[lang].get(grain, _GRAIN_WORDS[lang][""])
