"""The promise: how many trips will start at a bike-share station, day by day, three days ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product

TZ = "America/New_York"

TRIPS_LICENCE = Licence(
    source="trips",
    name="NYCBS Data Use Policy",
    url="https://citibikenyc.com/data-sharing-policy",
    attribution="Citi Bike system data, Jersey City Bike Share",
)

PRODUCT = Product(
    id="jersey_city_bikes",
    rank=60,
    city="Jersey City",
    country="US",
    subdivision="NJ",
    tz=TZ,
    verb={"en": "Rent a bike", "es": "Alquilar una bici", "fr": "Louer un vélo"},
    question={
        "en": "How many trips will start at this bike-share station, day by day?",
        "es": "¿Cuántos viajes saldrán de esta estación de bicicletas, día a día?",
        "fr": "Combien de trajets partiront de cette station de vélos, jour par jour ?",
    },
    place_kind=PlaceKind.SITE,
    place_word={"en": "station", "es": "estación", "fr": "station"},
    grain="1d",
    horizon=timedelta(days=3),
    lenses=("zone",),
    measures=(
        Measure(
            id="starts",
            label={"en": "trips started", "es": "viajes iniciados", "fr": "trajets commencés"},
            unit={"en": "trips/day", "es": "viajes/día", "fr": "trajets/jour"},
            kind="count",
        ),
    ),
    licences=(TRIPS_LICENCE,),
    folder=Path(__file__).parent,
    centre=(-74.056, 40.723),
)
