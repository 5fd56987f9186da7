"""The promise: how many bicycles will pass a counter of Paris, hour by hour, three days ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product

TZ = "Europe/Paris"

COUNTS_LICENCE = Licence(
    source="counts",
    name="ODbL 1.0",
    url="https://opendatacommons.org/licenses/odbl/1-0/",
    attribution="Ville de Paris, Direction de la Voirie et des Déplacements",
)
WEATHER_LICENCE = Licence(
    source="weather",
    name="CC BY 4.0",
    url="https://open-meteo.com/en/license",
    attribution="Weather data by Open-Meteo.com (Météo-France and others)",
)

PRODUCT = Product(
    id="paris_bikes",
    rank=2,
    city="Paris",
    country="FR",
    subdivision=None,
    tz=TZ,
    verb={"en": "Ride", "es": "Pedalear", "fr": "Rouler"},
    question={
        "en": "How many cyclists will pass this counter, hour by hour?",
        "es": "¿Cuántos ciclistas pasarán por este contador, hora a hora?",
        "fr": "Combien de cyclistes passeront devant ce compteur, heure par heure ?",
    },
    place_kind=PlaceKind.SITE,
    place_word={"en": "counter", "es": "contador", "fr": "compteur"},
    grain="1h",
    horizon=timedelta(hours=72),
    lenses=("zone",),
    measures=(
        Measure(
            id="bikes",
            label={"en": "bicycles", "es": "bicicletas", "fr": "vélos"},
            unit={"en": "bicycles/h", "es": "bicicletas/h", "fr": "vélos/h"},
            kind="count",
        ),
    ),
    licences=(COUNTS_LICENCE, WEATHER_LICENCE),
    folder=Path(__file__).parent,
    centre=(2.3455, 48.8566),
)
