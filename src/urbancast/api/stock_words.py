"""Plain words of a stock plan, in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from urbancast.api.sentences import SIMULATED, inside, number, whole
from urbancast.core.product import LANGS, Lang, Text

CENSORED: Text = {
    "en": "Trips are what was ridden, not what was wanted: where nothing stood, demand was not seen and the need is "
    "too low.",
    "es": "Los viajes son los que se hicieron, no los que se querían hacer: donde no había nada, la demanda no se vio "
    "y la necesidad queda corta.",
    "fr": "Les trajets sont ceux qui ont été faits, non ceux qu'on voulait faire : là où rien n'attendait, la demande "
    "n'a pas été vue et le besoin est trop bas.",
}
TURNS: Text = {
    "en": "Turns of {turns} trips a vehicle and day are an input, not a forecast.",
    "es": "Los {turns} viajes por vehículo y día son un dato de entrada, no un pronóstico.",
    "fr": "Les {turns} trajets par véhicule et par jour sont une donnée d'entrée, non une prévision.",
}
DERIVED: Text = {
    "en": "Where vehicles stand was not said: it is derived from where trips ended over the last days known.",
    "es": "No se dijo dónde están los vehículos: se deduce de dónde acabaron los viajes de los últimos días conocidos.",
    "fr": "On n'a pas dit où sont les véhicules : c'est déduit des fins de trajet des derniers jours connus.",
}
HISTORICAL: Text = {
    "en": "The source has ended: this plan is for the last days known, a replay.",
    "es": "La fuente ha terminado: este plan es para los últimos días conocidos, una repetición.",
    "fr": "La source s'est arrêtée : ce plan vaut pour les derniers jours connus, un rejeu.",
}
_PLAN: Text = {
    "en": "For {days} days from {day}: {stock} vehicles in {places} places cover the need there {level} of the time; "
    "all together need {low}–{high} (8 in 10 chance).",
    "es": "Para {days} días desde {day}: {stock} vehículos en {places} lugares cubren la necesidad de cada uno el "
    "{level} de las veces; entre todos necesitan {low}–{high} (8 de cada 10 veces).",
    "fr": "Pour {days} jours, départ {day} : {stock} véhicules en {places} lieux couvrent le besoin de chacun "
    "{level} du temps ; tous ensemble ont besoin de {low}–{high} (8 chances sur 10).",
}
_FLEET: Text = {
    "en": "A fleet of {fleet} shared out by equal worth leaves the neediest place short with a chance of {worst}.",
    "es": "Una flota de {fleet} repartida con igual valor deja al lugar más necesitado corto con probabilidad {worst}.",
    "fr": "Une flotte de {fleet} répartie à valeur égale laisse le lieu le plus démuni à court dans {worst} des cas.",
}


_UNDER: Text = {"en": "under 1\N{NO-BREAK SPACE}%", "es": "menor del 1\N{NO-BREAK SPACE}%",
                "fr": "moins de 1\N{NO-BREAK SPACE}%"}  # fmt: skip
_OVER: Text = {"en": "over 99\N{NO-BREAK SPACE}%", "es": "mayor del 99\N{NO-BREAK SPACE}%",
               "fr": "plus de 99\N{NO-BREAK SPACE}%"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a plan's sentence is about; ``day`` and ``now`` local, ``worst`` the greatest chance of a shortage."""

    days: int
    day: datetime
    now: datetime
    places: int
    level: float
    stock: int
    low: float | None
    high: float | None
    fleet: int | None
    worst: float
    is_simulated: bool


def tell(planned: Planned) -> dict[Lang, str]:
    """Sentence of a plan by language."""
    return {lang: _tell(planned, lang) for lang in LANGS}


def caveats(turns: float, *, is_derived: bool, is_historical: bool) -> list[dict[str, str | Mapping[Lang, str]]]:
    """What to know before acting on a plan."""
    told: list[tuple[str, Text]] = [("censored", CENSORED)]
    told.append(("turns", {lang: TURNS[lang].format(turns=number(turns, lang)) for lang in LANGS}))
    told += [("standing-derived", DERIVED)] if is_derived else []
    told += [("historical", HISTORICAL)] if is_historical else []
    return [{"id": name, "text": text} for name, text in told]


def _tell(planned: Planned, lang: Lang) -> str:
    day = inside(planned.day, planned.now, "1d", lang)
    low, high = ("?" if value is None else number(value, lang) for value in (planned.low, planned.high))
    parts = [
        _PLAN[lang].format(
            days=planned.days,
            day=day,
            stock=whole(planned.stock, lang),  # a number to order by, not to round
            places=planned.places,
            level=_percent(planned.level),
            low=low,
            high=high,
        )
    ]
    if planned.fleet is not None:
        parts.append(_FLEET[lang].format(fleet=whole(planned.fleet, lang), worst=_chance(planned.worst, lang)))
    parts += [SIMULATED[lang]] if planned.is_simulated else []
    return " ".join(parts)


def _chance(share: float, lang: Lang) -> str:
    """Chance in percent, never none and never certain."""
    if 0.005 <= share < 0.995:
        return _percent(share)
    return (_UNDER if share < 0.5 else _OVER)[lang]


def _percent(share: float) -> str:
    return f"{share * 100:.0f}\N{NO-BREAK SPACE}%"
