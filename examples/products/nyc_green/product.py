"""The promise: how long a green taxi of New York takes from zone to zone, by the hour of departure, a day ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Pairs, Product

TZ = "America/New_York"

TRIPS_LICENCE = Licence(
    source="trips",
    name="NYC Open Data Terms of Use",
    url="https://opendata.cityofnewyork.us/overview/#termsofuse",
    attribution="NYC Taxi and Limousine Commission, green taxi trip records",
)

PRODUCT = Product(
    id="nyc_green",
    rank=63,
    city="New York",
    country="US",
    subdivision="NY",
    tz=TZ,
    verb={"en": "Take a taxi", "es": "Tomar un taxi", "fr": "Prendre un taxi"},
    question={
        "en": "How long will a green taxi take from here to there, leaving at this hour?",
        "es": "¿Cuánto tardará un taxi verde de aquí a allí, saliendo a esta hora?",
        "fr": "Combien de temps un taxi vert met-il d'ici à là, en partant à cette heure ?",
    },
    place_kind=PlaceKind.PAIR,
    place_word={"en": "taxi zone", "es": "zona de taxi", "fr": "zone de taxi"},
    grain="1h",
    horizon=timedelta(hours=24),
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
    licences=(TRIPS_LICENCE,),
    folder=Path(__file__).parent,
    centre=(-73.94, 40.74),
    # Newark, Kennedy, LaGuardia. One trip in a year tells more of a pair than its band does.
    pairs=Pairs(
        bands_km=(0.7, 1.1, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0),
        hubs=("1", "132", "138"),
        least_draws=1,
    ),
)
