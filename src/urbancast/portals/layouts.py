"""The named shapes a source arrives in: exactly one must match, or the pull stops and says what differs.

A layout matches when all its ``columns`` are there and nothing stands outside ``columns`` and ``optional``;
``"*"`` in ``optional`` lets any further column pass. Names that begin with ``:`` are a portal's own row ids.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Layout, Source
from urbancast.core.time import UTC_US, as_utc
from urbancast.portals import read
from urbancast.portals.fetched import Fetched

ANY = "*"
ROW = "_row"
_LIKE = 0.6  # similarity from which a missing and an unexpected name are called a renaming
_WORD = 3  # letters of a name that make it a word another name may hold
_ENOUGH = 5  # values of a column that must all fail before the column, not its rows, is at fault
_PROBES = (
    "1",
    "2020-01-02",
    "2020-01-02T03:00:00.000",
    "2020-01-02T03:00:00+00:00",
    "2020-01-02 03:00:00",
    "02/01/2020",
    "3:00",
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a frame differs from a layout."""

    layout: Layout
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of names that differ."""
        return len(self.missing) + len(self.unexpected)


def native(fetched: Fetched) -> pl.DataFrame:
    """Frame of one answer as its source wrote it: what a layout is matched against."""
    return read.native(fetched)


def match(source: Source, frame: pl.DataFrame) -> Layout:
    """Return the one layout of ``source`` that ``frame`` has; an answer without rows or columns has the first."""
    if frame.width == 0 and frame.height == 0:
        return source.layouts[0]
    differences = [differ(layout, frame.columns) for layout in source.layouts]
    fits = [difference.layout for difference in differences if difference.size == 0]
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(layout.name for layout in fits)
        raise ContractError(f"{source.name}: expected one layout to match, found {names}; make them tell apart")
    raise ContractError(_told(source, min(differences, key=lambda difference: difference.size)))


def differ(layout: Layout, columns: Sequence[str]) -> Difference:
    """Names that ``layout`` misses in ``columns``, and names it does not know."""
    columns = list(_meant(layout, columns).values())
    known = {*layout.columns, *layout.optional}
    strange = () if ANY in known else tuple(c for c in columns if c not in known and not c.startswith(":"))
    return Difference(layout=layout, missing=tuple(c for c in layout.columns if c not in columns), unexpected=strange)


def _meant(layout: Layout, columns: Sequence[str]) -> dict[str, str]:
    """Native names to ours, for those that a layout by meaning knows; the others stay. One meaning holds once."""
    ours = {native_name: name for name, natives in layout.meanings.items() for native_name in natives}
    found: dict[str, str] = {}
    for column in columns:
        name = ours.get(folded(column), column)
        found[column] = column if name in found.values() else name
    return found


def folded(name: str) -> str:
    """Column name in lower case without accents, words joined by ``_``."""
    plain = unicodedata.normalize("NFKD", name.replace("º", " ").replace("ª", " ").casefold())
    kept = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return "_".join(kept.split())


def parse(source: Source, fetched: Fetched) -> pl.DataFrame:
    """Canonical frame: columns exactly ``source.schema``, then ``_row`` (position as read) and ``fetched_at``.

    A value that cannot be read is null, for ``observe`` to quarantine; a column of which no value can be read
    is of another type: ContractError. No row is dropped.
    """
    canonical = parse_frame(source, native(fetched))
    return canonical.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW),
        pl.lit(as_utc(fetched.fetched_at), dtype=UTC_US).alias("fetched_at"),
    )


def parse_frame(source: Source, frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of ``source.schema``, row by row those of the native ``frame``."""
    layout = match(source, frame)
    if frame.width == 0:
        return pl.DataFrame(schema=dict(source.schema))
    frame = frame.rename(_meant(layout, frame.columns))
    absent = [name for name in layout.optional if name != ANY and name not in frame.columns]
    whole = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    parsed = _parsed(source, layout, whole)
    for name, values in zip(parsed.columns, parsed.iter_columns(), strict=True):
        if parsed.height and values.null_count() == parsed.height:
            _check_type(source, layout, whole, name)
    return parsed


