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
        "en": "Where and when are injury crashes reported, and how many should be expected?",
        "es": "¿Dónde y cuándo se notifican accidentes con heridos, y cuántos cabe esperar?",
        "fr": "Où et quand des accidents corporels sont-ils signalés, et combien faut-il en attendre ?",
    },
    place_kind=PlaceKind.ZONE,
    place_word={"en": "taxi zone", "es": "zona de taxi", "fr": "zone de taxi"},
    grain="1h",
    horizon=timedelta(hours=168),
    lenses=("zone",),
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
    licences=(CRASHES_LICENCE, PLACES_LICENCE, WEATHER_LICENCE),
    folder=Path(__file__).parent,
    centre=(-73.94, 40.72),
    event_places=True,
)
