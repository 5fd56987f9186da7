"""What was made of tables, kept until one of them moves: for who asks often and must not slow anything down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from urbancast.lake.store import Lake

T = TypeVar("T")


class Kept:
    """Results by name, each with the versions of the tables it was made of; shared by the threads of a process."""

    def __init__(self, lake: Lake) -> None:
        """Keep nothing yet."""
        self.lake = lake
        self._made: dict[str, tuple[tuple[int, ...], Any]] = {}
        self._lock = threading.Lock()

    def look(self) -> Look:
        """One look at the lake: each table's version is asked for once."""
        return Look(self)

    def made(self, name: str) -> tuple[tuple[int, ...], Any] | None:
        """Versions and result kept under a name, or None."""
        with self._lock:
            return self._made.get(name)

    def keep(self, name: str, versions: tuple[int, ...], result: Any) -> None:
        """Keep a result in place of the one before."""
        with self._lock:
            self._made[name] = (versions, result)


class Look:
    """What one asker sees: results made anew only where a table has moved since they were kept."""

    def __init__(self, kept: Kept) -> None:
        """Ask for no version yet."""
        self.kept, self.lake = kept, kept.lake
        self._versions: dict[str, int] = {}

    def get(self, name: str, tables: Iterable[str], build: Callable[[], T]) -> T:
        """Result of ``build`` under a name, as of the present versions of the tables it reads."""
        versions = tuple(self._version(table) for table in tables)
        known = self.kept.made(name)
        if known is not None and known[0] == versions:
            found: T = known[1]
            return found
        made = build()
        self.kept.keep(name, versions, made)
        return made

    def _version(self, table: str) -> int:
        if table not in self._versions:
            self._versions[table] = self.lake.version(table)
        return self._versions[table]
