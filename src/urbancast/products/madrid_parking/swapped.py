"""Columns of a ticket file under each other's names: found by what their values look like, and refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import polars as pl

from urbancast.core.errors import ContractError

_TIME = r"^\s*\d{4}-\d\d-\d\d[ T]|^\s*\d\d/\d\d/\d{4} "
_LIKE = {
    "start": _TIME,
    "end": _TIME,
    "bought": _TIME,
    "district_code": r"^\s*\d{1,2}\s*$",
    "barrio_code": r"^\s*\d{1,3}\s*$|^\s*\d{1,2}-\d{1,2}\s*$",
    "barrio": r"^\s*(\d{1,2}-\d{1,2})?\s*\pL[^:]{2,}$",
    "zone": r"(?i)verde|azul|rojo|naranja|rotaci",
    "minutes": r"^\s*\d{1,5}([.,]0+)?\s*$",
    "amount": r"^\s*-?\d{1,4}([.,]\d+)?\s*$",
}
_SAMPLE, _FEW, _MOST, _NEAR_MIN = 2000, 0.2, 0.8, 1.0
_LEAST = 20  # rows below which shares say nothing


def check_not_swapped(native: pl.DataFrame, meanings: Mapping[str, tuple[str, ...]]) -> None:
    """ContractError naming two columns whose values look like each other's; few rows say nothing."""
    if native.height < _LEAST:
        return
    rows = native.gather_every(max(1, native.height // _SAMPLE)).head(_SAMPLE)
    texts = {
        name: rows[name].cast(pl.String).drop_nulls()
        for name in _LIKE
        if name in rows.columns and not rows.schema[name].is_temporal()
    }
    pair = _by_looks({name: text for name, text in texts.items() if text.len() >= _LEAST}) or _by_order(rows)
    if pair is not None:
        one, other = (f"{name} ({'|'.join(meanings.get(name, ()))})" for name in pair)
        example = rows[pair[0]].drop_nulls().head(1).to_list()
        raise ContractError(
            f"tickets: expected {one} and {other} each under its own name, found values that look swapped "
            f"(such as {pair[0]} = {example[0]!r}); correct the header line of the file"
        )


def _by_looks(texts: Mapping[str, pl.Series]) -> tuple[str, str] | None:
    """Two columns of which one does not look like itself, and each looks like the other."""

    def share(name: str, like: str) -> float:
        return float(texts[name].str.contains(_LIKE[like]).mean() or 0.0)  # type: ignore[arg-type]

    strange = {name for name in texts if share(name, name) < _FEW}
    for one, other in combinations(texts, 2):
        is_either = one in strange or other in strange
        if is_either and share(one, other) > _MOST and share(other, one) > _MOST:
            return one, other
    return None


def _by_order(rows: pl.DataFrame) -> tuple[str, str] | None:
    """Start after end nearly always; or amounts that are the minutes between them, where the minutes are not."""
    if any(rows.schema[name] != pl.String for name in ("start", "end")):
        return None
    span = pl.col("end").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False) - pl.col("start").str.to_datetime(
        "%Y-%m-%d %H:%M:%S", strict=False
    )
    minutes = span.dt.total_seconds() / 60
    if float(rows.select((minutes < 0).mean()).item() or 0.0) > _MOST:
        return "start", "end"
    if not {"minutes", "amount"} <= set(rows.columns):
        return None

    def agrees(name: str) -> float:
        said = pl.col(name).cast(pl.String).str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        return float(rows.select(((said - minutes).abs() <= _NEAR_MIN).mean()).item() or 0.0)

    return ("minutes", "amount") if agrees("amount") > _MOST and agrees("minutes") < _FEW else None
