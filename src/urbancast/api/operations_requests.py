"""Requests of an operator: checked strictly here, written down, carried out by the daemon."""

from __future__ import annotations

from typing import Annotated, Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from urbancast.api.operations import unknown_release
from urbancast.api.problems import shown
from urbancast.core.errors import QueryError
from urbancast.core.product import Product
from urbancast.lake.kept import Look
from urbancast.lake.requests import VERBS
from urbancast.monitoring import champions, lineage

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Argument = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class RequestQuery(BaseModel):
    """A verb and its arguments; ``request``: the asker's own id, under which asking twice is asking once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"verb": "rollback", "arguments": {"measure": "bicycles"}}]},
    )

    verb: Annotated[str, StringConstraints(max_length=40)]
    arguments: Annotated[dict[str, Argument], Field(max_length=4)] = {}
    request: Id | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.verb not in VERBS:
            raise QueryError("unknown-verb", expected=f"one of {', '.join(VERBS)}", found=shown(self.verb),
                             action="name one of them")  # fmt: skip
        allowed = VERBS[self.verb]
        for name in self.arguments:
            if name not in allowed:
                expected = f"arguments of {self.verb}: {', '.join(allowed) or 'none'}"
                raise QueryError("unknown-argument", expected=expected, found=shown(name), action="leave it out")
        return self


def understood(look: Look, product: Product, query: RequestQuery) -> dict[str, Any]:
    """Arguments of a request, each checked against what the product has; QueryError says what is known."""
    measure = query.arguments.get("measure")
    known = [each.id for each in product.modelled]
    if measure is not None and measure not in known:
        raise QueryError("malformed-query", expected=f"arguments.measure: one of {', '.join(known)}",
                         found=shown(measure), action="name one of them")  # fmt: skip
    name = query.arguments.get("release") or query.arguments.get("to")
    if name is not None:
        _require_release(look, product, name, measure)
    if query.verb in ("promote", "rollback") and champions.row(look, product.id) is None:
        raise QueryError("nothing-served", expected=f"{product.id} to serve something", found="nothing yet",
                         action="wait for its first forecast")  # fmt: skip
    return dict(query.arguments)


def _require_release(look: Look, product: Product, name: str, measure: str | None) -> None:
    rows = lineage.known(look, product.id).filter(pl.col("release") == name)
    if rows.is_empty():
        raise unknown_release(look, product, name)
    own = rows["measure"][0]
    if measure is not None and own != measure:
        raise QueryError("unknown-release", expected=f"a release of {measure}", found=f"{shown(name)}, one of {own}",
                         action=f"name one of {measure}, or the measure {own}")  # fmt: skip
