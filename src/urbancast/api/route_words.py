"""Words of routes and of what lies ahead, in three languages: fewer reported crashes, never a promise of safety."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from urbancast.api.sentences import chance, number, when
from urbancast.core.product import LANGS, Lang, Text

ALIKE = 0.05  # relative differences below this are none
QUICKEST: Text = {"en": "Quickest way", "es": "Camino más rápido", "fr": "Chemin le plus rapide"}
OTHER: Text = {"en": "Another way {n}", "es": "Otro camino {n}", "fr": "Autre chemin {n}"}
SIMULATED: Text = {
    "en": "Simulated roads and crashes.", "es": "Vías y accidentes simulados.", "fr": "Routes et accidents simulés.",
}  # fmt: skip
CAVEATS: dict[str, Text] = {
    "night": {
        "en": "At 3 am three to four times fewer crashes are reported than by day, because few people drive; for each "
        "trip it is two to three times as many. Fewer reports at night do not speak for driving at night.",
        "es": "A las 3 de la madrugada se notifican de tres a cuatro veces menos accidentes que de día, porque circula "
        "poca gente; por viaje son de dos a tres veces más. Menos partes de noche no aconsejan conducir de noche.",
        "fr": "À 3 h du matin, trois à quatre fois moins d'accidents sont signalés que le jour, car peu de gens "
        "roulent ; par trajet, c'est deux à trois fois plus. Moins de signalements n'est pas un conseil de rouler la "
        "nuit.",
    },
    "exposure": {
        "en": "Counts are of all traffic on these roads in the hour of passing, not of you: busy roads have more "
        "reports.",
        "es": "Se cuenta todo el tráfico de esas vías en la hora de paso, no a usted: donde circula más gente hay más "
        "partes.",
        "fr": "On compte tout le trafic de ces routes dans l'heure du passage, pas vous : où l'on roule plus, on "
        "signale plus.",
    },
    "static": {
        "en": "How a zone's crashes fall on its streets is an average over the years, the same at every hour.",
        "es": "El reparto de los accidentes de una zona entre sus calles es una media de años, igual a toda hora.",
        "fr": "La part de chaque rue dans les accidents d'une zone est une moyenne sur des années, la même à toute "
        "heure.",
    },
    "schematic": {
        "en": "The roads here are simulated and the zones a schematic: a route shows how it works, not a real street.",
        "es": "Aquí las vías son simuladas y las zonas un esquema: la ruta muestra cómo funciona, no una calle real.",
        "fr": "Ici les routes sont simulées et les zones un schéma : le trajet montre le principe, pas une vraie rue.",
    },
    "gaps": {
        "en": "Some zones on the way have no forecast for that hour; they are not in the sum.",
        "es": "Algunas zonas del camino no tienen pronóstico a esa hora; no entran en la suma.",
        "fr": "Certaines zones du trajet n'ont pas de prévision à cette heure ; elles ne sont pas comptées.",
    },
}
_TRIP: Text = {
    "en": "{when}, {ends}: {minutes} min, {km} km. On these roads an injury crash is reported in about {chance}, "
    "{lift} the average of the city's roads for each kilometre.",
    "es": "{when}, {ends}: {minutes} min, {km} km. En estas vías se notifica un accidente con heridos en alrededor de "
    "{chance}, {lift} la media de las vías de la ciudad por kilómetro.",
    "fr": "{when}, {ends} : {minutes} min, {km} km. Sur ces routes, un accident corporel est signalé dans environ "
    "{chance}, {lift} la moyenne des routes de la ville au kilomètre.",
}
_TIMES: Text = {"en": "{x} times", "es": "{x} veces", "fr": "{x} fois"}
_ABOUT: Text = {"en": "about", "es": "más o menos", "fr": "à peu près"}
_FEWER_ROAD: Text = {
    "en": "{way} sees fewer reported crashes: {share} % fewer than the quickest, in {more} min more.",
    "es": "{way}: menos accidentes notificados, un {share} % menos que el más rápido, en {more} min más.",
    "fr": "{way} : moins d'accidents signalés, {share} % de moins que le plus rapide, en {more} min de plus.",
}
_NO_ROAD: Text = {
    "en": "No other way sees clearly fewer reported crashes.",
    "es": "Ningún otro camino tiene claramente menos accidentes notificados.",
    "fr": "Aucun autre chemin n'a nettement moins d'accidents signalés.",
}
_FEWER_HOUR: Text = {
    "en": "By day or evening, leaving at {at} sees fewer reported crashes: {share} % fewer than at the hour chosen.",
    "es": "De día o al anochecer, saliendo a las {at} hay menos accidentes notificados: un {share} % menos.",
    "fr": "De jour ou en soirée, un départ à {at} voit moins d'accidents signalés : {share} % de moins.",
}
_NO_HOUR: Text = {
    "en": "No other hour by day or evening sees clearly fewer reported crashes.",
    "es": "Ninguna otra hora de día o al anochecer tiene claramente menos accidentes notificados.",
    "fr": "Aucune autre heure de jour ou de soirée n'a nettement moins d'accidents signalés.",
}
_AHEAD: Text = {
    "en": "In {metres} m, {name}: {events} injury crashes reported in {years} years.",
    "es": "A {metres} m, {name}: {events} accidentes con heridos notificados en {years} años.",
    "fr": "Dans {metres} m, {name} : {events} accidents corporels signalés en {years} ans.",
}
_NONE_AHEAD: Text = {
    "en": "Within {metres} m nothing stands out: reported crashes as on most roads.",
    "es": "En {metres} m nada destaca: accidentes notificados como en la mayoría de las vías.",
    "fr": "Dans {metres} m rien ne ressort : accidents signalés comme sur la plupart des routes.",
}
_SOME_AHEAD: Text = {
    "en": "Within {metres} m: {n} with many reported crashes{held}.",
    "es": "En {metres} m: {n} con muchos accidentes notificados{held}.",
    "fr": "Dans {metres} m : {n} avec beaucoup d'accidents signalés{held}.",
}
_PLACES: Mapping[Lang, tuple[str, str]] = {
    "en": ("1 stretch", "{n} stretches"), "es": ("1 tramo", "{n} tramos"), "fr": ("1 tronçon", "{n} tronçons"),
}  # fmt: skip
_HELD: Text = {
    "en": "; {n} more not shown, so that you can watch the road",
    "es": "; {n} más sin mostrar, para que mire a la vía",
    "fr": " ; {n} de plus non montrés, pour garder les yeux sur la route",
}
_HERE: Text = {"en": "from start to destination", "es": "del inicio al destino", "fr": "du départ à la destination"}


def of_langs(tell: Callable[[Lang], str], *, is_simulated: bool = False) -> dict[Lang, str]:
    """Return a text by language; simulated ones say so."""
    return {lang: f"{tell(lang)} {SIMULATED[lang]}" if is_simulated else tell(lang) for lang in LANGS}


def label(n: int) -> dict[Lang, str]:
    """Name of the n-th route."""
    return {lang: QUICKEST[lang] if n == 0 else OTHER[lang].format(n=n) for lang in LANGS}


def trip(
    facts: Mapping[str, Any], at: datetime, now: datetime, *, ends: tuple[str | None, str | None], is_simulated: bool
) -> dict[Lang, str]:
    """Sentence of the quickest route: ``expected``, ``duration_s``, ``length_m``, ``lift``."""

    def tell(lang: Lang) -> str:
        named = " \N{RIGHTWARDS ARROW} ".join(name for name in ends if name) if all(ends) else _HERE[lang]
        return _TRIP[lang].format(
            when=when(at, now, "1h", lang),
            ends=named,
            minutes=max(1, round(facts["duration_s"] / 60)),
            km=number(facts["length_m"] / 1000, lang),
            chance=chance(facts["expected"], "1h", lang),
            lift=_lift(facts["lift"], lang),
        )

    return of_langs(tell, is_simulated=is_simulated)


def fewer_by_road(routes: list[dict[str, Any]]) -> dict[Lang, str]:
    """Whether another road sees fewer reported crashes than the quickest."""
    first = routes[0]
    best = min(routes, key=lambda route: route["expected"])
    gain = 1 - best["expected"] / first["expected"] if first["expected"] > 0 else 0.0
    if best is first or gain < ALIKE:
        return dict(_NO_ROAD)
    more = max(0, round((best["duration_s"] - first["duration_s"]) / 60))
    return {
        lang: _FEWER_ROAD[lang].format(way=best["label"][lang], share=round(gain * 100), more=more) for lang in LANGS
    }


def fewer_by_hour(departures: list[dict[str, Any]]) -> dict[Lang, str]:
    """Whether another departure by day sees fewer reported crashes on the quickest route; nights are not advised."""
    by_day = [one for one in departures if not one["is_night"]]
    first = departures[0]["routes"][0]["expected"]
    best = min(by_day, key=lambda one: one["routes"][0]["expected"], default=departures[0])
    gain = 1 - best["routes"][0]["expected"] / first if first > 0 else 0.0
    if gain < ALIKE:
        return dict(_NO_HOUR)
    at = datetime.fromisoformat(best["at_local"])
    return {lang: _FEWER_HOUR[lang].format(at=f"{at:%H:%M}", share=round(gain * 100)) for lang in LANGS}


def ahead(name: str, *, metres: float, events: int, years: float, is_simulated: bool) -> dict[Lang, str]:
    """Sentence of one stretch ahead."""
    away = int(round(metres, -1))
    return of_langs(
        lambda lang: _AHEAD[lang].format(metres=away, name=name, events=events, years=number(years, lang)),
        is_simulated=is_simulated,
    )


def all_ahead(shown: int, held: int, radius_m: float, *, is_simulated: bool) -> dict[Lang, str]:
    """Sentence of all that lies ahead."""

    def tell(lang: Lang) -> str:
        if not shown:
            return _NONE_AHEAD[lang].format(metres=round(radius_m))
        one, many = _PLACES[lang]
        stretches = one if shown == 1 else many.format(n=shown)
        tail = _HELD[lang].format(n=held) if held else ""
        return _SOME_AHEAD[lang].format(metres=round(radius_m), n=stretches, held=tail)

    return of_langs(tell, is_simulated=is_simulated)


def _lift(lift: float, lang: Lang) -> str:
    return _ABOUT[lang] if 0.95 <= lift <= 1.05 else _TIMES[lang].format(x=number(lift, lang))
