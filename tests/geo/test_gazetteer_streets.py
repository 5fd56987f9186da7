from __future__ import annotations

import json

import polars as pl
import pytest

from urbancast.geo.gazetteer import STREET, Gazetteer

STREETS = {
    "a": [["Calle de las Aguas", 40.41, -3.71, {"green": 4}], ["Calle de las Aguas", 40.42, -3.71, {"green": 4}],
          ["Calle de Goya", 40.43, -3.68, {"blue": 2}], ["Paseo del Prado", 40.41, -3.69, {"green": 1}]],
    "b": [["Calle de Goya", 40.43, -3.67, {"blue": 2}], ["Avenida del Álamo", 40.45, -3.70, {"green": 9}]],
}  # fmt: skip


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    places = pl.DataFrame(
        {
            "place": ["a", "b"],
            "name": ["Palacio", "Goya"],
            "kind": ["zone", "zone"],
            "part_of": ["Centro", "Salamanca"],
            "lat": [40.41, 40.43],
            "lon": [-3.71, -3.67],
            "attributes": [json.dumps({"streets": STREETS[place]}) for place in ("a", "b")],
        }
    )
    return Gazetteer(places)


@pytest.mark.parametrize(
    "text",
    ["Calle de las Aguas", "calle aguas", "c/ aguas", "C/ de las Aguas, 12", "AGUAS", "cl. de la aguas 3", "las aguas"],
)
def test_a_street_is_found_however_its_kind_is_written(gazetteer: Gazetteer, text: str) -> None:
    (hit,) = gazetteer.best(text)
    assert (hit.name, hit.kind, hit.place) == ("Calle de las Aguas", STREET, "a")
    assert hit.lat == pytest.approx(40.415)


@pytest.mark.parametrize("text", ["avda. alamo", "Avda del Álamo", "avenida alamo 7", "Av. ALAMO"])
def test_kinds_may_be_shortened_and_accents_left_out(gazetteer: Gazetteer, text: str) -> None:
    (hit,) = gazetteer.best(text)
    assert (hit.name, hit.place) == ("Avenida del Álamo", "b")


def test_a_place_comes_before_the_streets_named_like_it(gazetteer: Gazetteer) -> None:
    (hit,) = gazetteer.best("Goya")
    assert (hit.kind, hit.place) == ("zone", "b")


def test_a_street_through_several_places_is_told_once_for_each(gazetteer: Gazetteer) -> None:
    hits = gazetteer.best("c/ Goya")
    assert {(hit.name, hit.place) for hit in hits} == {("Calle de Goya", "a"), ("Calle de Goya", "b")}


def test_a_name_that_no_street_has_is_unknown(gazetteer: Gazetteer) -> None:
    assert gazetteer.best("calle que no existe 5") == []
