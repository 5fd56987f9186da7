from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shapely.geometry import Point

from urbancast import models, products
from urbancast.core.place import PlaceKind
from urbancast.core.product import LANGS, Text
from urbancast.features import frame
from urbancast.geo import landmarks, outline, places, water

if TYPE_CHECKING:
    from conftest import City

HEADINGS = ("Value", "Sources and licences", "Publication", "What is refused", "Known faults", "Fair use", "Sample")
OWN = Path(products.__file__).parent
NEAR_DEGREES = 0.01  # about a kilometre


def test_every_text_is_there_in_every_language(city: City) -> None:
    product = city.product
    texts: list[Text] = [product.verb, product.question, product.place_word]
    for measure in product.measures:
        texts += [measure.label, measure.unit]
    for text in texts:
        assert set(text) == set(LANGS)
        assert all(words.strip() for words in text.values())
    assert len(set(product.question.values())) == len(LANGS)


def test_the_card_tells_every_licence_and_every_fault(city: City) -> None:
    card = (city.product.folder / "card.md").read_text(encoding="utf-8")
    for heading in HEADINGS:
        assert f"## {heading}" in card
    for licence in (*city.product.licences, *(source.licence for source in city.recipe.sources)):
        assert licence.name in card
        assert licence.url in card
        assert licence.attribution in card
    for source in city.recipe.sources:
        assert f"`{source.name}`" in card


def test_the_recipe_keeps_what_the_promise_says(city: City) -> None:
    recipe, product = city.recipe, city.product
    names = [candidate.name for candidate in (*recipe.rules, *recipe.candidates)]
    assert len(set(names)) == len(names)
    assert recipe.baseline in {rule.name for rule in recipe.rules}
    assert len({source.name for source in recipe.sources}) == len(recipe.sources)
    assert all(source.publication and source.time for source in recipe.sources if source.role == "observations")
    leads = [source.query["lead_days"] for source in recipe.sources if source.dataset == "previous_runs"]
    # The portal keeps the runs of seven days.
    assert all(max(days) * 24 >= min(product.horizon.total_seconds() / 3600, 7 * 24) for days in leads)


def test_places_are_complete_and_lie_in_the_city(city: City) -> None:
    facts = places.read(city.product.folder / "places.csv")
    served = outline.read(city.product.folder)
    assert not served.is_empty
    assert facts["name"].str.len_chars().min() > 0
    assert facts["part_of"].null_count() == 0
    off = [
        row["place"]
        for row in facts.iter_rows(named=True)
        if served.distance(Point(row["lon"], row["lat"])) > NEAR_DEGREES
    ]
    if city.product.place_kind is PlaceKind.SITE:
        assert not off
    else:
        assert len(off) <= 0.02 * facts.height  # islands that the coarse outline leaves out
        assert facts["area_km2"].null_count() == 0
        assert facts["area_km2"].min() > 0
    lon, lat = city.product.centre
    assert served.distance(Point(lon, lat)) < NEAR_DEGREES


def test_water_and_landmarks_are_drawn_near_the_city(city: City) -> None:
    served = outline.read(city.product.folder).buffer(5 * NEAR_DEGREES)
    points = landmarks.read(city.product.folder)
    if OWN in city.product.folder.parents:  # a product from outside may have none of them
        assert water.read(city.product.folder).height > 0
        assert 6 <= points.height <= 10
    assert all(served.contains(Point(lon, lat)) for lat, lon in points.select("lat", "lon").iter_rows())


def test_a_process_that_answers_loads_promises_only() -> None:
    code = (
        "import sys\nfrom urbancast import products\nassert products.discover() and not products.failures()\n"
        "heavy = {'lightgbm', 'httpx', 'mlflow', 'dagster', 'sklearn', 'holidays'} & set(sys.modules)\n"
        "made = [name for name in sys.modules if name.endswith(('.recipe', '.sample', '.observe'))]\n"
        "assert not heavy and not made, (heavy, made)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_horizon_and_grain_are_finite(city: City) -> None:
    assert math.isfinite(city.product.horizon.total_seconds())
    assert city.product.horizon.total_seconds() > 0


def test_every_feature_and_model_a_recipe_names_exists(city: City) -> None:
    names = frame.columns(city.recipe.features)
    assert len(names) == len(set(names)) > 10
    for candidate in (*city.recipe.rules, *city.recipe.candidates):
        assert models.make(candidate).candidate == candidate
