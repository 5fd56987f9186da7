"""Open a job: where a product's rows come from (sample, live portals or files) and at which moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from urbancast import products
from urbancast.core.errors import ContractError, QueryError
from urbancast.core.product import Provenance, Recipe
from urbancast.flows.job import Clock, Job, Teller, tell_nobody
from urbancast.lake import leases, provenance as fixed
from urbancast.lake.store import Lake
from urbancast.settings import settings


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where rows come from. ``links`` (source → path or URL) make it an extract; else sample or live."""

    is_sample: bool = False
    is_live: bool = False
    links: Mapping[str, str] = field(default_factory=dict)

    def provenance(self, lake: Lake, product: str) -> Provenance:
        """`extract` with links, `live` or `sample` when asked, else what the lake holds, else `sample`."""
        if self.is_sample + self.is_live + bool(self.links) > 1:
            raise ContractError("origin: expected one of --sample, --live, --source, found several; keep one")
        if self.links:
            return "extract"
        if self.is_live:
            return "live"
        return "sample" if self.is_sample else (fixed.of(lake, product) or "sample")


@contextmanager
def jobs(
    ids: Sequence[str],
    lake: Lake,
    origin: Origin,
    *,
    now: datetime | None = None,
    teller: Teller = tell_nobody,
    is_writing: bool = True,
) -> Iterator[list[Job]]:
    """Jobs for products, each with its product's lease; a sample one has an emulator whose clock its pulls set.

    BusyError where another run holds a product; ``is_writing`` False: only read, beside whatever runs.
    """
    moment = now or datetime.now(UTC).replace(microsecond=0)
    opened: list[Job] = []
    with ExitStack() as stack:
        for product in ids:
            promise, recipe = products.get(product), products.recipe(product)
            _require_known(recipe, origin.links)
            if is_writing:
                stack.enter_context(leases.hold(lake, product, ttl=timedelta(seconds=settings().lease_seconds)))
            where = origin.provenance(lake, product)
            clock = Clock(now=moment) if where == "sample" else None
            url = stack.enter_context(_emulator(product, clock)) if clock else None
            opened.append(
                Job(
                    product=promise,
                    recipe=recipe,
                    lake=lake,
                    now=moment,
                    provenance=where,
                    links=origin.links,
                    portal_url=url,
                    clock=clock,
                    teller=teller,
                )
            )
        yield opened


def look(lake: Lake, product: str, *, now: datetime) -> Job:
    """A job to read with: no lease, no portal."""
    where = fixed.of(lake, product) or "sample"
    return Job(product=products.get(product), recipe=products.recipe(product), lake=lake, now=now, provenance=where)


def _require_known(recipe: Recipe, links: Mapping[str, str]) -> None:
    """QueryError for a link to a source that the recipe does not have: it would be left out in silence."""
    names = [source.name for source in recipe.sources]
    for name in links:
        if name not in names:
            expected = f"a source of {recipe.product}: {', '.join(names)}"
            raise QueryError("unknown-source", expected=expected, found=repr(name), action="correct --source")


@contextmanager
def _emulator(product: str, clock: Clock) -> Iterator[str]:
    from urbancast.portals.emulator import Emulator  # only sample mode serves a portal

    with Emulator(products.sample(product).datasets(), clock=lambda: clock.now) as emulator:
        yield emulator.url
