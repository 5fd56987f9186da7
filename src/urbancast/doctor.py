"""``urbancast doctor``: does this installation have what it needs? Each check says what to do where it does not."""

from __future__ import annotations

import json
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rich.markup import escape

from urbancast import console as show, products
from urbancast.core.errors import UrbancastError
from urbancast.lake.store import Lake
from urbancast.settings import settings

LEAST_PYTHON = (3, 11)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Outcome of one check. ``action``: what to do, empty where all is well."""

    name: str
    is_well: bool
    found: str
    action: str = ""


def run(lake: str | None, *, as_json: bool) -> None:
    """Print every check; exit code 1 where one is not well."""
    found = [python(), catalogue(), store(lake or settings().lake), web(), port()]
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    else:
        for each in found:
            mark = "[green]✓[/]" if each.is_well else "[red]✗[/]"
            rest = f": {each.action}" if each.action else ""
            show.out.print(f"{mark} {each.name:<9} {escape(each.found + rest)}", soft_wrap=True, highlight=False)
    if not all(each.is_well for each in found):
        raise SystemExit(1)


def python() -> Check:
    """Python and Urbancast."""
    found = f"Python {platform.python_version()}, urbancast {version('urbancast')}"
    is_well = sys.version_info >= LEAST_PYTHON
    return Check(name="python", is_well=is_well, found=found, action="" if is_well else "use Python 3.11 or newer")


def catalogue() -> Check:
    """Every product folder and entry point can be read, recipe and sample too."""
    broken = dict(products.failures())
    for product in products.discover():
        for part in (products.recipe, products.sample):
            _try(part, product, broken)
    found = f"{len(products.discover())} products"
    action = "; ".join(f"{where}: {reason}" for where, reason in broken.items())
    return Check(name="products", is_well=not broken, found=found, action=action)


def _try(part: Callable[[str], object], product: str, broken: dict[str, str]) -> None:
    try:
        part(product)
    except (UrbancastError, ImportError, AttributeError, NameError, SyntaxError, TypeError, ValueError) as error:
        broken[product] = f"{type(error).__name__}: {error}"


def store(url: str) -> Check:
    """The lake can be opened, with the schema this version writes."""
    try:
        Lake.open(url)
    except (UrbancastError, OSError) as error:
        return Check(name="lake", is_well=False, found="not usable", action=str(error))
    return Check(name="lake", is_well=True, found="can be opened")


def web() -> Check:
    """The map was built."""
    index = Path(__file__).parent / "web" / "index.html"
    action = "" if index.exists() else "run `make setup`, or serve the API alone"
    return Check(name="map", is_well=index.exists(), found="built" if index.exists() else "not built", action=action)


def port() -> Check:
    """The port to serve on is free."""
    deployed = settings()
    try:
        socket.create_server((deployed.host, deployed.port)).close()
    except OSError as error:
        action = "stop what listens there, or set URBANCAST_PORT"
        return Check(name="port", is_well=False, found=f"{deployed.port} {error.strerror}", action=action)
    return Check(name="port", is_well=True, found=f"{deployed.port} is free")
