"""The promise of Riverton."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from urbancast.core.place import PlaceKind
from urbancast.core.product import Licence, Measure, Product

LICENCE = Licence(source="counts", name="CC0 1.0", url="https://example.org/cc0", attribution="Town of Riverton")

PRODUCT = Product(
    id="riverton",
    city="Riverton",
    country="BE",
    subdivision=None,
    tz="Europe/Brussels",
    verb={"en": "Cycle", "es": "Ciclar", "fr": "Pédaler"},
    question={"en": "How many will pass?", "es": "¿Cuántos pasarán?", "fr": "Combien passeront ?"},
    place_kind=PlaceKind.SITE,
    place_word={"en": "counter", "es": "contador", "fr": "compteur"},
    grain="1h",
    horizon=timedelta(hours=48),
    lenses=("zone",),
    measures=(
        Measure(
            id="bikes",
            label={"en": "bicycles", "es": "bicicletas", "fr": "vélos"},
            unit={"en": "bicycles/h", "es": "bicicletas/h", "fr": "vélos/h"},
        ),
    ),
    licences=(LICENCE,),
    folder=Path(__file__).parent,
    centre=(5.005, 50.003),
)
