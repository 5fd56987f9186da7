"""Every product that can be found, what its simulated sources sent through the real portals, a tiny lake of each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import polars as pl
import pytest

from urbancast import portals, products
from urbancast.core.product import ObserveContext, Observed, Product, Recipe, Source, Window
from urbancast.core.time import UTC_US, as_grain
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import forecast, panel as panels, pull, train
from urbancast.flows.job import Clock, Job
from urbancast.geo import places
from urbancast.lake.store import Lake
from urbancast.portals import layouts
from urbancast.portals.emulator import Emulator
from urbancast.portals.session import Session
from urbancast.settings import settings

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
KEPT = timedelta(days=42)  # of truth: two weeks to judge ranges by, four to learn from
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

    @contextmanager
    def at_portal(self, lake: Lake) -> Iterator[Job]:
        """The product's job on a lake at its `now`, a short history of its sources emulated."""
        clock = Clock(now=self.now)
        with Emulator(_datasets(self.product.id), clock=lambda: clock.now) as emulator:
            yield Job(
                product=self.product,
                recipe=self.short,
                lake=lake,
                now=self.now,
                provenance="sample",
                portal_url=emulator.url,
                clock=clock,
            )

    @property
    def short(self) -> Recipe:
        """The recipe with a history that is just long enough for the simple rules."""
        needed = 2 * self.lateness + KEPT  # what is learnt from had its own past, as late
        history = min(max(needed - self.counted.look_back, timedelta(days=3)), self.recipe.history)
        return replace(self.recipe, history=history, calibration=self.lateness + KEPT / 3, train_window=needed)

    @property
    def lateness(self) -> timedelta:
        """Longest time from an interval to its publication, two days for the poisoned ones beside."""
        days = pl.DataFrame({"time": [self.now - timedelta(days=back) for back in range(366)]})
        stamped = days.with_columns(pl.col("time").cast(UTC_US).alias(str(self.counted.time)))
        gaps = stamped.select(gap=self.published(self.counted) - pl.col(str(self.counted.time)))["gap"]
        longest: timedelta = gaps.max()  # type: ignore[assignment]
        return longest + timedelta(days=2)

    def published(self, source: Source) -> pl.Expr:
        """Declared availability of a source's rows."""
        assert source.time is not None
        assert source.publication is not None
        return source.publication(pl.col(source.time))


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A lake in which a product has pulled, trained its simple rules and forecast; no test writes to it."""

    city: City
    lake: Lake

    @property
    def product(self) -> Product:
        """The promise."""
        return self.city.product

    @cached_property
    def job(self) -> Job:
        """The product's job at its `now`, without a portal."""
        return Job(product=self.product, recipe=self.city.short, lake=self.lake, now=self.city.now, provenance="sample")

    @cached_property
    def plan(self) -> Plan:
        """How the simple rules are fitted and issued: on few rows from few origins."""
        plan = Plan.of(self.job.recipe, self.product)
        return replace(plan, fit_rows=5_000, issue_step=max(plan.issue_step, timedelta(days=2)))

    @cached_property
    def panel(self) -> Panel:
        """Everything the lake holds."""
        return panels.panel(self.job)


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


def _names() -> list[str]:
    """Ids of all products, those named from outside with them."""
    with pytest.MonkeyPatch.context() as patch:
        _name_outside(patch)
        return sorted(products.discover())


def _name_outside(patch: pytest.MonkeyPatch) -> None:
    # Set aside when pytest was configured, which may be after this file was read.
    named = os.environ.get("CONTRACT_PRODUCTS") or os.environ.get("URBANCAST_PRODUCTS", "")
    patch.setenv("URBANCAST_PRODUCTS", named)
    settings.cache_clear()
    products.forget()


NAMES = _names()


@pytest.fixture(autouse=True, scope="module")
def _outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        _name_outside(patch)
        yield
    settings.cache_clear()
    products.forget()


@pytest.fixture(scope="module", params=NAMES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Every product in turn, in a lake that the first worker to ask fills for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / f"tiny-{request.param}"
    folder.mkdir(exist_ok=True)
    city = City(product=products.get(request.param), recipe=products.recipe(request.param))
    lake = Lake.open(str(folder / "lake"))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            with city.at_portal(lake) as job:
                pull.run(job)
                train.baselines(job)
                forecast.run(job)
            (folder / "done").touch()
    return Tiny(city=city, lake=lake)


@pytest.fixture(params=NAMES)
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
