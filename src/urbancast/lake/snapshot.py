"""One table at one version: what a reader sees, whatever is written meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from deltalake import DeltaTable

from urbancast.core.errors import ContractError
from urbancast.core.tables import MONTH_OF
from urbancast.lake import contract, remote

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Snapshot:
    """A table as of one commit; ``delta`` is None where nothing was ever written."""

    table: str
    delta: DeltaTable | None
    options: dict[str, str]

    @property
    def version(self) -> int:
        """Number of the commit; -1 when the table is absent."""
        return -1 if self.delta is None else int(self.delta.version())

    def scan(
        self,
        *,
        product: str | None = None,
        since: datetime | date | None = None,
        until: datetime | date | None = None,
        by: str | None = None,
    ) -> pl.LazyFrame:
        """Rows of [since, until) by the month column or ``by``, read from the files that may hold them."""
        paths = [] if self.delta is None else self._paths(product, since, until, by)
        if not paths:
            return contract.empty(self.table).lazy()
        rows = pl.scan_parquet(
            paths,
            glob=False,
            hive_partitioning=True,
            hive_schema=dict.fromkeys(partitions(self.table), pl.String),
            storage_options=remote.of_reader(self.options),
        )
        rows = rows.with_columns(pl.lit(value).alias(name) for name, value in self._lacking().items())
        if product is not None:
            rows = rows.filter(pl.col("product") == product)
        rows = _cut(rows, self._by(by) if since or until else "", since, until)
        return rows.select(_as_contract(name, dtype) for name, dtype in contract.schema(self.table).items())

    def _lacking(self) -> dict[str, str]:
        """What stands for columns that this version of the table is too old to have."""
        if self.delta is None or self.table not in contract.ADDED:
            return {}
        return contract.lacks(self.table, (field.name for field in self.delta.schema().fields))

    def _paths(self, product: str | None, since: Any, until: Any, by: str | None) -> list[str]:
        """Files that may hold the rows: by partition, and by each file's minimum and maximum."""
        wanted: list[tuple[str, str, Any]] = [] if product is None else [("product", "=", product)]
        if since or until:
            column = self._by(by)
            is_month = MONTH_OF.get(self.table) == column
            if since:
                wanted.append((column, ">=", _bound(column, since)))
                wanted += [("month", ">=", f"{since:%Y-%m}")] if is_month else []
            if until:
                wanted.append((column, "<=", _bound(column, until)))
                wanted += [("month", "<=", f"{until:%Y-%m}")] if is_month else []
        if self.delta is None:
            return []
        return sorted(self.delta.file_uris(file_pruning_predicate=wanted or None))

    def _by(self, by: str | None) -> str:
        column = by or MONTH_OF.get(self.table)
        if column is None:
            raise ContractError(f"lake.{self.table}: expected the time column to cut by, found none; pass by=")
        return column


def partitions(table: str) -> list[str]:
    """Partition columns of a table: product, and month where the table has one."""
    return ["product", "month"] if table in MONTH_OF else ["product"]


def _bound(column: str, instant: datetime | date) -> datetime | date:
    return instant.date() if column == "day" and isinstance(instant, datetime) else instant


def _cut(rows: pl.LazyFrame, column: str, since: datetime | date | None, until: datetime | date | None) -> pl.LazyFrame:
    if since is not None:
        rows = rows.filter(pl.col(column) >= _bound(column, since))
    if until is None:
        return rows
    if column == "day" and isinstance(until, datetime):
        return rows.filter(pl.col(column) <= (until - _TICK).date())
    return rows.filter(pl.col(column) < until)


def _as_contract(name: str, dtype: pl.DataType) -> pl.Expr:
    return pl.col(name).cast(dtype) if isinstance(dtype, pl.Enum | pl.Int16) else pl.col(name)
