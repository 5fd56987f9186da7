"""Every product that can be found, and what its simulated sources sent through the real portals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from urbancast import portals, products
from urbancast.core.product import ObserveContext, Observed, Product, Recipe, Source, Window
from urbancast.core.time import UTC_US, as_grain
from urbancast.geo import places
from urbancast.portals import layouts
from urbancast.portals.emulator import Emulator
from urbancast.portals.session import Session

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
WINDOW = Window(start=NOW - timedelta(days=60), end=NOW)  # holds the end of summer time of most cities


@dataclass(frozen=True, kw_only=True)
class City:
    """One product with what its sources sent at some moments."""

    product: Product
    recipe: Recipe

    @property
    def counted(self) -> Source:
        """The first source of observations."""
        return next(source for source in self.recipe.sources if source.role == "observations")

    def context(self) -> ObserveContext:
        """What `observe` may know in sample mode."""
        shapes = _shapes(self.product.id)
        return ObserveContext(
            tz=self.product.tz,
            grain=as_grain(self.product.grain),
            places=shapes,
            is_schematic=bool(shapes["is_schematic"].any()),
            provenance="sample",
        )

    @property
    def now(self) -> datetime:
        """NOW; of a source that is published months later, the noon after WINDOW was."""
        stamped = pl.DataFrame({self.counted.time: [NOW]}, schema={self.counted.time: UTC_US})
        then: datetime = stamped.select(self.published(self.counted)).item()
        return NOW if then - NOW < MONTH else then.astimezone(UTC) + timedelta(hours=12)

    def later(self, at: datetime) -> datetime:
        """A moment as far before `now` as ``at`` is before NOW."""
        return at + (self.now - NOW)

    @property
    def moments(self) -> list[datetime]:
        """Three fetches between which some of the newest rows were corrected."""
        if self.now == NOW:
            return [datetime(2025, 11, day, 12, tzinfo=UTC) for day in (9, 10, 14)]
        return [self.now + timedelta(days=days) for days in (0, 1, 5)]

    def fetch(
        self, source: Source, *, now: datetime | None = None, window: Window = WINDOW, **query: Any
    ) -> pl.DataFrame:
        """Canonical rows that the emulated portal sends at a moment."""
        return _fetch(self.product.id, source.name, now or self.now, window, tuple(query.items()))

    def raw(self, *, now: datetime | None = None) -> dict[str, pl.DataFrame]:
        """Canonical rows of every source of observations."""
        named = (source for source in self.recipe.sources if source.role == "observations")
        return {source.name: self.fetch(source, now=now) for source in named}

    def observe(self, raw: Mapping[str, pl.DataFrame]) -> Observed:
        """Observations of raw rows."""
        return self.recipe.observe(raw, self.context())

    def published(self, source: Source) -> pl.Expr:
        """Declared availability of a source's rows."""
        assert source.time is not None
        assert source.publication is not None
        return source.publication(pl.col(source.time))


@cache
def _shapes(product: str) -> pl.DataFrame:
    return places.schematic(products.get(product))


@cache
def _fetch(product: str, name: str, now: datetime, window: Window, query: tuple[tuple[str, Any], ...]) -> pl.DataFrame:
    source = next(source for source in products.recipe(product).sources if source.name == name)
    asked = replace(source, query={**source.query, **dict(query)})
    portal = portals.by_name(source.portal)
    with _emulator(product, now) as emulator, Session.of(asked, link=emulator.url) as session:
        span = None if source.time is None else window
        pages = list(portal.fetch(asked, span, session=session, now=now, url=emulator.url))
    return pl.concat([layouts.parse(asked, page) for page in pages])


def _emulator(product: str, now: datetime) -> Emulator:
    return Emulator(_datasets(product), clock=lambda: now)


@cache
def _datasets(product: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = products.sample(product).datasets()
    return found


@pytest.fixture(params=sorted(products.discover()))
def city(request: pytest.FixtureRequest) -> City:
    """Every product in turn."""
    return City(product=products.get(request.param), recipe=products.recipe(request.param))


@pytest.fixture
def known_at() -> Callable[[Observed, datetime], pl.DataFrame]:
    """Newest version of each key at an instant."""
    key = ["place", "measure", "time", "draw"]

    def known(observed: Observed, at: datetime) -> pl.DataFrame:
        rows = observed.observations.filter(pl.col("available_at") <= at).sort(*key, "available_at")
        return rows.unique(key, keep="last").sort(key)

    return known


@pytest.fixture
def datasets(city: City) -> list[dict[str, Any]]:
    """Return the datasets of the product's sample."""
    return _datasets(city.product.id)
