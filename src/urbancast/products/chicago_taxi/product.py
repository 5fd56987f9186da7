"""The promise: how many minutes a taxi takes from one community area of Chicago to another, a week ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Pairs, Product

TZ = "America/Chicago"

TRIPS_LICENCE = Licence(
    source="trips",
    name="City of Chicago Data Terms of Use",
    url="https://www.chicago.gov/city/en/narr/foia/data_disclaimer.html",
    attribution="City of Chicago, Business Affairs and Consumer Protection, Taxi Trips (Chicago Data Portal wrvz-psew)",
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

PRODUCT = Product(
    id="chicago_taxi",
    rank=5,
    city="Chicago",
    country="US",
    subdivision="IL",
    tz=TZ,
    verb={"en": "Taxi", "es": "Taxi", "fr": "Taxi"},
    question={
        "en": "How long will a taxi take from here to there, leaving at this time?",
        "es": "¿Cuánto tardará un taxi de aquí a allí, saliendo a esta hora?",
        "fr": "Combien de temps un taxi met-il d'ici à là, en partant à cette heure ?",
    },
    place_kind=PlaceKind.PAIR,
    place_word={"en": "community area", "es": "zona comunitaria", "fr": "secteur communautaire"},
    grain="1h",
    horizon=timedelta(hours=168),
    lenses=("pair",),
    measures=(
        Measure(
            id="minutes",
            label={"en": "taxi minutes", "es": "minutos en taxi", "fr": "minutes de taxi"},
            unit={"en": "minutes", "es": "minutos", "fr": "minutes"},
            kind="duration",
            draws=True,
        ),
    ),
    licences=(TRIPS_LICENCE, PLACES_LICENCE, WEATHER_LICENCE),
    folder=Path(__file__).parent,
    centre=(-87.660, 41.880),
    # O'Hare and Midway (in Garfield Ridge): trips there are of another kind than trips as long within the city.
    pairs=Pairs(bands_km=(1.5, 3.0, 5.0, 8.0, 12.0, 18.0, 25.0), hubs=("76", "56"), least_draws=30),
)
