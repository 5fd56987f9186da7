"""Times as tables write them: which form, and the UTC instant it stands for."""

from __future__ import annotations

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.time import UTC_US, from_local

# Forms in the order in which they are tried; `%z` ones name their offset.
FORMS = (
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%dT%H:%M%:z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y%m%d",
)
SECONDS, MILLISECONDS = "seconds", "milliseconds"  # since 1970, for whole numbers
TYPED = "typed"  # the column holds times already


def has_offset(form: str) -> bool:
    """Whether a form says which instant it is by itself; others are local clock times."""
    return form.endswith("%:z") or form in (SECONDS, MILLISECONDS)


def fits(values: pl.Series) -> list[str]:
    """Forms that read every value that is there, best first; none for a column that holds no times."""
    if values.dtype in (pl.Datetime, pl.Date):
        return [TYPED]
    known = values.drop_nulls()
    if known.is_empty():
        return []
    if values.dtype.is_integer():
        return _epochs(known)
    if values.dtype != pl.String:
        return []
    texts = known.str.strip_chars().str.replace("Z$", "+00:00")
    probe = texts.head(200)
    likely = [form for form in FORMS if naive(probe, form).null_count() == 0]
    return [form for form in likely if naive(texts, form).null_count() <= 0.01 * len(texts)]


def utc(values: pl.Expr, form: str, tz: str) -> pl.Expr:
    """UTC instants of a column written in ``form``; a local clock time is one of ``tz``; null where unreadable.

    Of an hour that a clock repeats the first is meant; one that it skips is read an hour later.
    """
    if form in (SECONDS, MILLISECONDS):
        unit = 1_000_000 if form == SECONDS else 1_000
        return (values.cast(pl.Int64) * unit).cast(UTC_US)
    if form == TYPED:
        raise ContractError("form: expected a text form, found typed values; use `typed`")
    texts = values.cast(pl.String).str.strip_chars().str.replace("Z$", "+00:00")
    if has_offset(form):
        return texts.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    if "%H" in form or "%I" in form:
        return from_local(texts.str.to_datetime(form, time_unit="us", strict=False), tz)
    return from_local(texts.str.to_date(form, strict=False).cast(pl.Datetime("us")), tz)


def read(values: pl.Series, form: str, tz: str) -> pl.Series:
    """UTC instants of a column, whatever its type; see ``utc``."""
    if form == TYPED:
        return pl.select(_typed(values, tz)).to_series().alias(values.name)
    return pl.DataFrame({"v": values}).select(utc(pl.col("v"), form, tz)).to_series().alias(values.name)


def naive(values: pl.Series, form: str) -> pl.Series:
    """Clock times as written, for comparing forms; null where a text does not fit."""
    if form.endswith("%:z"):
        return values.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    if "%H" in form or "%I" in form:
        return values.str.to_datetime(form, time_unit="us", strict=False)
    return values.str.to_date(form, strict=False).cast(pl.Datetime("us"))


def _typed(values: pl.Series, tz: str) -> pl.Expr:
    column = pl.lit(values)
    if values.dtype == pl.Date:
        return from_local(column.cast(pl.Datetime("us")), tz)
    if getattr(values.dtype, "time_zone", None):
        return column.dt.convert_time_zone("UTC").cast(UTC_US)
    return from_local(column.cast(pl.Datetime("us")), tz)


def _epochs(known: pl.Series) -> list[str]:
    least, most = int(known.min()), int(known.max())  # type: ignore[arg-type]
    if least > 600_000_000 and most < 5_000_000_000:
        return [SECONDS]
    if least > 600_000_000_000 and most < 5_000_000_000_000:
        return [MILLISECONDS]
    return []
