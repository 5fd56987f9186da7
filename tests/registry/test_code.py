"""A release says which code made it, and any change to that code changes what it says."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import urbancast
from urbancast.registry import code

PACKAGE = Path(urbancast.__file__).parent


def test_the_hash_of_a_folder_follows_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return code.tree(tmp_path / name)

    first = folder("a", {"x.py": "1", "deep/y.py": "2", "notes.txt": "n"})
    assert folder("b", {"x.py": "1", "deep/y.py": "2", "notes.txt": "other", "z.pyc": "0"}) == first
    assert len({first, folder("c", {"x.py": "1", "deep/y.py": "3"}), folder("d", {"z.py": "1", "deep/y.py": "2"})}) == 3


def test_a_release_names_package_product_and_libraries() -> None:
    facts, libraries = code.facts(PACKAGE / "products" / "paris_bikes"), code.libraries()
    assert facts["version"] == version("urbancast")
    assert facts["source"] == code.tree(PACKAGE)
    assert facts["product"] != code.facts(PACKAGE / "products" / "nyc_crashes")["product"]
    assert {"python", "polars", "lightgbm", "deltalake"} <= set(libraries)
