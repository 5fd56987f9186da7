from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "urbancast"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Import-linter over the `src/urbancast` of a folder, in a process of its own."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(folder / "src")], cwd=folder, capture_output=True, text=True, check=False
    )


def test_lower_layers_never_import_upper_ones() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("lake/late.py", "import urbancast.flows", "Lower never imports upper"),
        ("api/hasty.py", "import lightgbm", "The API never runs a model"),
        ("core/chatty.py", "import socket", "Core does no input and no output"),
        ("products/paris_bikes/product.py", "import urbancast.lake", "A product's promise imports core only"),
        ("products/paris_bikes/sample.py", "import urbancast.features", "A simulation knows no feature"),
        ("homeless.py", "", "Lower never imports upper"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, line: str, contract: str) -> None:
    shutil.copytree(SOURCE, tmp_path / "src" / "urbancast", ignore=shutil.ignore_patterns("web", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "urbancast" / file).write_text(line + "\n")
    done = lint_imports(tmp_path)
    broken = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(text.startswith(contract) for text in broken)
