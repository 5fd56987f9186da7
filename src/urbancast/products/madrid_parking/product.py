"""The promise: how many paid spaces a neighbourhood of Madrid will have in use, hour by hour, two weeks ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Occupancy, OccupancyPart, Product, Text
from urbancast.products.madrid_parking.regulated import COUNTRY, HOLIDAYS, SUBDIVISION, TZ, is_open

TERMS = "Datos abiertos del Ayuntamiento de Madrid, reuse with attribution"
TERMS_URL = "https://datos.madrid.es/egob/catalogo/aviso-legal"
TICKETS_LICENCE = Licence(
    source="tickets",
    name=TERMS,
    url=TERMS_URL,
    attribution="Ayuntamiento de Madrid, tickets del Servicio de Estacionamiento Regulado",
)
SPACES_LICENCE = Licence(
    source="spaces",
    name=TERMS,
    url=TERMS_URL,
    attribution="Ayuntamiento de Madrid, calles y plazas del Servicio de Estacionamiento Regulado",
)
PLACES_LICENCE = Licence(
    source="places",
    name=TERMS,
    url=TERMS_URL,
    attribution="Ayuntamiento de Madrid, Geoportal, barrios y límite de la zona SER",
)
WEATHER_LICENCE = Licence(
    source="weather",
    name="CC BY 4.0",
    url="https://open-meteo.com/en/license",
    attribution="Weather data by Open-Meteo.com (AEMET and others)",
)

_SPACES: Text = {"en": "paid spaces", "es": "plazas pagadas", "fr": "places payées"}
# Share of spaces taken by cars that buy no ticket, by local hour: assumptions, not measurements; see the card.
_RESIDENTS = (
    *(0.88, 0.90, 0.90, 0.90, 0.90, 0.89, 0.86, 0.80, 0.72, 0.66, 0.62, 0.60),
    *(0.60, 0.61, 0.63, 0.62, 0.60, 0.58, 0.60, 0.65, 0.72, 0.79, 0.84, 0.87),
)
_OTHERS = (
    *(0.60, 0.65, 0.65, 0.65, 0.60, 0.55, 0.45, 0.30, 0.20, 0.10, 0.08, 0.08),
    *(0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.10, 0.12, 0.30, 0.45, 0.55),
)

PRODUCT = Product(
    id="madrid_parking",
    rank=1,
    city="Madrid",
    country=COUNTRY,
    subdivision=SUBDIVISION,
    tz=TZ,
    verb={"en": "Park", "es": "Aparcar", "fr": "Se garer"},
    question={
        "en": "I want to park near this address at this time. Will I find a space?",
        "es": "Quiero aparcar cerca de esta dirección a esta hora. ¿Encontraré plaza?",
        "fr": "Je veux me garer près de cette adresse à cette heure. Trouverai-je une place ?",
    },
    place_kind=PlaceKind.ZONE,
    place_word={"en": "neighbourhood", "es": "barrio", "fr": "quartier"},
    grain="1h",
    horizon=timedelta(days=14),
    lenses=("zone",),
    measures=(
        Measure(
            id="paid",
            label=_SPACES,
            unit={"en": "paid spaces", "es": "plazas pagadas", "fr": "places payées"},
            kind="amount",
        ),
        Measure(
            id="green",
            label={"en": "paid green spaces", "es": "plazas verdes pagadas", "fr": "places vertes payées"},
            unit={"en": "paid spaces", "es": "plazas pagadas", "fr": "places payées"},
            kind="amount",
        ),
        Measure(
            id="blue",
            label={"en": "paid blue spaces", "es": "plazas azules pagadas", "fr": "places bleues payées"},
            unit={"en": "paid spaces", "es": "plazas pagadas", "fr": "places payées"},
            kind="amount",
        ),
    ),
    licences=(TICKETS_LICENCE, SPACES_LICENCE, PLACES_LICENCE, WEATHER_LICENCE),
    folder=Path(__file__).parent,
    centre=(-3.70, 40.43),
    holidays=HOLIDAYS,
    is_open=is_open,
    closed={
        "en": "Not regulated; parking is free, and nothing is promised.",
        "es": "No regulado; el aparcamiento es gratuito y no se promete nada.",
        "fr": "Non réglementé ; le stationnement est gratuit et rien n’est promis.",
    },
    occupancy=Occupancy(
        total="paid",
        parts=(
            OccupancyPart(
                measure="green",
                label={"en": "green, residents first", "es": "verde, residentes", "fr": "vert, résidents"},
                prior=_RESIDENTS,
            ),
            OccupancyPart(
                measure="blue",
                label={"en": "blue, visitors", "es": "azul, rotación", "fr": "bleu, visiteurs"},
                prior=_OTHERS,
            ),
        ),
        source={
            "en": "An assumption, not a measurement: residents with a permit buy no ticket. Move the slider.",
            "es": "Un supuesto, no una medición: los residentes con permiso no compran tique. Mueva el control.",
            "fr": "Une hypothèse, non une mesure : les résidents n’achètent pas de ticket. Déplacez le curseur.",
        },
    ),
)
