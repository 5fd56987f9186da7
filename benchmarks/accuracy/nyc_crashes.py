"""New York, real injury crashes, by the product itself: Poisson deviance beside the shrunk baseline, three months.

    python benchmarks/accuracy/nyc_crashes.py

Runs `urbancast run nyc_crashes` on the extract in a temporary lake: trained once, forecast daily. Reports of a local
day are taken to be published three days after the next, at six. No weather: the extract has none as it was forecast.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import _official as official
from _find import shared

PRODUCT = "nyc_crashes"
AS_OF, UNTIL = "2022-10-01T04:00Z", "2022-12-31T05:00Z"
RULES = {"climatology": "zone's own hour-of-week rate, shrunk"}
QUESTIONS = {
    "crashes": "Where and when are injury crashes reported, and how many should be expected?",
    "casualties": "The same, and how many people are hurt or killed?",
}
MEASURED = "New York taxi zones, trained until 2022-10-01, forecast daily, scored to 2022-12-30 at all leads to 7 days"


def main() -> None:
    """Run the product, print and keep the rows."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    crashes, places = shared("nyc/injury_crashes_2020_2022.parquet"), shared("nyc/taxi_zones.geojson")
    sources = ["--source", f"crashes={crashes}", "--source", f"places={places}"]
    with tempfile.TemporaryDirectory() as name:
        told = official.run([PRODUCT, *sources, "--as-of", AS_OF, "--until", UNTIL], Path(name))
    official.show(told)
    official.keep(__file__, [deviance(told, measure) for measure in QUESTIONS])


def deviance(told: official.Told, measure: str) -> official.Row:
    """What is served beside the baseline at all leads, with the reach of its reliability."""
    own = told["reliability"][f"{measure} {official.served(told, measure)}"]
    ratios = [part["ratio"] for part in own]
    reliable = f"observed / forecast {min(ratios):.2f} to {max(ratios):.2f} by tenth of the forecast"
    return official.row(
        official.score(told, measure, official.ALL),
        question=QUESTIONS[measure],
        measured_on=f"{MEASURED}; {reliable}",
        unit="",
        rules=RULES,
    )


if __name__ == "__main__":
    main()
