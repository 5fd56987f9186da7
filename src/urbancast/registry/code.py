"""Which code made a release: a hash of the sources themselves, so that it can be told without git."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("polars", "numpy", "scipy", "lightgbm", "deltalake", "holidays", "pyarrow", "mlflow")


def facts(folder: Path) -> dict[str, str]:
    """Version of the package, hash of its sources, and of the product's folder (Python and CSV files)."""
    return {
        "version": _version("urbancast"),
        "source": tree(PACKAGE),
        "product": tree(folder, ("*.py", "*.csv")),
    }


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries whose change may change a forecast, where installed."""
    found = {name: _version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **{name: text for name, text in found.items() if text}}


@cache
def tree(folder: Path, patterns: tuple[str, ...] = ("*.py",)) -> str:
    """Hash of the files of a folder (names and contents), read once a process; 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.rglob(pattern)}):
        name = path.relative_to(folder).as_posix().encode()
        digest.update(hashlib.sha256(name + b"\0" + path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
