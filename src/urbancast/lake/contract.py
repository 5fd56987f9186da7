"""The door of the lake: a frame is checked against its table's contract, and a failure says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import dataframely as dy
import polars as pl
from dataframely.exc import SchemaError, ValidationError

from urbancast.core.errors import ContractError
from urbancast.core.tables import TABLES

# Columns that came with a later schema version: what stands in rows written before it.
ADDED: dict[str, dict[str, str]] = {
    "verdicts": {"kind": "live"},
    "requests": {"by": "unknown", "message": ""},
}
_PRODUCT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def of(table: str) -> type[dy.Schema]:
    """Contract of a table by its name."""
    if table not in TABLES:
        raise ContractError(f"lake.{table}: expected one of {', '.join(TABLES)}; name one of them")
    return TABLES[table]


def schema(table: str) -> dict[str, pl.DataType]:
    """Columns and polars types of a table, in the contract's order."""
    return dict(empty(table).schema)


@cache
def empty(table: str) -> pl.DataFrame:
    """A frame of the table's columns without rows."""
    return of(table).create_empty()


def key(table: str) -> list[str]:
    """Primary key of a table, in the contract's order."""
    return list(of(table).primary_key())


def lacks(table: str, columns: Iterable[str]) -> dict[str, str]:
    """Values of the columns that a table of an earlier schema version does not have yet."""
    there = set(columns)
    return {name: value for name, value in ADDED.get(table, {}).items() if name not in there}


def check(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame cast to the contract, its columns in order; a ContractError names what does not fit."""
    contract = of(table)
    missing = [name for name in contract.column_names() if name not in frame.columns]
    if missing:
        raise ContractError(
            f"{table}.{missing[0]}: expected columns {', '.join(contract.column_names())}, "
            f"found none named {', '.join(missing)}; add what is missing before writing"
        )
    try:
        checked = contract.validate(frame.lazy(), cast=True).collect()  # twice as quick as of the frame itself
    except (ValidationError, SchemaError, pl.exceptions.PolarsError) as error:
        raise ContractError(_explain(table, frame, error)) from error
    for product in checked["product"].unique().to_list():
        if not _PRODUCT.fullmatch(product):
            raise ContractError(
                f"{table}.product: expected letters, digits, '_', '-' or '.', found {product!r}; use the product's id"
            )
    return checked


def _explain(table: str, frame: pl.DataFrame, error: Exception) -> str:
    """First failure as ``table.column: expected …, found …; what to do``."""
    try:
        _, failure = of(table).filter(frame, cast=True)
    except (SchemaError, pl.exceptions.PolarsError):
        return f"{table}: expected {_types(table)}, found {error}; cast the columns before writing"
    rule, count = min(failure.counts().items(), key=lambda item: "|" not in item[0])  # columns before whole rows
    column, _, name = rule.rpartition("|")
    if not column:
        return _explain_row_rule(table, rule, count, failure.invalid())
    found = f"{frame.schema[column]} such as {_example(frame, column, failure)!r} in {count} of {frame.height} rows"
    if name == "dtype":
        return f"{table}.{column}: expected {schema(table)[column]}, found {found}; cast it before writing"
    if name == "nullability":
        return (
            f"{table}.{column}: expected no nulls, found {count} of {frame.height} rows; fill or quarantine those rows"
        )
    return f"{table}.{column}: expected rule {name!r} to hold, found {found}; correct or quarantine those rows"


def _explain_row_rule(table: str, rule: str, count: int, invalid: pl.DataFrame) -> str:
    columns = [c for c in key(table) if c in invalid.columns]
    example = invalid.select(columns).row(0, named=True)
    if rule == "primary_key":
        return (
            f"{table}.{'+'.join(columns)}: expected one row a key, found {count} rows that share one, "
            f"such as {example}; keep one of them"
        )
    return (
        f"{table}: expected rule {rule!r} to hold, found {count} rows against it, such as {example}; "
        "correct or quarantine those rows"
    )


def _example(frame: pl.DataFrame, column: str, failure: object) -> object:
    invalid = getattr(failure, "invalid")()  # noqa: B009 - typed too loosely upstream
    if column in invalid.columns and invalid.height:
        return invalid[column][0]
    return frame[column][0] if frame.height else None


def _types(table: str) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema(table).items())
