"""Adapters to kinds of open-data software: each module has ``fetch(source, window, *, session, now, url=None)``.

One that can tell without sending rows has ``modified(source, *, session, now, url=None)`` too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from urbancast.core.errors import ContractError
from urbancast.core.product import Source, Window
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session


class Portal(Protocol):
    """A portal module."""

    def fetch(
        self,
        source: Source,
        window: Window | None,
        *,
        session: Session,
        now: datetime,
        url: str | None = None,
    ) -> Iterator[Fetched]:
        """Yield the answers that hold the rows of ``window`` (``None``: all), verified first."""
        ...


def by_name(name: str) -> Portal:
    """Return the portal module of that file name, such as ``socrata``; ContractError when there is none."""
    path = f"{__name__}.{name}"
    module = import_module(path) if name.isidentifier() and find_spec(path) else None
    if module is None or not hasattr(module, "fetch"):
        raise ContractError(
            f"portal: expected the name of a file in portals/ that has fetch(), found {name!r}; "
            "name socrata, opendatasoft, files or open_meteo in the recipe, or add the file",
        )
    return cast("Portal", module)


def tells(source: Source) -> bool:
    """Whether its portal can say when it last changed."""
    return hasattr(by_name(source.portal), "modified")


def modified(source: Source, *, session: Session, now: datetime, url: str | None = None) -> datetime | None:
    """When what the portal holds of a source last changed, by its own word; None where it does not say."""
    ask = getattr(by_name(source.portal), "modified", None)
    return None if ask is None else cast("datetime | None", ask(source, session=session, now=now, url=url))


__all__ = ["Fetched", "Portal", "Session", "by_name", "modified", "tells"]
