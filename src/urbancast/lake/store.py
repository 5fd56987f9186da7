"""Lake: Delta tables in a folder or on S3, one commit a write, retried when another writer was first."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from urbancast.core.errors import ContractError, FencedError, NotReadyError
from urbancast.core.tables import MONTH_OF, SCHEMA_VERSION, TABLES
from urbancast.lake import contract, remote
from urbancast.lake.files import Files, open_files
from urbancast.lake.snapshot import Snapshot, partitions

MARK = "_lake.json"
TABLES_FOLDER = "tables"  # apart from the bytes, which a vacuum must never meet
ATTEMPTS = 50  # a writer that loses this often has met a loop, not a race
MIGRATIONS: dict[int, Callable[[Lake], None]] = {}  # from version n to n + 1
PARQUET = WriterProperties(compression="ZSTD", max_row_group_size=131_072)  # one origin is a few groups
# Opening a table replays its commits since the last checkpoint; many small ones are written a day.
PROPERTIES: dict[str, str | None] = {"delta.checkpointInterval": "10"}
# Written by whoever asks or watches, not by the one run that holds a product.
SHARED = frozenset({"leases", "requests", "audit", "keys", "deliveries"})


class Lake:
    """Delta tables and bytes under one URL; open it with ``Lake.open``."""

    def __init__(self, url: str, files: Files) -> None:
        """Hold the URL; nothing is read or written."""
        self.url, self.files = url, files
        self.tokens: dict[str, int] = {}  # product → token of the lease under which this process writes
        self.options = remote.options(url, os.environ)
        self._tables: dict[str, DeltaTable] = {}
        self._lock = threading.Lock()
        self._writers = threading.local()

    @classmethod
    def open(cls, url: str | Path, *, now: datetime | None = None) -> Lake:
        """Open the lake at a folder or URL, creating it; a lake of another schema version is refused."""
        text = str(url).removeprefix("file://")
        place = text.rstrip("/") if "://" in text else str(Path(text).expanduser().resolve())
        lake = cls(place, open_files(place))
        if lake.files.exists(MARK):
            lake._check_version()
        else:
            if place.startswith(remote.SCHEMES):
                remote.require_conditional(place)
            created = (now or datetime.now(UTC)).isoformat(timespec="seconds")
            lake.files.put(MARK, json.dumps({"version": SCHEMA_VERSION, "created": created}).encode())
        return lake

    def __reduce__(self) -> tuple[Callable[[str], Lake], tuple[str]]:
        """Travel to another process as its URL."""
        return (Lake.open, (self.url,))

    def __repr__(self) -> str:
        """Show where the lake is."""
        return f"Lake({self.url!r})"

    def append(self, table: str, frame: pl.DataFrame) -> int:
        """Add rows in one commit; number of rows written."""
        checked = contract.check(table, frame)
        for product, rows in _by_product(checked):
            self.derive(table, product, partial(_given, rows), is_checked=True)
        return checked.height

    def derive(
        self,
        table: str,
        product: str,
        build: Callable[[Snapshot], pl.DataFrame],
        *,
        is_checked: bool = False,
    ) -> int:
        """Append what ``build`` makes of the table as it is; built anew if another writer of the product came first."""
        for _ in range(ATTEMPTS):
            before = self._fresh(table)
            rows = build(before)
            if rows.is_empty():
                return 0
            if not is_checked:
                rows = contract.check(table, rows)
            if self._commit(before, rows, product, mode="append"):
                return rows.height
        raise _contended(table)

    def rewrite(
        self, table: str, product: str, build: Callable[[Snapshot], pl.DataFrame], *, months: Iterable[str] = ()
    ) -> int:
        """Put what ``build`` makes in place of the product's rows (of these months), in one commit."""
        where = f"product = '{product}'"
        if table in MONTH_OF:
            where += f" AND month IN ({', '.join(repr(month) for month in sorted(months))})"
        for _ in range(ATTEMPTS):
            before = self._fresh(table)
            rows = contract.check(table, build(before))
            if self._commit(before, rows, product, mode="overwrite", predicate=where):
                return rows.height
        raise _contended(table)

    def replace(self, table: str, frame: pl.DataFrame, *, predicate: str) -> int:
        """Put the frame in place of the rows for which the SQL predicate holds, in one commit."""
        checked = contract.check(table, frame)
        for _ in range(ATTEMPTS):
            before = self._fresh(table)
            if self._commit(before, checked, "*", mode="overwrite", predicate=predicate):
                return checked.height
        raise _contended(table)

    def fence(self, product: str, token: int) -> None:
        """Refuse, in every table, commits to the product's rows under a smaller token: one commit without rows each."""
        for table in TABLES:
            if table not in SHARED:
                self._raise_fence(table, product, token)

    def _raise_fence(self, table: str, product: str, token: int) -> None:
        for _ in range(ATTEMPTS):
            before = self._fresh(table)
            if self._commit(before, contract.empty(table), product, mode="append", raised=token):
                return
        raise _contended(table)

    def scan(
        self,
        table: str,
        *,
        product: str | None = None,
        since: datetime | date | None = None,
        until: datetime | date | None = None,
        by: str | None = None,
    ) -> pl.LazyFrame:
        """Rows of [since, until) by the table's month column or ``by``; empty with schema when absent."""
        return self.snapshot(table).scan(product=product, since=since, until=until, by=by)

    def snapshot(self, table: str, *, version: int | None = None) -> Snapshot:
        """The table as it is now, or as it was at a commit."""
        contract.of(table)
        if version is not None and version >= 0:
            at = DeltaTable(self._uri(table), version=version, storage_options=self.options or None)
            return Snapshot(table, at, self.options)
        with self._lock:
            return Snapshot(table, self._current(table), self.options)

    def version(self, table: str) -> int:
        """Number of the table's newest commit; -1 when absent."""
        contract.of(table)
        own = self._own().get(table)
        if own is not None and not self._has_moved(table, own):
            return int(own.version())
        with self._lock:
            current = self._current(table)
            return -1 if current is None else int(current.version())

    def delta(self, table: str) -> DeltaTable | None:
        """The Delta table itself, newly opened; None when absent."""
        try:
            with remote.told(self.url):
                return DeltaTable(self._uri(table), storage_options=self.options or None)
        except TableNotFoundError:
            return None

    def _current(self, table: str) -> DeltaTable | None:
        """The cached table brought to its newest commit. A new object where it moved: snapshots stay still."""
        known = self._tables.get(table)
        if known is not None and not self._has_moved(table, known):
            return known
        opened = self.delta(table)
        if opened is not None:
            self._tables[table] = opened
        return opened

    def _has_moved(self, table: str, known: DeltaTable) -> bool:
        following = f"{TABLES_FOLDER}/{table}/_delta_log/{known.version() + 1:020d}.json"
        return self.files.exists(following)

    def _fresh(self, table: str) -> Snapshot:
        """The table as it is now for a writer, created where absent; the object is this thread's own.

        Shared, one thread's commit would move what another has read, and its check would pass unseen.
        """
        own = self._own()
        if table in own and self._has_moved(table, own[table]):
            own[table].update_incremental()
        if table not in own:
            if self.delta(table) is None:
                self._create(table)
            own[table] = DeltaTable(self._uri(table), storage_options=self.options or None)
        return Snapshot(table, own[table], self.options)

    def _own(self) -> dict[str, DeltaTable]:
        """Tables that this thread has written to."""
        tables: dict[str, DeltaTable] = self._writers.__dict__.setdefault("tables", {})
        return tables

    def _create(self, table: str) -> None:
        try:
            with remote.told(self.url):
                write_deltalake(
                    self._uri(table),
                    _stored(table, contract.empty(table)),
                    mode="ignore",
                    partition_by=partitions(table),
                    configuration=PROPERTIES,
                    storage_options=self.options or None,
                )
        except DeltaError:
            if self.delta(table) is None:
                raise

    def _commit(
        self,
        before: Snapshot,
        rows: pl.DataFrame,
        product: str,
        *,
        mode: Any,
        predicate: str | None = None,
        raised: int | None = None,
    ) -> bool:
        """Whether the commit went in; False when another writer's commit on the same rows came first."""
        names = {product, *_products(rows)}
        self._require_unfenced(before, names)
        mark = [Transaction(f"{before.table}/{name}", before.version + 1) for name in names]
        mark += [Transaction(_fence_of(product), raised)] if raised is not None else []
        try:
            with remote.told(self.url):
                write_deltalake(
                    before.delta if before.delta is not None else self._uri(before.table),
                    _stored(before.table, rows),
                    mode=mode,
                    predicate=predicate,
                    writer_properties=PARQUET,
                    commit_properties=CommitProperties(app_transactions=mark, max_commit_retries=ATTEMPTS),
                )
        except CommitFailedError:
            return False
        return True

    def _require_unfenced(self, before: Snapshot, products: Iterable[str]) -> None:
        """FencedError where a later lease has raised a fence; a fence raised meanwhile makes the commit collide."""
        if before.table in SHARED or before.delta is None:
            return
        for product in products:
            own = self.tokens.get(product)
            raised = None if own is None else before.delta.transaction_version(_fence_of(product))
            if own is not None and raised is not None and raised > own:
                raise FencedError(
                    f"lease of {product}: expected token {own} to be the newest, found {raised} in {before.table}; "
                    "another run took over while this one stood still: nothing was written, run again"
                )

    def _uri(self, table: str) -> str:
        return f"{self.url}/{TABLES_FOLDER}/{table}"

    def _check_version(self) -> None:
        found = json.loads(self.files.get(MARK)).get("version")
        while found in MIGRATIONS:
            MIGRATIONS[found](self)
            found += 1
            mark = json.loads(self.files.get(MARK)) | {"version": found}
            self.files.put(MARK, json.dumps(mark).encode())
        if found != SCHEMA_VERSION:
            action = "upgrade urbancast" if isinstance(found, int) and found > SCHEMA_VERSION else "use a new lake"
            raise ContractError(
                f"lake.version: expected {SCHEMA_VERSION}, found {found} in {self.url}/{MARK}; {action}, "
                "or open the lake with the version that wrote it"
            )


def months_of(table: str, frame: pl.DataFrame) -> list[str]:
    """Months (``2021-07``) the frame's rows fall in, sorted."""
    return sorted(frame[MONTH_OF[table]].dt.strftime("%Y-%m").unique().to_list())


def _stored(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as they lie in Delta: enums as text, the month beside."""
    texts = [pl.col(name).cast(pl.String) for name, dtype in rows.schema.items() if isinstance(dtype, pl.Enum)]
    month = [pl.col(MONTH_OF[table]).dt.strftime("%Y-%m").alias("month")] if table in MONTH_OF else []
    return rows.with_columns(*texts, *month)


def _by_product(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(product, rows.filter(pl.col("product") == product)) for product in _products(rows)]


def _fence_of(product: str) -> str:
    return f"lease/{product}"


def _given(rows: pl.DataFrame, _: Snapshot) -> pl.DataFrame:
    return rows


def _products(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["product"].unique().to_list())


def _contended(table: str) -> NotReadyError:
    return NotReadyError(
        f"lake.{table}: expected to commit within {ATTEMPTS} attempts, found other writers each time; run again"
    )
