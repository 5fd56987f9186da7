"""The promise: how many injury crashes a taxi zone of New York will report, hour by hour, a week ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product

TZ = "America/New_York"

CRASHES_LICENCE = Licence(
    source="crashes",
    name="NYC Open Data Terms of Use",
    url="https://opendata.cityofnewyork.us/overview/#termsofuse",
    attribution="NYC Police Department, Motor Vehicle Collisions (NYC Open Data h9gi-nx95)",
)
PLACES_LICENCE = Licence(
    source="places",
    name="NYC Open Data Terms of Use",
    url="https://opendata.cityofnewyork.us/overview/#termsofuse",
    attribution="NYC Taxi and Limousine Commission, taxi zones",
)
ROADS_LICENCE = Licence(
    source="roads",
    name="ODbL 1.0",
    url="https://www.openstreetmap.org/copyright",
    attribution="© OpenStreetMap contributors",
)
TABLES_LICENCE = Licence(
    source="nodes",
    name="Terms of the files given",
    url="https://github.com/wallarelvo/nyc-taxi-analysis",
    attribution="Road graph and travel times in the tables of nyc-taxi-analysis",
)
VOLUMES_LICENCE = Licence(
    source="volumes",
    name="NYC Open Data Terms of Use",
    url="https://opendata.cityofnewyork.us/overview/#termsofuse",
    attribution="NYC Taxi and Limousine Commission, trip records",
)
WEATHER_LICENCE = Licence(
    source="weather",
    name="CC BY 4.0",
    url="https://open-meteo.com/en/license",
    attribution="Weather data by Open-Meteo.com (NOAA and others)",
)

PRODUCT = Product(
    id="nyc_crashes",
    rank=3,
    city="New York",
    country="US",
    subdivision="NY",
    tz=TZ,
    verb={"en": "Drive", "es": "Conducir", "fr": "Conduire"},
    question={
        "en": "I drive from A to B, leaving at T. Where are injury crashes reported, and would another road or hour "
        "see fewer?",
        "es": "Conduzco de A a B y salgo a la hora T. ¿Dónde se notifican accidentes con heridos, y habría menos por "
        "otra vía o a otra hora?",
        "fr": "Je roule de A à B, départ à T. Où des accidents corporels sont-ils signalés, et y en aurait-il moins "
        "par une autre route ou à une autre heure ?",
    },
    place_kind=PlaceKind.ZONE,
    place_word={"en": "taxi zone", "es": "zona de taxi", "fr": "zone de taxi"},
    grain="1h",
    horizon=timedelta(hours=168),
    lenses=("route", "zone"),
    measures=(
        Measure(
            id="crashes",
            label={"en": "injury crashes", "es": "accidentes con heridos", "fr": "accidents corporels"},
            unit={"en": "injury crashes/h", "es": "accidentes con heridos/h", "fr": "accidents corporels/h"},
            sparse=True,
        ),
        Measure(
            id="casualties",
            label={"en": "casualties", "es": "víctimas", "fr": "victimes"},
            unit={"en": "casualties/h", "es": "víctimas/h", "fr": "victimes/h"},
            sparse=True,
            clustered=True,
        ),
    ),
    licences=(CRASHES_LICENCE, PLACES_LICENCE, WEATHER_LICENCE, ROADS_LICENCE, TABLES_LICENCE, VOLUMES_LICENCE),
    folder=Path(__file__).parent,
    centre=(-73.94, 40.72),
    event_places=True,
)
