"""The example products, found as anyone's own are: through `URBANCAST_PRODUCTS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path

import polars as pl
import pytest

from urbancast import portals, products
from urbancast.core.product import ObserveContext, Window
from urbancast.core.time import as_grain
from urbancast.geo import places
from urbancast.portals import layouts
from urbancast.portals.emulator import Emulator
from urbancast.portals.session import Session
from urbancast.settings import settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "products"


@pytest.fixture(autouse=True, scope="module")
def _examples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("URBANCAST_PRODUCTS", str(EXAMPLES))
        settings.cache_clear()
        products.forget()
        yield
    settings.cache_clear()
    products.forget()


@pytest.fixture(params=["jersey_city_bikes", "birmingham_parking"])
def name(request: pytest.FixtureRequest) -> str:
    """Each example in turn."""
    return str(request.param)


@pytest.fixture
def context(name: str) -> ObserveContext:
    """What `observe` may know in sample mode."""
    product = products.get(name)
    shapes = places.schematic(product)
    return ObserveContext(
        tz=product.tz, grain=as_grain(product.grain), places=shapes, is_schematic=False, provenance="sample"
    )


@pytest.fixture
def sent(name: str) -> Callable[[datetime], pl.DataFrame]:
    """Canonical rows of the product's counted source as its portal sends them at a moment."""
    return partial(_fetched, name)


@cache
def _fetched(name: str, now: datetime) -> pl.DataFrame:
    source = products.recipe(name).sources[0]
    emulated = Emulator(products.sample(name).datasets(), clock=lambda: now)
    with emulated as emulator, Session.of(source, link=emulator.url) as session:
        window = Window(start=now - timedelta(days=60), end=now)
        portal = portals.by_name(source.portal)
        pages = list(portal.fetch(source, window, session=session, now=now, url=emulator.url))
    return pl.concat([layouts.parse(source, page) for page in pages])
