"""The promise: how full a car park of Birmingham will be, by the half hour, a week ahead."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import polars as pl

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product

TZ = "Europe/London"
OPENS, CLOSES = time(8), time(16, 30)  # first and last half hour with readings, local clock

READINGS_LICENCE = Licence(
    source="readings",
    name="CC BY 4.0",
    url="https://creativecommons.org/licenses/by/4.0/",
    attribution="Birmingham City Council through UCI Machine Learning Repository 482, Parking Birmingham",
)


def is_open(times: pl.Series) -> pl.Series:
    """Whether car parks are read in the half hours that start at UTC ``times``: 08:00 to 16:30 by the local clock."""
    return times.dt.convert_time_zone(TZ).dt.time().is_between(OPENS, CLOSES)


PRODUCT = Product(
    id="birmingham_parking",
    rank=61,
    city="Birmingham",
    country="GB",
    subdivision="ENG",
    tz=TZ,
    verb={"en": "Park", "es": "Aparcar", "fr": "Se garer"},
    question={
        "en": "How full will this car park be, by the half hour?",
        "es": "¿Cuán lleno estará este aparcamiento, cada media hora?",
        "fr": "À quel point ce parking sera-t-il plein, par demi-heure ?",
    },
    place_kind=PlaceKind.SITE,
    place_word={"en": "car park", "es": "aparcamiento", "fr": "parking"},
    grain="30m",
    horizon=timedelta(hours=168),
    lenses=("zone",),
    measures=(
        Measure(
            id="share",
            label={"en": "share of spaces taken", "es": "parte de plazas ocupadas", "fr": "part des places occupées"},
            unit={"en": "of all spaces", "es": "de todas las plazas", "fr": "de toutes les places"},
            kind="amount",
        ),
    ),
    licences=(READINGS_LICENCE,),
    folder=Path(__file__).parent,
    centre=(-1.898, 52.479),
    is_open=is_open,
    closed={
        "en": "Car parks are read from 08:00 to 17:00; outside these hours nothing is promised.",
        "es": "Los aparcamientos se leen de 08:00 a 17:00; fuera de esas horas no se promete nada.",
        "fr": "Les parkings sont relevés de 08:00 à 17:00 ; en dehors, rien n’est promis.",
    },
)
