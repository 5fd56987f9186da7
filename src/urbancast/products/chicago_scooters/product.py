"""The promise: how many scooter trips a community area of Chicago will start, and what its warehouse must hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product, Stock

TZ = "America/Chicago"
DAYS = 3  # of the stock plan
TURNS = 2.5  # trips a scooter makes on a day; a habit of the trade, not a measurement: the asker may say otherwise

TRIPS_LICENCE = Licence(
    source="trips",
    name="City of Chicago Data Terms of Use",
    url="https://www.chicago.gov/city/en/narr/foia/data_disclaimer.html",
    attribution="City of Chicago, E-Scooter Trips (Chicago Data Portal 2i5w-ykuw, 3rse-fbp6, 2kfw-zvte)",
)
PLACES_LICENCE = Licence(
    source="places",
    name="City of Chicago Data Terms of Use",
    url="https://www.chicago.gov/city/en/narr/foia/data_disclaimer.html",
    attribution="City of Chicago, community areas (Chicago Data Portal cauq-8yn6)",
)
WEATHER_LICENCE = Licence(
    source="weather",
    name="CC BY 4.0",
    url="https://open-meteo.com/en/license",
    attribution="Weather data by Open-Meteo.com (NOAA and others)",
)

MEASURES = (
    Measure(
        id="starts",
        label={"en": "scooter trips started", "es": "viajes en patinete iniciados", "fr": "trajets en trottinette"},
        unit={"en": "trips/day", "es": "viajes/día", "fr": "trajets/jour"},
    ),
    Measure(
        id="net_outflow",
        label={"en": "net outflow of scooters", "es": "salida neta de patinetes", "fr": "départs nets de trottinettes"},
        unit={"en": "scooters/day", "es": "patinetes/día", "fr": "trottinettes/jour"},
        signed=True,
    ),
    Measure(
        id="need",
        label={
            "en": "need over three days (peak day + net outflow)",
            "es": "necesidad en tres días (día punta + salida neta)",
            "fr": "besoin sur trois jours (jour de pointe + départs nets)",
        },
        unit={"en": "trips", "es": "viajes", "fr": "trajets"},
        derived_from="starts",
    ),
    Measure(
        id="peak_starts",
        label={
            "en": "trips on the busiest of three days",
            "es": "viajes en el día punta de tres",
            "fr": "trajets le jour de pointe sur trois",
        },
        unit={"en": "trips/day", "es": "viajes/día", "fr": "trajets/jour"},
        derived_from="starts",
    ),
    Measure(
        id="outflow_3d",
        label={
            "en": "net outflow over three days",
            "es": "salida neta en tres días",
            "fr": "départs nets sur trois jours",
        },
        unit={"en": "scooters", "es": "patinetes", "fr": "trottinettes"},
        signed=True,
        derived_from="net_outflow",
    ),
)

PRODUCT = Product(
    id="chicago_scooters",
    rank=4,
    city="Chicago",
    country="US",
    subdivision="IL",
    tz=TZ,
    verb={"en": "Stock", "es": "Reponer", "fr": "Stocker"},
    question={
        "en": "How many scooters must each neighbourhood warehouse hold over the next three days?",
        "es": "¿Cuántos patinetes debe tener cada almacén de barrio en los próximos tres días?",
        "fr": "Combien de trottinettes chaque dépôt de quartier doit-il tenir prêtes ces trois prochains jours ?",
    },
    place_kind=PlaceKind.ZONE,
    place_word={"en": "community area", "es": "zona comunitaria", "fr": "secteur communautaire"},
    grain="1d",
    horizon=timedelta(days=7),
    lenses=("zone", "stock"),
    measures=MEASURES,
    licences=(TRIPS_LICENCE, PLACES_LICENCE, WEATHER_LICENCE),
    folder=Path(__file__).parent,
    centre=(-87.680, 41.860),
    historical=True,  # the pilots have ended; the simulated city runs on as if alive
    stock=Stock(
        starts="starts",
        net_outflow="net_outflow",
        need="need",
        peak="peak_starts",
        outflow="outflow_3d",
        days=DAYS,
        turns=TURNS,
    ),
)
