from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from urbancast import products
from urbancast.core.errors import ContractError, QueryError
from urbancast.settings import settings

PROMISE = """
from dataclasses import replace
from pathlib import Path
from urbancast import products
from urbancast.products.paris_bikes.product import PRODUCT as MODEL
PRODUCT = replace(MODEL, id="{id}", folder=Path(__file__).parent)
"""

Point = Callable[[str], None]


@pytest.fixture
def look_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Point]:
    """Set the folders of further products, and forget them afterwards."""

    def point(paths: str) -> None:
        monkeypatch.setenv("URBANCAST_PRODUCTS", paths)
        settings.cache_clear()
        products.forget()

    yield point
    monkeypatch.delenv("URBANCAST_PRODUCTS", raising=False)
    settings.cache_clear()
    products.forget()


def write(folder: Path, *, text: str = PROMISE, recipe: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "product.py").write_text(text.replace("{id}", folder.name), encoding="utf-8")
    if recipe:
        (folder / "recipe.py").write_text(recipe, encoding="utf-8")
    return folder


def test_the_shipped_products_are_found_without_any_setting() -> None:
    assert {"paris_bikes", "nyc_crashes"} <= set(products.discover())
    assert products.failures() == {}


def test_a_directory_of_product_folders_adds_its_products(tmp_path: Path, look_in: Point) -> None:
    write(tmp_path / "one_bikes")
    write(tmp_path / "two_bikes")
    look_in(str(tmp_path))
    assert {"one_bikes", "two_bikes", "paris_bikes"} <= set(products.discover())
    assert products.get("two_bikes").folder == tmp_path / "two_bikes"


def test_a_product_folder_itself_may_be_named_beside_others(tmp_path: Path, look_in: Point) -> None:
    first, second = write(tmp_path / "a" / "one_bikes"), write(tmp_path / "b" / "two_bikes")
    look_in(os.pathsep.join([str(first), str(second)]))
    assert {"one_bikes", "two_bikes"} <= set(products.discover())


def test_a_broken_folder_is_named_and_the_others_keep_working(tmp_path: Path, look_in: Point) -> None:
    broken = write(tmp_path / "broken_bikes", text="import nothing_of_this_name")
    empty = write(tmp_path / "empty_bikes", text="")
    write(tmp_path / "good_bikes")
    look_in(str(tmp_path))
    assert "good_bikes" in products.discover()
    assert "nothing_of_this_name" in products.failures()[str(broken)]
    assert "expected a Product named PRODUCT" in products.failures()[str(empty)]


def test_a_path_without_products_is_named(tmp_path: Path, look_in: Point) -> None:
    look_in(str(tmp_path / "nowhere"))
    assert "paris_bikes" in products.discover()
    assert "expected a product folder" in products.failures()[str(tmp_path / "nowhere")]


def test_an_id_that_is_taken_is_refused_by_name(tmp_path: Path, look_in: Point) -> None:
    folder = write(tmp_path / "paris_bikes")
    look_in(str(tmp_path))
    assert products.get("paris_bikes").folder != folder
    assert "found 'paris_bikes' twice" in products.failures()[str(folder)]


def test_a_folder_and_its_id_must_agree(tmp_path: Path, look_in: Point) -> None:
    folder = write(tmp_path / "one_bikes", text=PROMISE.replace("{id}", "two_bikes"))
    look_in(str(tmp_path))
    assert "expected the id of its folder" in products.failures()[str(folder)]


def test_an_installed_package_adds_its_product(tmp_path: Path, look_in: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "installed_bikes")
    facts = tmp_path / "installed_bikes-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-bikes\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[urbancast.products]\ninstalled_bikes = installed_bikes.product:PRODUCT\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    look_in("")
    assert products.get("installed_bikes").id == "installed_bikes"


def test_a_recipe_is_loaded_when_asked_for_and_must_be_of_its_product(tmp_path: Path, look_in: Point) -> None:
    write(tmp_path / "own_bikes", recipe="from urbancast.products.paris_bikes.recipe import RECIPE")
    look_in(str(tmp_path))
    with pytest.raises(ContractError, match="expected a Recipe for 'own_bikes'"):
        products.recipe("own_bikes")
    assert products.recipe("paris_bikes").product == "paris_bikes"


def test_an_unknown_product_is_the_askers_fault() -> None:
    with pytest.raises(QueryError, match="paris_bikes") as caught:
        products.get("atlantis_bikes")
    assert (caught.value.state, caught.value.status) == ("unknown-product", 404)