def native_rows(frame: pl.DataFrame, rows: Sequence[int]) -> list[str]:
    """JSON text of the rows at these positions, as they were read: what a quarantine keeps."""
    if not rows:
        return []
    chosen = frame[list(rows)].with_columns(pl.col(pl.Binary).bin.encode("hex"))
    return chosen.write_ndjson().splitlines()


def _parsed(source: Source, layout: Layout, whole: pl.DataFrame) -> pl.DataFrame:
    try:
        parsed = layout.parse(whole)
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} {dtype}" for name, dtype in whole.schema.items())
        raise ContractError(
            f"{source.name}: expected the types of layout {layout.name!r}, found {types} ({_first_line(error)}); "
            "a column was retyped, add a layout for the new shape",
        ) from error
    if source.role != "weather" and parsed.height != whole.height:  # weather may be spread over hours
        raise ContractError(
            f"{source.name}: expected {whole.height} rows from layout {layout.name!r}, found {parsed.height}; "
            "a layout drops no row, quarantine it in observe",
        )
    for name, dtype in source.schema.items():
        if name not in parsed.columns or parsed.schema[name] != dtype:
            raise ContractError(
                f"{source.name}.{name}: expected {dtype}, found {parsed.schema.get(name, 'no such column')}; "
                f"cast it in layout {layout.name!r}, or add a layout if the column was retyped",
            )
    return parsed.select(source.schema.keys())


def _check_type(source: Source, layout: Layout, whole: pl.DataFrame, name: str) -> None:
    """ContractError when ``name`` is wholly null although a native column that feeds it holds values.

    Which native column feeds it is found by putting readable values into one after the other.
    """
    head = whole.head(1)
    for column in whole.columns:
        held = whole.height - whole[column].null_count()
        if held < _ENOUGH or whole.schema[column].is_nested():
            continue
        for probe in _PROBES:
            try:
                read_one = layout.parse(head.with_columns(pl.lit(probe).alias(column)))[name].null_count() == 0
            except pl.exceptions.PolarsError:
                continue
            if read_one:
                found = whole[column].drop_nulls()[0]
                raise ContractError(
                    f"{source.name}.{column}: expected values that read as {source.schema[name]} ({name}), "
                    f"found {found!r} and {held - 1} more that do not; the column was retyped, add a layout",
                )


def _told(source: Source, nearest: Difference) -> str:
    renamed = _renamings(nearest)
    gone = [name for name in nearest.missing if name not in renamed]
    new = [name for name in nearest.unexpected if name not in renamed.values()]
    parts = [f"{old!r} seems renamed to {name!r}" for old, name in renamed.items()]
    parts += [f"missing {', '.join(map(repr, gone))}"] if gone else []
    parts += [f"unexpected {', '.join(map(repr, new))}"] if new else []
    names = ", ".join(layout.name for layout in source.layouts)
    return (
        f"{source.name}: expected one of its layouts ({names}), found a frame nearest to "
        f"{nearest.layout.name!r} but for: {'; '.join(parts)}; nothing was written, "
        "add a layout to the recipe if the source has changed"
    )


def _renamings(difference: Difference) -> dict[str, str]:
    """Missing names to the unexpected ones most like them, each used once."""
    pairs = sorted(
        ((_likeness(old, new), old, new) for old in difference.missing for new in difference.unexpected),
        reverse=True,
    )
    found: dict[str, str] = {}
    for likeness, old, new in pairs:
        if likeness >= _LIKE and old not in found and new not in found.values():
            found[old] = new
    return found


def _likeness(one: str, other: str) -> float:
    one, other = one.casefold(), other.casefold()
    held = min(len(one), len(other)) >= _WORD and (one in other or other in one)
    return max(SequenceMatcher(None, one, other).ratio(), _LIKE * held)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
