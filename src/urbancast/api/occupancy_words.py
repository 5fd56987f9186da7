"""Words for occupancy: what is paid, what is assumed, what is only an estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from urbancast.api.sentences import PERCENT, number
from urbancast.core.product import LANGS, Lang, Text

_PAID: Text = {
    "en": "Paid for: about {mean} of {capacity} spaces (8 in 10 chance of {low}–{high}).",
    "es": "De pago: unas {mean} de {capacity} plazas (8 de cada 10 veces, entre {low} y {high}).",
    "fr": "Payées : environ {mean} places sur {capacity} (8 chances sur 10 d'être entre {low} et {high}).",
}
_OCCUPIED: Text = {
    "en": "With cars that buy no ticket (an assumption you can move) about {share} are taken ({low} to {high}).",
    "es": "Con los coches que no sacan tique (un supuesto ajustable), ocupado un {share} aproximadamente "
    "(de {low} a {high}).",
    "fr": "Avec les voitures sans ticket (une hypothèse réglable), environ {share} sont occupées ({low} à {high}).",
}
_CHANCE: Text = {
    "en": "A free space within {radius} m: about {chance} in 10, a model estimate that nobody has verified.",
    "es": "Una plaza libre a menos de {radius} m: unas {chance} de cada 10 veces; estimación del modelo sin verificar.",
    "fr": "Une place libre à moins de {radius} m : environ {chance} fois sur 10 ; estimation du modèle, non vérifiée.",
}
_QUIETER: Text = {
    "en": "Quieter than {tenths} of 10 regulated hours here.",
    "es": "Más tranquilo que {tenths} de cada 10 horas reguladas aquí.",
    "fr": "Moins fréquenté que {tenths} heures réglementées sur 10 ici.",
}
_BUSIER: Text = {
    "en": "Busier than {tenths} of 10 regulated hours here.",
    "es": "Más concurrido que {tenths} de cada 10 horas reguladas aquí.",
    "fr": "Plus fréquenté que {tenths} heures réglementées sur 10 ici.",
}


def sentence(said: Mapping[str, Any]) -> dict[Lang, str]:
    """Occupancy in one breath by language; the chance only where the prior does not decide it alone."""
    return {lang: _sentence(said, lang) for lang in LANGS}


def _sentence(said: Mapping[str, Any], lang: Lang) -> str:
    paid, occupied, capacity = said["paid"], said["occupied"], said["capacity"]
    parts = [
        _PAID[lang].format(
            mean=number(paid["mean"], lang),
            capacity=number(capacity, lang),
            low=number(paid["low"], lang),
            high=number(paid["high"], lang),
        ),
        _OCCUPIED[lang].format(
            share=_percent(occupied["mean"] / capacity),
            low=_percent(occupied["low"] / capacity),
            high=_percent(occupied["high"] / capacity),
        ),
    ]
    if said["is_prior_dominant"] or not said["chances"]:
        share = said["busier_than"]
        words, share = (_BUSIER, share) if share >= 0.5 else (_QUIETER, 1 - share)
        parts.append(words[lang].format(tenths=_tenths(share)))
    else:
        near = said["chances"][0]
        parts.append(_CHANCE[lang].format(radius=round(near["radius_m"]), chance=_tenths(near["chance"])))
    return " ".join(parts)


def _tenths(chance: float) -> str:
    """Chance or share in tenths, never a certainty; halves up."""
    return str(min(9, max(1, math.floor(10 * chance + 0.5))))


def _percent(share: float) -> str:
    return f"{round(100 * share)}{PERCENT}"
