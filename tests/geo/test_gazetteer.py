from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import shapely
from hypothesis import given, strategies as st
from shapely.geometry import box

from urbancast.geo import places
from urbancast.geo.gazetteer import Gazetteer
from urbancast.geo.index import ZoneIndex

ROWS = [
    ("1", "Sébastopol N-S", "Sébastopol", 48.86, 2.35),
    ("2", "Sébastopol S-N", "Sébastopol", 48.86, 2.35),
    ("3", "Governor's Island", "Manhattan", 40.69, -74.02),
    ("4", "Central Park", "Manhattan", 40.78, -73.97),
    ("5", "Park Slope", "Brooklyn", 40.67, -73.98),
    ("6", "Sunset Park", "Brooklyn", 40.64, -74.01),
    ("41", "Park", "Queens", 40.70, -73.80),
]
LANDMARKS = pl.DataFrame(
    {
        "name": ["Central Park", "Grand Station", "Slope Park"],
        "lat": [40.781, 40.75, 40.67],
        "lon": [-73.966, -73.977, -73.98],
    }
)


@pytest.fixture(scope="module")
def table():
    return pl.DataFrame(ROWS, schema=["place", "name", "part_of", "lat", "lon"], orient="row").with_columns(
        kind=pl.lit("zone")
    )


@pytest.fixture(scope="module")
def gazetteer(table):
    return Gazetteer(table, LANDMARKS)


def found(hits):
    return [hit.place or hit.name for hit in hits]


@pytest.mark.parametrize(
    "text", ["sebastopol n", "SÉBASTOPOL N-S", "  sébastopol   n s", "Se\u0301bastopol n", "séb n-s"]
)
def test_case_accents_and_unfinished_words_do_not_matter(gazetteer, text):
    assert found(gazetteer.search(text))[0] == "1"


@pytest.mark.parametrize("text", ["governor's island", "governors island", "Governor’s Isl", "governors"])
def test_apostrophes_do_not_matter(gazetteer, text):
    assert found(gazetteer.search(text)) == ["3"]


def test_the_whole_name_comes_before_its_beginning_and_words_inside(gazetteer):
    hits = gazetteer.search("park")
    assert found(hits)[:2] == ["41", "5"]
    assert [hit.tier for hit in hits] == sorted(hit.tier for hit in hits)
    assert found(gazetteer.best("park")) == ["41"]


def test_names_that_fit_equally_well_are_all_shown(gazetteer):
    assert found(gazetteer.best("sebastopol")) == ["1", "2"]
    assert found(gazetteer.best("sebastopol s")) == ["2"]


def test_a_part_narrows_a_name(gazetteer):
    assert found(gazetteer.search("park manhattan")) == ["4"]


def test_an_id_is_found_whole_and_not_by_its_beginning(gazetteer):
    assert found(gazetteer.search("4")) == ["4"]


def test_a_landmark_and_a_place_of_one_name_are_one_answer(gazetteer):
    assert found(gazetteer.search("central park")) == ["4", "Central Park"]
    assert found(gazetteer.best("central park")) == ["4"]


def test_places_come_before_landmarks_that_fit_as_well(gazetteer):
    assert found(gazetteer.search("slope")) == ["Slope Park", "5"]
    assert found(gazetteer.search("park s")) == ["5", "6", "Slope Park"]


def test_a_landmark_is_in_the_real_zone_that_holds_it_and_in_no_schematic_one(table):
    shape = shapely.to_wkb(box(-73.98, 40.74, -73.97, 40.76))
    for is_schematic, place in ((False, "9"), (True, None)):
        zone = pl.DataFrame({"place": ["9"], "geometry": [shape], "is_schematic": [is_schematic]})
        (hit,) = Gazetteer(table, LANDMARKS, index=ZoneIndex(zone)).search("grand")
        assert (hit.kind, hit.place) == ("landmark", place)


@pytest.mark.parametrize(
    "text", ["", "  ", "-", "?!", "nowhere", '"; DROP TABLE words; --', "NEAR(park", "name:park*", "park OR slope"]
)
def test_what_names_nothing_finds_nothing(gazetteer, text):
    assert gazetteer.search(text) == []
    assert gazetteer.best(text) == []


@given(st.text(max_size=40))
def test_any_text_is_answered(gazetteer, text):
    assert len(gazetteer.search(text, limit=3)) <= 3


@given(st.sampled_from(ROWS), st.integers(1, 30))
def test_every_beginning_of_a_name_finds_it(gazetteer, row, length):
    assert row[0] in found(gazetteer.search(row[1][:length], limit=20))


def test_threads_may_share_it(gazetteer):
    with ThreadPoolExecutor(8) as pool:
        assert {tuple(found(hits)) for hits in pool.map(gazetteer.search, ["governors"] * 200)} == {("3",)}


def test_the_nearest_place_is_told_with_its_distance(gazetteer):
    hit, away_m = gazetteer.nearest(-73.98, 40.66)
    assert hit.place == "5"
    assert away_m == pytest.approx(1112, abs=1)


def test_without_places_nothing_is_near(table):
    assert Gazetteer(table.clear()).nearest(0.0, 0.0) is None


def test_every_real_zone_is_found_by_its_own_name(facts_folder):
    facts = places.read(facts_folder("nyc") / "places.csv").with_columns(kind=pl.lit("zone"))
    index = Gazetteer(facts)
    assert all(found(index.best(name))[0] == place for place, name in facts.select("place", "name").iter_rows())
