"""Jersey City, real bike-share trips, by the example product: trips started by station and day, June, 1–3 days ahead.

    python benchmarks/accuracy/jersey_city_bikes.py

Runs `urbancast run jersey_city_bikes` on the extract in a temporary lake: trained until June, forecast daily. No
weather: none as it was forecast is at hand.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import _official as official
from _find import EXAMPLES, shared

PRODUCT, MEASURE = "jersey_city_bikes", "starts"
AS_OF, UNTIL = "2016-06-01T04:00Z", "2016-07-01T04:00Z"
RULES = {
    "seasonal_naive": "week before",
    "mean8w": "8-week weekday mean",
    "climatology": "4-week weekday mean",
    "climatology_scaled": "4-week weekday mean, scaled by the last day",
}


def main() -> None:
    """Run the product, print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    trips = shared("trips/citibike_jersey_city_2016-01_06.parquet")
    os.environ["URBANCAST_PRODUCTS"] = str(EXAMPLES)
    words = [PRODUCT, "--source", f"trips={trips}", "--source", f"stations={trips}", "--as-of", AS_OF]
    with tempfile.TemporaryDirectory() as name:
        told = official.run([*words, "--until", UNTIL], Path(name))
    official.show(told)
    found = official.row(
        official.score(told, MEASURE, official.ALL),
        question="How many trips will start at this station, 1 to 3 days ahead?",
        measured_on="Jersey City bike share by station and day, trained until 2016-06-01, forecast daily through June",
        unit="trips/day",
        rules=RULES,
    )
    official.keep(__file__, [found])


if __name__ == "__main__":
    main()
