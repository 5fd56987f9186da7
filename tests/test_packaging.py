from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "urbancast"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("urbancast-*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources() -> Iterator[str]:
    for path in SOURCE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield str(path.relative_to(SOURCE.parent))


def test_the_wheel_carries_every_file_of_the_package(names: set[str]) -> None:
    assert set(sources()) <= names


def test_the_wheel_carries_what_products_stand_on(names: set[str]) -> None:
    folders = {path.parent.name for path in SOURCE.glob("products/*/product.py")}
    assert folders
    wanted = {f"urbancast/products/{folder}/{file}" for folder in folders for file in ("places.csv", "card.md")}
    assert wanted <= names


def test_the_wheel_carries_what_alerts_link_to(names: set[str]) -> None:
    kinds = {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert kinds
    assert {f"urbancast/runbooks/{name}" for name in kinds} <= names


def test_the_wheel_carries_the_built_map(names: set[str]) -> None:
    if not (SOURCE / "web" / "index.html").exists():
        absent = pytest.fail if os.environ.get("URBANCAST_NO_SKIP") == "1" else pytest.skip
        absent("needs src/urbancast/web/index.html; make web")
    assert "urbancast/web/index.html" in names
    assert any(name.startswith("urbancast/web/assets/") and name.endswith(".js") for name in names)


def test_the_wheel_carries_no_data_but_places(names: set[str]) -> None:
    carried = {name for name in names if name.endswith((".parquet", ".geojson", ".shp", ".sqlite", ".db"))}
    assert not carried


def test_an_unpacked_wheel_finds_its_products(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import urbancast; from urbancast import products; print(urbancast.__file__, *sorted(products.discover()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    where, *found = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert found == sorted(path.parent.name for path in SOURCE.glob("products/*/product.py"))
