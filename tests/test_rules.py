from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

RULES = runpy.run_path(str(Path(__file__).resolve().parents[1] / ".ci" / "rules.py"))
CITIES = re.compile(r"(?<![^\W_])(?:atlantis)(?![^\W_])", re.IGNORECASE)


def broken(path: str, text: str) -> list[str]:
    return list(RULES["check"](Path(path), text, CITIES))


@pytest.mark.parametrize("text", ["# as in Atlantis", 'id = "atlantis_bikes"', "ATLANTIS = 1"])
def test_a_city_named_outside_products_is_found(text: str) -> None:
    assert broken("src/urbancast/api/app.py", text + "\n")
    assert not broken("src/urbancast/products/atlantis_bikes/product.py", text + "\n")
    assert not broken("tests/api/test_app.py", text + "\n")


def test_a_word_that_holds_a_city_is_not_one() -> None:
    assert not broken("src/urbancast/api/app.py", "atlantisation = 1\n")


def test_a_file_of_401_lines_is_too_long() -> None:
    assert not broken("src/urbancast/core/a.py", "x = 1\n" * 400)
    assert broken("src/urbancast/core/a.py", "x = 1\n" * 401)


def test_a_function_of_51_lines_is_too_long() -> None:
    assert not broken("src/urbancast/core/a.py", "def f():\n" + "    x = 1\n" * 49)
    assert broken("src/urbancast/core/a.py", "def f():\n" + "    x = 1\n" * 50)


@pytest.mark.parametrize("folder", ["home", "root", "Users", "work"])
def test_a_path_of_one_machine_is_found(folder: str) -> None:
    assert broken("docs/a.md", f"see /{folder}/someone/project\n")
    assert not broken("docs/a.md", f"see src/{folder}/someone and https://example.org/{folder}/x\n")


@pytest.mark.parametrize(
    "line",
    [
        "from urbancast.products.nyc_crashes import observe",
        "from urbancast.products import nyc_crashes",
        "import urbancast.products.nyc_crashes.recipe",
    ],
)
def test_a_product_that_imports_another_is_found(line: str) -> None:
    assert broken("src/urbancast/products/paris_bikes/observe.py", line + "\n")
    assert not broken("src/urbancast/products/nyc_crashes/observe.py", line + "\n")


def test_products_may_share_a_module_beside_them() -> None:
    assert not broken("src/urbancast/products/paris_bikes/observe.py", "from urbancast.products import sorting\n")
