"""What the operator's page shows, built on demand from the lake, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock
from typing import Any

from urbancast.api.problems import shown
from urbancast.core.errors import QueryError
from urbancast.core.product import Product
from urbancast.core.time import iso
from urbancast.lake.kept import Kept, Look
from urbancast.lake.store import Lake
from urbancast.monitoring import lineage, standing
from urbancast.settings import settings


class Operations:
    """Standing of the products of a lake; opened at the first question, results kept until a table moves."""

    def __init__(self, lake_url: str, products: Mapping[str, Product], clock: Callable[[], datetime]) -> None:
        """Remember where to look."""
        self.lake_url, self.products, self.clock = lake_url, products, clock
        self._kept: Kept | None = None
        self._lock = Lock()

    @property
    def lake(self) -> Lake:
        """The lake itself, for who writes a request."""
        return self._opened().lake

    def look(self) -> Look:
        """One look at the lake."""
        return self._opened().look()

    def product(self, name: str) -> Product:
        """A product by its id; QueryError 404 that names the known ones."""
        if name not in self.products:
            known = ", ".join(self.products) or "none is installed"
            raise QueryError("unknown-product", expected=f"one of {known}", found=shown(name),
                             action="GET /v1/operations lists them", status=404)  # fmt: skip
        return self.products[name]

    def all(self) -> dict[str, Any]:
        """All products, the worst first, and who runs what now."""
        look, now = self.look(), self.clock()
        return {
            "leases": [standing.told_lease(lease) for lease in standing.leases(look).values()],
            "products": standing.every(look, self.products, now=now),
            "links": links(),
        }

    def raw(self, name: str, release: str | None) -> dict[str, Any]:
        """Raw pages a release (default: the product) was made of, newest first."""
        look, product = self.look(), self.product(name)
        if release is not None and lineage.find(look, product.id, release) is None:
            raise unknown_release(look, product, release)
        return {"product": product.id, "release": release, **lineage.listed(look, product.id, release)}

    def report(self, name: str, day: date) -> bytes:
        """A page on drift, as it was written."""
        path = f"reports/{self.product(name).id}/{day.isoformat()}/drift.html"
        if not self.lake.files.exists(path):
            raise QueryError("unknown-report", expected=f"a day with a report of {name}", found=day.isoformat(),
                             action=f"`urbancast report {name}` writes one", status=404)  # fmt: skip
        return self.lake.files.get(path)

    def at(self) -> str:
        """This moment, as text."""
        return iso(self.clock())

    def _opened(self) -> Kept:
        with self._lock:
            self._kept = self._kept or Kept(Lake.open(self.lake_url))
            return self._kept


def unknown_release(look: Look, product: Product, release: str) -> QueryError:
    """Refusal that names the newest releases known."""
    known = lineage.known(look, product.id)["release"].tail(6).reverse().to_list()
    expected = f"a release of {product.id}, such as {', '.join(known)}" if known else "a release; none is trained yet"
    return QueryError("unknown-release", expected=expected, found=shown(release), action="name one of them")


def links() -> dict[str, str | None]:
    """Where the interfaces behind the login are, as far as this deployment has them."""
    own = settings()
    return {
        "mlflow": "/ops/mlflow/" if own.behind_mlflow else None,
        "dagster": "/ops/dagster/" if own.behind_dagster else None,
        "grafana": None,
    }
