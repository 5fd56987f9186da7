"""Products, found by folder: here, in directories of ``URBANCAST_PRODUCTS`` and in installed packages.

Only ``product.py`` is imported until a recipe or a sample is asked for, so that a process that
answers never loads what trains or pulls. A folder that cannot be read is named and the others work.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

import structlog

from urbancast.core.errors import ContractError, QueryError
from urbancast.core.product import Product, Recipe
from urbancast.settings import settings

ENTRY_POINTS = "urbancast.products"
_log = structlog.get_logger(__name__)
_packages: dict[str, str] = {}  # product id -> dotted name of its package
_failures: dict[str, str] = {}  # folder or entry point -> what is wrong with it


@cache
def discover() -> dict[str, Product]:
    """Every readable product by id, in order of rank; see ``failures()`` for the others."""
    _packages.clear()
    _failures.clear()
    found: dict[str, Product] = {}
    for where, package in _candidates():
        try:
            product = _promise(where, package, taken=found)
        except Exception as error:  # noqa: BLE001 - a folder's own code, whatever it raises, must not mute the others
            _failures[where] = f"{type(error).__name__}: {error}"
            _log.error("product_unreadable", where=where, reason=_failures[where])
            continue
        found[product.id] = product
        _packages[product.id] = package
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def failures() -> dict[str, str]:
    """Folders and entry points that hold no readable product, each with the reason."""
    discover()
    return dict(_failures)


def forget() -> None:
    """Look again at the next call; for a changed environment."""
    discover.cache_clear()


def get(product: str) -> Product:
    """Return the promise of a product; QueryError ``unknown-product``."""
    found = discover()
    if product not in found:
        raise QueryError(
            "unknown-product",
            expected=f"one of {', '.join(found)}",
            found=repr(product),
            action="ask for one of them",
            status=404,
        )
    return found[product]


def recipe(product: str) -> Recipe:
    """Return the making of a product, loaded now; ContractError when it has none."""
    made = getattr(_part(product, "recipe"), "RECIPE", None)
    if not isinstance(made, Recipe) or made.product != product:
        raise ContractError(
            f"{product}: expected a Recipe for {product!r} named RECIPE in recipe.py, "
            f"found {getattr(made, 'product', made)!r}; add or rename it"
        )
    return made


def sample(product: str) -> Any:
    """Return the module that simulates a product's sources: ``datasets(*, seed)`` is its public function."""
    module = _part(product, "sample")
    if not callable(getattr(module, "datasets", None)):
        raise ContractError(f"{product}: expected datasets(*, seed) in sample.py, found none; add it")
    return module


def _part(product: str, name: str) -> ModuleType:
    get(product)
    return importlib.import_module(f"{_packages[product]}.{name}")


def _promise(where: str, package: str, *, taken: Mapping[str, Product]) -> Product:
    product = getattr(importlib.import_module(f"{package}.product"), "PRODUCT", None)
    if not isinstance(product, Product):
        raise ContractError(f"{package}.product: expected a Product named PRODUCT, found {product!r}; add it")
    if product.id != package.rsplit(".", 1)[-1]:
        raise ContractError(
            f"{package}.product: expected the id of its folder, found {product.id!r}; give both the same name"
        )
    if product.id in taken:
        raise ContractError(f"{where}: expected a new id, found {product.id!r} twice; rename one of them")
    return product


def _candidates() -> Iterator[tuple[str, str]]:
    """Where a product may be and the dotted name of its package."""
    for folder in _folders_in(Path(__file__).parent):
        yield str(folder), f"{__name__}.{folder.name}"
    for named in filter(None, settings().products.split(os.pathsep)):
        yield from _outside(Path(named))
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        yield f"entry point {point.name}", _package_of(point)


def _outside(directory: Path) -> Iterator[tuple[str, str]]:
    """Product folders in a directory, or the directory itself when it is one; a bad path is named."""
    folders = [directory] if (directory / "product.py").is_file() else list(_folders_in(directory))
    if not folders:
        _failures[str(directory)] = "expected a product folder or a directory of them, found none; correct the path"
        _log.error("product_unreadable", where=str(directory), reason=_failures[str(directory)])
    for folder in folders:
        yield str(folder), _adopt(folder.resolve())


def _folders_in(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from sorted(folder for folder in directory.iterdir() if (folder / "product.py").is_file())


def _adopt(folder: Path) -> str:
    """Make a folder outside the package importable under a name of its own, and return that name."""
    name = f"urbancast_products_{crc32(str(folder.parent).encode()):08x}.{folder.name}"
    parent, _, _ = name.partition(".")
    if parent not in sys.modules:
        package = ModuleType(parent)
        package.__path__ = [str(folder.parent)]
        sys.modules[parent] = package
    return name


def _package_of(point: EntryPoint) -> str:
    """Return the package an entry point names, as ``package`` or ``package.product:PRODUCT``."""
    return point.module.removesuffix(".product")
